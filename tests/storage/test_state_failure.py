"""Foreign errors become ours at one seam, and none of them is unknown."""

import inspect
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import exc

from shopkeeper.base.errors import (
    AlreadyThereError,
    ConflictError,
    MissingError,
    ShopkeeperError,
    StorageError,
    UsageError,
)
from shopkeeper.storage.state import State
from shopkeeper.storage.state.failure import FAILURES, failure_of, translated


def test_every_error_class_of_sqlalchemy_is_mapped() -> None:
    raised = {found for _, found in inspect.getmembers(exc, inspect.isclass) if issubclass(found, exc.SQLAlchemyError)}
    assert raised == set(FAILURES)


@pytest.mark.parametrize("kind", FAILURES, ids=lambda kind: kind.__name__)
def test_each_class_is_translated_into_one_of_ours(kind: type[exc.SQLAlchemyError]) -> None:
    error = kind.__new__(kind, "it went wrong")
    if isinstance(error, exc.StatementError):
        error.detail, error.statement, error.orig = [], None, ValueError("it went wrong")
    failure = failure_of(error, "sqlite:///x.db")
    assert isinstance(failure, ShopkeeperError)
    assert "x.db" in str(failure)


def test_a_taken_key_and_a_missing_reference_are_told_apart_without_the_row(state: State, now: datetime) -> None:
    with pytest.raises(MissingError) as missing:
        state.sessions.start("user_13800138000", now=now)
    with state.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO segments (name, version) VALUES ('13800138000', 1)")
    with pytest.raises(AlreadyThereError) as taken, state.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO segments (name, version) VALUES ('13800138000', 1)")
    assert "13800138000" not in str(missing.value) + str(taken.value)


def test_a_busy_file_is_a_conflict_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as one, closing(sqlite3.connect(file, timeout=0)) as two:
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConflictError, match="busy"), translated("x"):
            two.execute("BEGIN IMMEDIATE")
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database at all" * 100)
    with State.open(str(damaged)) as state, pytest.raises(StorageError, match="no SQLite database"):
        state.users.all()


def test_a_value_that_the_database_does_not_hold_is_a_wrong_question(state: State, now: datetime) -> None:
    """PostgreSQL takes no NUL and SQLite no number of more than 64 bits; whoever may ask anything may ask so."""
    with suppress(UsageError):
        assert state.api_keys.get("key_\0", now=now) is None
    with suppress(UsageError):
        assert state.audit.rows(after=10**30) == []
