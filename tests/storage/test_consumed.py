"""The position of the log moves with the rows or not at all, whoever else writes to the table."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.table import Transaction

from shopkeeper.base.errors import ConflictError, UsageError
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Table
from shopkeeper.schema.tables import table
from shopkeeper.storage.consumed import append_through, consumed
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.iceberg import arrow_schema
from shopkeeper.storage.lake import Lake

EVENT = table("event")
NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    made = Lake(tmp_path / "lake")
    yield made
    made.close()


@pytest.fixture
def engine(lake: Lake, tmp_path: Path) -> Iterator[DuckDBEngine]:
    made = DuckDBEngine(lake, spill=tmp_path / "spill", memory_limit="500MB", threads=1)
    yield made
    made.close()


def _files(engine: DuckDBEngine, *ids: str) -> list[str]:
    rows = [
        {"source": "web", "message_id": one, "type": "track", "occurred_at": NOW, "received_at": NOW} for one in ids
    ]
    given = Table("given", "events", EVENT.columns, EVENT.key)
    query = Query.from_sql(f"SELECT {', '.join(EVENT.column_names)} FROM given", name="events", inputs=(given,))
    return engine.write(query, EVENT, {"given": pa.Table.from_pylist(rows, schema=arrow_schema(EVENT))})


def _ids(engine: DuckDBEngine) -> list[str]:
    query = Query.from_sql("SELECT message_id FROM event ORDER BY message_id", name="ids")
    ids: list[str] = engine.arrow(query)["message_id"].to_pylist()
    return ids


def test_the_position_moves_with_the_rows(lake: Lake, engine: DuckDBEngine) -> None:
    assert consumed(lake, "event") == 0
    append_through(lake, "event", _files(engine, "a", "b"), after=0, through=2)
    append_through(lake, "event", _files(engine, "c"), after=2, through=7)
    assert (consumed(lake, "event"), _ids(engine)) == (7, ["a", "b", "c"])


def test_a_loader_that_begins_from_an_old_position_adds_nothing(lake: Lake, engine: DuckDBEngine) -> None:
    append_through(lake, "event", _files(engine, "a"), after=0, through=1)
    with pytest.raises(ConflictError, match="loaded up to position 1"):
        append_through(lake, "event", _files(engine, "a"), after=0, through=1)
    assert _ids(engine) == ["a"]


def test_two_loaders_at_the_same_instant_double_nothing(
    lake: Lake, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second loader commits between the first one's look at the position and its commit."""
    first, second = _files(engine, "a", "b"), _files(engine, "a", "b")
    add = Transaction.add_files

    def overtaken(transaction: Transaction, *arguments: object, **named: object) -> None:
        monkeypatch.setattr(Transaction, "add_files", add)
        append_through(lake, "event", second, after=0, through=2)
        add(transaction, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Transaction, "add_files", overtaken)
    with pytest.raises(ConflictError):
        append_through(lake, "event", first, after=0, through=2)
    assert (_ids(engine), consumed(lake, "event")) == (["a", "b"], 2)


def test_a_compaction_in_between_makes_the_loader_begin_again(
    lake: Lake, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_through(lake, "event", _files(engine, "a"), after=0, through=1)
    append_through(lake, "event", _files(engine, "b"), after=1, through=2)
    files = _files(engine, "c")
    add = Transaction.add_files

    def overtaken(transaction: Transaction, *arguments: object, **named: object) -> None:
        monkeypatch.setattr(Transaction, "add_files", add)
        lake.replace("event", _files(engine, "a", "b"))
        add(transaction, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Transaction, "add_files", overtaken)
    with pytest.raises(ConflictError):
        append_through(lake, "event", files, after=2, through=3)
    assert (_ids(engine), consumed(lake, "event")) == (["a", "b"], 2)
    append_through(lake, "event", files, after=2, through=3)
    assert (_ids(engine), consumed(lake, "event")) == (["a", "b", "c"], 3)


def test_a_position_without_rows_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError):
        append_through(lake, "event", [], after=0, through=1)
