"""A state on either driver (an empty SQLite file, an empty database of a started PostgreSQL), and an empty lake."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.state import State
from shopkeeper.storage.state.password import Passwords
from tests.postgres_server import postgres_server

__all__ = ["postgres_server"]

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
QUICK = Passwords(memory_kib=64, passes=1)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    return str(request.getfixturevalue("postgres_server").database())


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    with State.open(state_url, passwords=QUICK) as opened:
        opened.upgrade()
        yield opened


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def engine(lake: Lake, tmp_path: Path) -> Iterator[DuckDBEngine]:
    made = DuckDBEngine(lake, spill=tmp_path / "spill", memory_limit="512MB", threads=1)
    yield made
    made.close()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for that of a socket."""
    with tempfile.TemporaryDirectory(prefix="sk-") as folder:
        yield Path(folder)
