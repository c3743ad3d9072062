"""kill -9 of a change of the token key, at any moment, until it is through: no old token stays, no person is lost."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.ingest import Loader
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for
from shopkeeper.app.safe_keep import SafeKeeper
from shopkeeper.app.shop import REKEYING, init, open_shop
from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.sealed import seal
from shopkeeper.schema.query import Query
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Batch, Status
from shopkeeper.storage.log_sqlite import SqliteLog

__all__ = ["Rekeyed", "rekeyed"]

_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_PEOPLE = 300
_KILLS_A_ROUND = 3


@dataclass
class Rekeyed:
    """What was found.

    Args:
        kills: Times that it was killed before its end.
        under_way: Of these the times that it had begun to change the shop.
        opened: Times that the shop could be opened though it was not through.
        left: Files with an old token in them, once it was through.
        lost: Persons not found by their phone, or with other events than before.
        doubled: Events that were taken again.
        control: Files with a token in them before; none would say that the search is blind.
    """

    kills: int = 0
    under_way: int = 0
    opened: int = 0
    left: int = 0
    lost: int = 0
    doubled: int = 0
    control: int = 0

    @property
    def holds(self) -> bool:
        """Whether it is as promised."""
        return self.control > 0 and self.under_way > 0 and not (self.opened or self.left or self.lost or self.doubled)


def rekeyed(folder: Path, *, kills: int, seed: int) -> Rekeyed:
    """Kills so many changes of the token key, each of the same shop as it was, at moments spread over all of it.

    Args:
        folder: Where the shop is made.
        kills: How often it is killed at least.
        seed: Seeds the moments.
    """
    found, chance = Rekeyed(), random.Random(seed)
    shop, kept = folder / "shop", folder / "kept"
    old = _filled(shop)
    shutil.copytree(shop, kept)
    found.control = _holding(shop, old)
    whole = _timed(shop)
    while found.kills < kills:
        # The tables name their files by where they are, so it goes back to where it was.
        shutil.rmtree(shop)
        shutil.copytree(kept, shop)
        for _ in range(_KILLS_A_ROUND):
            # The first half goes by until all is imported.
            if not _killed(shop, chance.uniform(0.5, 1.1) * whole):
                break
            found.kills += 1
            found.under_way += (shop / REKEYING).exists()
            found.opened += _is_half_open(shop)
        else:
            _timed(shop)
        found.left += _holding(shop, old)
        _look(shop, found)
    return found


def _messages() -> list[dict[str, object]]:
    return [
        {
            "type": "identify", "userId": f"u{number}", "anonymousId": f"c{number}",
            "messageId": f"e{number}", "traits": {"phone": _phone(number)},
        }
        for number in range(_PEOPLE)
    ]  # fmt: skip


def _phone(number: int) -> str:
    return f"138{number:08d}"


def _filled(folder: Path) -> set[str]:
    """Makes the shop, and gives every token in it."""
    with init(folder, {"chain.country": "CN", "engine.memory_limit": "500MB"}) as shop:
        with closing(SqliteLog(folder / LOG_FILE)) as log:
            taken = accept(_messages(), Door("app", shop.tokens, _AT))
            sealed = seal(taken.personal, taken.bodies, shop.sealing)
            log.append([Batch("app", _AT.timestamp(), taken.entries, taken.refusals, sealed)])
            SafeKeeper(shop, log).step()
            with closing(LiveStore(folder / LIVE_FILE)) as store:
                LiveReader(log, shop.state.identifiers, store, lines_for(shop)).step()
            Loader(shop, log).load()
        return set(shop.state.identifiers.tokens())


def _command(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "shopkeeper", "token", "rekey", "--yes", "--json", "--shop", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)


def _timed(folder: Path) -> float:
    """Seconds that it takes when nobody kills it."""
    began = time.monotonic()
    if _command(folder).wait() != 0:
        raise AssertionError("the token key could not be changed")
    return time.monotonic() - began


def _killed(folder: Path, seconds: float) -> bool:
    """Kills it after so long, and says whether it was not through."""
    process = _command(folder)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    if code != 0:
        raise AssertionError("the token key could not be changed")
    return False


def _is_half_open(folder: Path) -> bool:
    """Whether a shop opens though its change was begun and is not through."""
    try:
        with open_shop(folder):
            return (folder / REKEYING).exists()
    except ShopkeeperError:
        return False


def _holding(folder: Path, tokens: set[str]) -> int:
    sought = re.compile("|".join(re.escape(token) for token in sorted(tokens)).encode())
    return sum(sought.search(_said(path)) is not None for path in folder.rglob("*") if path.is_file())


def _said(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".parquet":
        content += json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str).encode()
    return content


def _look(folder: Path, found: Rekeyed) -> None:
    with open_shop(folder) as shop:
        phones = [shop.tokens.token("phone", _phone(number)) for number in range(_PEOPLE)]
        users = [shop.tokens.token("user", f"u{number}") for number in range(_PEOPLE)]
        known = {one.token: one.person_id for one in shop.state.identifiers.known(phones)}
        found.lost += sum(known.get(phone) != f"app:{user}" for phone, user in zip(phones, users, strict=True))
        rows = shop.arrow(Query.from_sql("SELECT user_id FROM event", name="whose")).to_pylist()
        found.lost += len({row["user_id"] for row in rows} ^ set(users))
        with closing(SqliteLog(folder / LOG_FILE)) as log:
            taken = accept(_messages(), Door("app", shop.tokens, _AT))
            (outcome,) = log.append([Batch("app", _AT.timestamp(), taken.entries)])
        found.doubled += sum(status != Status.DUPLICATE for status in outcome.statuses)
