"""The log is trimmed no further than everything made of it reaches, and live state comes back from lake and log."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from shopkeeper.app.consent_log import ConsentKeeper
from shopkeeper.app.event_log import LOG_FILE, begins_behind, made_through
from shopkeeper.app.ingest import Loader
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for, rebuild
from shopkeeper.app.live_rebuild import is_lost, rebuild_live
from shopkeeper.app.log_trim import held_by_all, trim_log
from shopkeeper.app.safe_keep import SafeKeeper
from shopkeeper.app.shop import Shop, init
from shopkeeper.app.worker import work
from shopkeeper.base.errors import ConflictError, StorageError
from shopkeeper.cli.main import main
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.live_lock import live_lock
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_sqlite import SqliteLog
from shopkeeper.storage.state.identifiers import Identified
from tests.app.test_live import START, contents, happened, put, shopping, token

NOW = START + timedelta(days=75)
TOKENS = [token(kind, number) for kind in ("ck", "us", "ph") for number in range(40)]


@dataclass(frozen=True)
class Was:
    """A shop whose readers had all of the log, and what they made of it."""

    shop: Shop
    records: dict[str, bytes]
    known: list[Identified]
    persons: dict[str, str]


def _step(shop: Shop, log: SqliteLog) -> None:
    with closing(LiveStore(shop.folder / LIVE_FILE)) as live:
        reader = LiveReader(log, shop.state.identifiers, live, lines_for(shop))
        while live.position() < log.end():
            reader.step()


def _known(shop: Shop) -> list[Identified]:
    return sorted(shop.state.identifiers.known(TOKENS), key=lambda one: one.token)


def _persons(shop: Shop) -> dict[str, str]:
    return shop.state.identifiers.persons(list(contents(shop.folder)))


@pytest.fixture(scope="module")
def was(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Was]:
    folder = tmp_path_factory.mktemp("trimmed") / "shop"
    init(folder, {"engine.memory_limit": "500MB", "engine.threads": 1, "collect.log_days": 30}).close()
    hourly = [
        msgspec.structs.replace(each, occurred_at=at, received_at=at)
        for number, each in enumerate(shopping(1_200, 30))
        for at in [START + timedelta(hours=number)]
    ]
    with Shop.open(folder, clock=lambda: NOW) as shop:
        with SqliteLog(folder / LOG_FILE) as log:
            put(log, hourly[:900], at_once=7)
            _step(shop, log)
            SafeKeeper(shop, log).step()
            ConsentKeeper(shop, log).step()
            Loader(shop, log).load()
            put(log, hourly[900:], at_once=7)
            _step(shop, log)
        yield Was(shop, contents(folder), _known(shop), _persons(shop))


def test_the_log_is_trimmed_by_its_age_and_never_beyond_what_holds_it(was: Was) -> None:
    shop = was.shop
    with LogReader(shop.folder / LOG_FILE) as log:
        end, loaded = log.end(), held_by_all(shop)
        assert (loaded, end) == (129, 172)
        # All of it is older than the day that is asked for: the lake's position holds it.
        assert trim_log(shop, NOW + timedelta(days=3_000)) == loaded
        assert log.begin() == loaded + 1
        assert trim_log(shop, NOW + timedelta(days=3_000)) == 0
        SafeKeeper(shop, log).step()
        Loader(shop, log).load()
        # What is said of consent must be in the ledger, too.
        assert held_by_all(shop) == loaded
        ConsentKeeper(shop, log).step()
        assert held_by_all(shop) == end
        trimmed = trim_log(shop, NOW)
        assert trimmed > 10
        (last, first) = (log.begin() - 1, log.read(0)[0])
        assert last == loaded + trimmed
        assert first.received_at >= (NOW - timedelta(days=30)).timestamp()


def test_live_state_and_the_map_come_back_from_the_lake_and_the_rest_of_the_log(was: Was) -> None:
    shop, file = was.shop, was.shop.folder / LIVE_FILE
    with LogReader(shop.folder / LOG_FILE) as log:
        assert 1 < log.begin() <= log.end(), "one part is in the lake alone, another in the log"
        # The control: the log alone does not give it back.
        rebuild(log, shop.state.identifiers, file, lines_for(shop))
        assert contents(shop.folder) != was.records
        shop.state.identifiers.forget(TOKENS)
        assert _known(shop) == []
        done = rebuild_live(shop)
        assert contents(shop.folder) == was.records
        assert _known(shop) == was.known
        assert _persons(shop) == was.persons
        assert len(was.persons) > 15, "there are links to be found again"
        assert (done.records, done.position, done.missing) == (len(was.records), log.end(), 0)
        assert done.of_lake + sum(len(each.entries) for each in log.read(0)) == 1_200


@pytest.mark.parametrize("found", ["none", "one of an earlier form"])
def test_a_worker_that_finds_no_live_state_makes_it_anew(was: Was, found: str) -> None:
    shop, file = was.shop, was.shop.folder / LIVE_FILE
    if found == "none":
        file.unlink()
    else:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.executescript("ALTER TABLE record DROP COLUMN touched_at; PRAGMA user_version = 1")
    assert is_lost(shop)
    told = threading.Event()
    told.set()
    work(shop, told, with_schedule=False)
    assert not is_lost(shop)
    assert contents(shop.folder) == was.records


def test_the_command_that_the_error_names_works_and_not_beside_the_worker(
    was: Was, capsys: pytest.CaptureFixture[str]
) -> None:
    shop, file = was.shop, was.shop.folder / LIVE_FILE
    file.unlink()
    with LogReader(shop.folder / LOG_FILE) as log, closing(LiveStore(file)) as live:
        with pytest.raises(StorageError, match="live state ends at 0") as raised:
            LiveReader(log, shop.state.identifiers, live, lines_for(shop)).step()
        assert raised.value.next_step == "stop shopkeeper serve, then shopkeeper live rebuild"
    command = ["live", "rebuild", "--shop", str(shop.folder), "--json"]
    with live_lock(file):
        assert main(command) == 1
        assert "the worker writes live state" in capsys.readouterr().err
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["records"] == len(was.records)
    assert contents(shop.folder) == was.records
    with live_lock(file, alone=True), pytest.raises(ConflictError, match="being rebuilt"):
        work(shop, threading.Event())


def test_an_empty_log_that_begins_late_is_said_too(was: Was, tmp_path: Path) -> None:
    with (
        SqliteLog(tmp_path / LOG_FILE, behind=9) as log,
        closing(LiveStore(tmp_path / LIVE_FILE)) as live,
        pytest.raises(StorageError, match="the log begins at 10, live state ends at 0"),
    ):
        LiveReader(log, was.shop.state.identifiers, live, lines_for(was.shop)).step()


def test_where_the_log_itself_is_lost_no_offset_is_given_twice_and_the_lake_gives_live_state(was: Was) -> None:
    """As after a restore, which brings no log."""
    shop, file = was.shop, was.shop.folder / LOG_FILE
    with LogReader(file) as log:
        end = log.end()
    assert made_through(shop) == end
    assert begins_behind(shop) == 0
    for left in shop.folder.glob(f"{LOG_FILE}*"):
        left.unlink()
    assert begins_behind(shop) == end
    SqliteLog(file).close()  # killed before it was put behind what was made of the one before
    assert begins_behind(shop) == end
    with SqliteLog(file, behind=begins_behind(shop)) as log:
        done = rebuild_live(shop)
        assert (done.of_lake, done.of_log, done.missing) == (1_200, 0, 0)
        assert contents(shop.folder) == was.records
        # With the log its memory of ids is lost; the lake has its own.
        put(log, [happened(1, anonymous_id=token("ck", 1)), happened(9_999, anonymous_id=token("ck", 1))])
        assert log.end() == end + 1
        _step(shop, log)
        assert contents(shop.folder) != was.records
        loaded = Loader(shop, log).load()
        assert (loaded.events, loaded.known) == (1, 1)
