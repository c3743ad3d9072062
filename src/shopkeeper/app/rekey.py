"""A new key for the tokens of a shop, off-line: every token in every place of it becomes another of the same form.

Each place changes in one transaction, or one commit, that notes the key, so whatever was killed goes on when done
again; the vault is the last, and says of which keys the tokens are. A file stands in the shop from the beginning to the
end, and nobody opens a shop that has it.
"""

import base64
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shopkeeper.app.event_log import LOG_FILE, reader_of
from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.rekeyed_live import rekey_live
from shopkeeper.app.safe_keep import READER
from shopkeeper.app.serving import SERVING_FILE, refresh_serving
from shopkeeper.app.shop import REKEYING, Shop, now
from shopkeeper.base.clock import Clock, system_clock
from shopkeeper.base.errors import ConflictError, MissingError, UnavailableError, UsageError
from shopkeeper.base.ids import new_id
from shopkeeper.base.settings import FILE_NAME
from shopkeeper.collect.safe import open_vault
from shopkeeper.collect.sealed import keep_sealed
from shopkeeper.privacy.body import named_in
from shopkeeper.schema.query import Query
from shopkeeper.storage.keys import TOKEN_VARIABLE, Keys, add_token_key, read_keys
from shopkeeper.storage.live_history import HISTORY_FILE
from shopkeeper.storage.log_file import WriterLock
from shopkeeper.storage.parquet import sync_file, sync_folder
from shopkeeper.storage.rekeyed_file import noted_rekeys
from shopkeeper.storage.rekeyed_lake import check_writable, rekey_table
from shopkeeper.storage.rekeyed_log import check_log, rekey_log
from shopkeeper.storage.rekeyed_vault import check_vault, rekey_vault, tokens_in_vault
from shopkeeper.storage.renaming import Known, Renaming
from shopkeeper.storage.shop_lock import ShopLock
from shopkeeper.storage.state.rekey import rekey_state, tokens_in_map
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.token_chain import Chain
from shopkeeper.storage.tombstones import Tombstones

__all__ = ["Rekeyed", "Wants", "name_now", "rekey", "wants"]

VAULT_FILE, TOMBSTONES_FILE = "vault.db", "tombstones.log"
_UPLOADS = "uploads"
_BATCHES_AT_ONCE = 500
_AFTER_ALL = datetime(9999, 1, 1, tzinfo=UTC)
_OURS = "SELECT source, message_id FROM event WHERE message_id LIKE 'm\\_%' ESCAPE '\\'"

Tell = Callable[[str, int, int], None]
"""Hears what is done, its place from 1, and of how many."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a rekey of a shop needs.

    Args:
        bytes: What the places hold that it writes anew.
        room: So many bytes should be free meanwhile, since the old stands beside the new.
        free: So many are.
        is_begun: Whether one was begun and stopped before its end.
    """

    bytes: int
    room: int
    free: int
    is_begun: bool


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """The receipt of a rekey.

    Args:
        id: Its id.
        key: The id of the key that is in use now.
        began_at: When it was begun.
        ended_at: When the last byte was written.
        by: Who did it.
        is_continued: Whether one that was stopped was gone on with: what that one had done is not counted.
        changed: How many of what were changed, by place.
        audit_head: Place and hash of the audit log's last row before its rows got their new names.
    """

    id: str
    key: str
    began_at: str
    ended_at: str
    by: str
    is_continued: bool
    changed: Mapping[str, Mapping[str, int]]
    audit_head: tuple[int, str]


@dataclass(frozen=True, slots=True)
class _Begun:
    """What the file in the shop says while a rekey is under way."""

    since: int
    began_at: str
    by: str
    audit_head: tuple[int, str]


def wants(folder: Path) -> Wants:
    """Says what a rekey of a shop needs, without beginning one.

    Raises:
        MissingError: There is no shop.
    """
    _refuse_missing(folder)
    files = [
        size for name in (LOG_FILE, LIVE_FILE, SERVING_FILE, "state.db", VAULT_FILE) if (size := _size(folder / name))
    ]
    tables = [sum(map(_size, each.rglob("*"))) for each in (folder / "lake").glob("*/*") if each.is_dir()]
    # Of a file its old pages, the new ones in the log beside it, and the copy that it is written anew from.
    room = max([*(3 * size for size in files), *tables], default=0)
    return Wants(sum(files) + sum(tables), room, shutil.disk_usage(folder).free, (folder / REKEYING).exists())


def rekey(
    folder: Path,
    *,
    by: str,
    tell: Tell = lambda *_: None,
    clock: Clock = system_clock,
) -> Rekeyed:
    """Puts a new token key into use and gives every token its new form, or goes on with what was stopped.

    Args:
        folder: The shop; nobody else may have it open.
        by: Who does it.
        tell: Hears how far it is.
        clock: Gives the present instant.

    Returns:
        What was changed where.

    Raises:
        ConflictError: Somebody uses the shop, or a table cannot be written anew; nothing was changed.
        StorageError: Something of it is damaged; nothing was changed where it could be seen before.
        UsageError: The keys stand in the environment, and there is no new one among them; nothing was changed.
        UnavailableError: There is not enough room on the disk; nothing was changed.
        MissingError, ForbiddenError: The keys cannot be read.
    """
    folder = folder.absolute()
    _refuse_missing(folder)
    lock = ShopLock(folder, alone=True)
    try:
        with Shop.open(folder, clock=clock, rekeying=lock) as shop, _log_alone(folder):
            is_continued = (folder / REKEYING).exists()
            _refuse_full_disk(wants(folder))
            begun = _begun(folder) if is_continued else _begin(shop, by)
            keys = _keys_from_now(folder / "keys", begun.since)
            changed = _change(shop, keys, begun, tell)
            receipt = Rekeyed(
                new_id("rekey"),
                keys.rekeys[-1].id,
                begun.began_at,
                now(shop).isoformat(),
                by,
                is_continued,
                changed,
                begun.audit_head,
            )
            detail = {"changed": changed, "audit_head": list(begun.audit_head), "is_continued": is_continued}
            shop.state.audit.append(by, "token.rekey", receipt.key, now=now(shop), detail=detail)
            (folder / REKEYING).unlink()
            sync_folder(folder)
            return receipt
    finally:
        lock.release()


def name_now(shop: Shop, ids: Sequence[str], *, rekeys_ago: int = 1) -> list[str]:
    """What persons are called now whose ids were written down before, such as in a list that was handed out.

    Args:
        shop: The shop.
        ids: The ids.
        rekeys_ago: Before how many rekeys.

    Raises:
        UsageError: There were not so many.
    """
    keys = read_keys(shop.folder / "keys", os.environ).rekeys
    if not 0 <= rekeys_ago <= len(keys):
        raise UsageError(
            f"the token key was changed {len(keys)} times, not {rekeys_ago}"
            if keys
            else "the token key was never changed: everybody is called what they were",
            next_step=f"name a number up to {len(keys)}" if keys else None,
        )
    renaming = Renaming(Chain(keys[len(keys) - rekeys_ago :]), lambda _: ())
    return [str(name) for name in renaming.names(ids)]


def _begin(shop: Shop, by: str) -> _Begun:
    """Sees that all can be done before anything is; from the last line on the shop is closed to others."""
    keys, since = read_keys(shop.folder / "keys", os.environ), noted_rekeys(shop.folder / VAULT_FILE)
    if since > len(keys.rekeys):
        raise UsageError(
            "the newest token key is not there", place=str(shop.folder), next_step="bring back the newest token.key"
        )
    if since == len(keys.rekeys):
        _refuse_environment()
    held = shop.state.leases.live(now(shop))
    if held:
        raise ConflictError(
            f"{', '.join(sorted(lease.name for lease in held))}: another process holds that",
            place=str(shop.folder),
            next_step="stop shopkeeper serve on every machine; what died lets go after five minutes",
        )
    shop.state.audit.verify()
    for name in shop.lake.tables():
        check_writable(shop.lake, name)
    _drain(shop, keys, since)
    if (shop.folder / LOG_FILE).exists():
        check_log(shop.folder / LOG_FILE)
    check_vault(shop.folder / VAULT_FILE, shop.sealing)
    begun = _Begun(since, now(shop).isoformat(), by, shop.state.audit.head())
    file = shop.folder / REKEYING
    beside = file.with_name(f"{REKEYING}.new")
    beside.write_text(json.dumps(asdict(begun)), encoding="utf-8")
    sync_file(beside)
    beside.replace(file)
    sync_folder(shop.folder)
    return begun


def _begun(folder: Path) -> _Begun:
    said = json.loads((folder / REKEYING).read_text(encoding="utf-8"))
    return _Begun(said["since"], said["began_at"], said["by"], (said["audit_head"][0], said["audit_head"][1]))


def _drain(shop: Shop, keys: Keys, since: int) -> None:
    """Puts what the log holds sealed into the vault, which then knows every token in a text."""
    if not (shop.folder / LOG_FILE).exists():
        return
    tokens = Tokens(keys.token, shop.settings.chain.country, keys.rekeys[:since])
    with reader_of(shop) as log, closing(open_vault(shop.folder, _keys_then(keys, since))) as vault:
        position = shop.state.positions.of(READER)
        while batches := log.read(position, _BATCHES_AT_ONCE):
            keep_sealed(vault, shop.lake, shop.duckdb, shop.sealing, batches, lambda body: named_in(body, tokens))
            position = batches[-1].position
            shop.state.positions.move(READER, position)


def _keys_then(keys: Keys, since: int) -> Mapping[str, str]:
    """An environment in which the token keys are those that the shop's tokens are of still."""
    chain = (keys.token, *keys.rekeys[:since])
    return {**os.environ, TOKEN_VARIABLE: ",".join(base64.b64encode(key.secret).decode() for key in chain)}


def _keys_from_now(folder: Path, since: int) -> Keys:
    """The keys with a new one among them, which is made where there is none yet."""
    keys = read_keys(folder, os.environ)
    if len(keys.rekeys) > since:
        return keys
    _refuse_environment()
    add_token_key(folder)
    return read_keys(folder, os.environ)


def _refuse_missing(folder: Path) -> None:
    if not (folder / FILE_NAME).is_file():
        raise MissingError(f"there is no shop in {folder}", next_step="name one with --shop")


def _refuse_full_disk(needed: Wants) -> None:
    if needed.room > needed.free:
        raise UnavailableError(
            f"{needed.room / 1e6:,.0f} MB are wanted meanwhile, {needed.free / 1e6:,.0f} MB are free",
            next_step="make room on the disk of the shop, then do the same again",
        )


def _refuse_environment() -> None:
    if os.environ.get(TOKEN_VARIABLE, "").strip():
        raise UsageError(
            "the token keys stand in the environment, where a new one cannot be put from here",
            place=TOKEN_VARIABLE,
            next_step=f"put a new key (openssl rand -base64 32) behind the others: {TOKEN_VARIABLE}=OLD,NEW",
        )


def _change(shop: Shop, keys: Keys, begun: _Begun, tell: Tell) -> dict[str, dict[str, int]]:
    folder, target = shop.folder, len(keys.rekeys)
    chain = Chain(keys.rekeys).part(begun.since, target)
    changed: dict[str, dict[str, int]] = {}
    with tokens_in_vault(folder / VAULT_FILE) as in_vault:
        renaming = Renaming(chain, _either(in_vault, lambda texts: tokens_in_map(shop.state.database, texts)))
        lake = shop.lake.tables()
        of, place = 7 + len(lake), 0

        def step(what: str) -> None:
            nonlocal place
            place += 1
            tell(what, place, of)

        step(LOG_FILE)
        if (folder / LOG_FILE).exists():
            older = _ours(shop)
            changed[LOG_FILE] = {"batches": rekey_log(folder / LOG_FILE, target, renaming, older)}
        step(LIVE_FILE)
        if (folder / LIVE_FILE).exists():
            changed[LIVE_FILE] = {"rows": rekey_live(folder / LIVE_FILE, target, renaming)}
        tables = Counter[str]()
        for name in lake:
            step(f"lake: {name}")
            tables[name] = rekey_table(shop.lake, name, renaming)
            shop.lake.sweep(name, now=_AFTER_ALL, older_than=timedelta(0))
        changed["lake"] = dict(+tables)
        step("tombstones")
        stones = Tombstones(folder / TOMBSTONES_FILE, keys.token, keys.rekeys)
        changed["tombstones"] = {"lines": stones.rekey()}
        step("temporary")
        changed["temporary"] = {"files": _temporary(shop)}
        step("state")
        # After this the map says no more what was a token before: what asks it comes earlier.
        rows, _ = rekey_state(shop.state.database, target, renaming)
        changed["state"] = dict(rows)
        step(SERVING_FILE)
        # Keys of orders in it are hashes of tokens, so it is made anew.
        made = refresh_serving(shop)
        changed[SERVING_FILE] = {"people": 0 if made is None else made.people}
        step("vault")
    changed["vault"] = {"rows": rekey_vault(folder / VAULT_FILE, target, renaming, shop.sealing)}
    return changed


def _ours(shop: Shop) -> Iterator[tuple[str, str]]:
    """Source and id of the messages in the lake whose id was made here."""
    if shop.lake.snapshot("event") is None:
        return
    for batch in shop.duckdb.batches(Query.from_sql(_OURS, name="ids made here"), rows=100_000):
        yield from zip(batch["source"].to_pylist(), batch["message_id"].to_pylist(), strict=True)


def _temporary(shop: Shop) -> int:
    """What is made again by itself, and what was left behind; uploads that wait hold no token."""
    gone = [shop.folder / HISTORY_FILE, shop.folder / SERVING_FILE, *shop.folder.glob("*.db.new*")]
    gone += [path for path in shop.spill.glob("*") if path.name != _UPLOADS] if shop.spill.is_dir() else []
    removed = 0
    for path in gone:
        removed += path.exists()
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return removed


def _either(one: Known, other: Known) -> Known:
    def known(texts: Collection[str]) -> Collection[str]:
        return {*one(texts), *other(texts)}

    return known


@contextmanager
def _log_alone(folder: Path) -> Iterator[None]:
    """The right to write the log, which its process has without having the shop open."""
    lock = WriterLock(folder / LOG_FILE)
    try:
        yield
    finally:
        lock.release()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
