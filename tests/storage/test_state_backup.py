"""A copy taken while others write is of one instant, and a restored store is what the manifest says."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from shopkeeper.base.errors import AlreadyThereError, MissingError, StorageError
from shopkeeper.storage.state import State
from shopkeeper.storage.state.assignments import HOLDOUT
from shopkeeper.storage.state.content import content
from tests.postgres_server import PostgresServer


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'restored.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.database()


def writing(state: State, now: datetime, stop: threading.Event, wrote: threading.Event) -> Callable[[], None]:
    """Writes in pairs that belong together: as many assignments as audit rows say."""

    def work() -> None:
        number = 0
        while not stop.is_set():
            state.audit.append("ann", "draw", f"c{number}", now=now, detail={"数": number})
            state.assignments.keep(f"c{number}", [(f"p{n}", HOLDOUT) for n in range(5)], now=now)
            number += 1
            if number == 10:
                wrote.set()

    return work


def test_a_backup_while_writing_restores_to_one_instant_on_either_database(
    state: State, new_url: str, tmp_path: Path, now: datetime
) -> None:
    stop, wrote = threading.Event(), threading.Event()
    writer = threading.Thread(target=writing(state, now, stop, wrote))
    writer.start()
    try:
        assert wrote.wait(60)
        manifest = state.backup(tmp_path / "backup.db")
    finally:
        stop.set()
        writer.join()
    State.restore(tmp_path / "backup.db", new_url, manifest)
    with State.open(new_url) as restored:
        assert restored.content() == manifest
        length = restored.audit.verify()
        assert 10 <= length == manifest["audit"].rows <= state.audit.verify()
        kept = manifest["assignments"].rows
        assert kept in (5 * length, 5 * length - 5), "the copy is not of one instant"
        restored.audit.append("ann", "restore", "shop", now=now)
        assert restored.audit.verify() == length + 1


def test_a_target_that_holds_something_is_left_as_it_was(
    state: State, state_url: str, tmp_path: Path, now: datetime
) -> None:
    state.settings.put("x", 1, by="ann", now=now)
    manifest = state.backup(tmp_path / "backup.db")
    with pytest.raises(AlreadyThereError):
        State.restore(tmp_path / "backup.db", state_url, manifest)
    with pytest.raises(AlreadyThereError):
        state.backup(tmp_path / "backup.db")
    assert state.content() == manifest


@pytest.mark.parametrize("damage", ["row", "byte", "gone"])
def test_a_backup_that_was_altered_is_refused(state: State, tmp_path: Path, now: datetime, damage: str) -> None:
    state.settings.put("x", "a value", by="ann", now=now)
    file = tmp_path / "backup.db"
    manifest = state.backup(file)
    if damage == "row":
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE settings SET set_by = 'bob'")
    elif damage == "byte":
        file.write_bytes(b"\x00" * 200 + file.read_bytes()[200:])
    else:
        file.unlink()
    with pytest.raises((StorageError, MissingError)):
        State.restore(file, f"sqlite:///{tmp_path / 'new.db'}", manifest)
    assert not (tmp_path / "new.db").exists()


def test_the_content_tells_any_two_different_rows_apart(tmp_path: Path) -> None:
    hashes = set()
    rows: list[tuple[object, object]] = [("a", "b"), ("ab", ""), ("", "ab"), ("1", ""), (1, ""), (None, ""), ("", None)]
    for number, row in enumerate(rows):
        file = tmp_path / f"{number}.db"
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x, y)")
            connection.execute("INSERT INTO t (x, y) VALUES (?, ?)", row)
        hashes.add(content(file)["t"].sha256)
    assert len(hashes) == len(rows)
