"""Run by test_state_upgrade.py: kills an upgrade after each of its statements and says what was left.

Usage: killed_upgrade.py transaction|autocommit; on standard input, one a line: after how many statements to kill, and
the address of an old store. One JSON line a kill goes to standard output; the first upgrade that is through ends it.
"""

import json
import os
import signal
import sys
from typing import Any

import sqlalchemy
from sqlalchemy import event

from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.storage.state import State
from shopkeeper.storage.state.database import connect_engine, read_url
from shopkeeper.storage.state.tables import HEAD
from shopkeeper.storage.state.upgrade import revision_of, upgrade_to


def engine_of(url: str, mode: str) -> sqlalchemy.Engine:
    if mode == "transaction":
        return connect_engine(read_url(url), foreign_keys=False)
    return sqlalchemy.create_engine(read_url(url), isolation_level="AUTOCOMMIT")


def tables_of(url: str) -> list[str]:
    engine = sqlalchemy.create_engine(read_url(url))
    try:
        return sorted(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def upgrade_until(url: str, mode: str, statements: int) -> int:
    """Upgrades in a child that kills itself before statement number `statements`, and gives its signal."""
    child = os.fork()
    if child == 0:
        engine, left = engine_of(url, mode), [statements]

        def count(*_: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(engine, "before_cursor_execute", count)
        upgrade_to(engine)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def look(url: str) -> dict[str, Any]:
    engine = sqlalchemy.create_engine(read_url(url))
    found: dict[str, Any] = {"revision": revision_of(engine), "tables": tables_of(url)}
    engine.dispose()
    try:
        with State.open(url) as state:
            state.upgrade()
            found |= {"resumed": state.revision() == HEAD, "users": [user.language for user in state.users.all()]}
    except ShopkeeperError as error:
        found |= {"resumed": False, "error": str(error)}
    return found


def main() -> None:
    mode = sys.argv[1]
    for line in sys.stdin:
        number, url = line.split()
        statements = int(number)
        ended = upgrade_until(url, mode, statements)
        print(json.dumps({"statements": statements, "ended": ended} | look(url)), flush=True)  # noqa: T201 - its answer
        if ended == 0:
            return


if __name__ == "__main__":
    main()
