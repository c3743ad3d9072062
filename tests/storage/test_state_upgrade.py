"""An upgrade killed anywhere is as it was before, and resumes; without its transaction it would not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic.script import ScriptDirectory

from shopkeeper.base.errors import StorageError
from shopkeeper.storage.state import State
from shopkeeper.storage.state.database import connect_engine, read_url
from shopkeeper.storage.state.tables import HEAD
from shopkeeper.storage.state.upgrade import upgrade_to
from tests.postgres_server import PostgresServer

STATEMENTS = {"sqlite": 92, "postgres": 74}  # a few more than the upgrade has, or the first test says so
PROGRAM = Path(__file__).parent / "killed_upgrade.py"
MIGRATIONS = Path(sys.modules[State.__module__].__file__ or "").parent / "migrations"


def old_store(url: str) -> None:
    """Makes a store of revision 0001 with a user who is signed in and has no language yet."""
    engine = connect_engine(read_url(url), foreign_keys=False)
    upgrade_to(engine, "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO users (id, name, password_hash, role, created_at) "
            "VALUES ('user_1', 'ann', 'x', 'owner', '2026-01-01 00:00:00.000000')"
        )
        connection.exec_driver_sql(
            "INSERT INTO sessions SELECT 's', id, 'c', created_at, created_at, created_at, created_at FROM users"
        )
    engine.dispose()


def kill_everywhere(mode: str, copies: Callable[[int], str], after: Iterable[int]) -> list[dict[str, Any]]:
    addresses = "\n".join(f"{number} {copies(number)}" for number in after)
    done = subprocess.run(
        [sys.executable, str(PROGRAM), mode], input=addresses, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def sqlite_copies(tmp_path: Path) -> Callable[[int], str]:
    old = tmp_path / "old.db"
    old_store(f"sqlite:///{old}")

    def copy(number: int) -> str:
        file = tmp_path / f"copy{number}.db"
        file.write_bytes(old.read_bytes())
        return f"sqlite:///{file}"

    return copy


@pytest.fixture
def postgres_copies(postgres_server: PostgresServer) -> Callable[[int], str]:
    url = postgres_server.database()
    old_store(url)
    name = sqlalchemy.make_url(url).database or ""
    return lambda _: postgres_server.database(template=name)


@pytest.mark.parametrize("driver", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_an_upgrade_killed_between_statements_rolls_back_and_resumes(
    driver: str, request: pytest.FixtureRequest
) -> None:
    copies = request.getfixturevalue(f"{driver}_copies")
    every = 1 if os.environ.get("SHOPKEEPER_EVERY_STATEMENT") else 3
    kills = kill_everywhere("transaction", copies, [*range(0, STATEMENTS[driver] - 1, every), STATEMENTS[driver] - 1])
    assert kills[-1]["ended"] == 0, "the upgrade has more statements than were tried"
    assert len(kills) > 8
    for kill in kills[:-1]:
        assert (kill["ended"], kill["revision"]) == (-9, "0001")
        assert "jobs" not in kill["tables"]
        assert not any(name.startswith("_alembic") for name in kill["tables"])
    assert all(kill["resumed"] and kill["users"] == ["en"] for kill in kills)


def test_control_without_the_transaction_a_kill_leaves_a_store_that_cannot_resume(
    sqlite_copies: Callable[[int], str],
) -> None:
    kills = kill_everywhere("autocommit", sqlite_copies, range(2, 34, 4))
    broken = [kill for kill in kills if not kill["resumed"]]
    assert len(broken) > 2
    assert any("already exists" in kill["error"] for kill in broken)


def test_head_is_the_newest_revision() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


def test_a_rebuilt_table_keeps_what_points_to_it(sqlite_copies: Callable[[int], str]) -> None:
    with State.open(sqlite_copies(0)) as state:
        state.upgrade()
        with state.database.read() as connection:
            assert connection.exec_driver_sql("SELECT user_id FROM sessions").scalars().all() == ["user_1"]
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def test_a_store_from_a_newer_shopkeeper_is_left_alone(state: State) -> None:
    with state.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="revision 9999, newer than"):
        state.upgrade()
    assert state.revision() == "9999"
