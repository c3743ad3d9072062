"""What the last run knew of each person, as much of it as segments that run live ask for: `history.db`.

It is made beside the old one and swapped in by renaming; nothing in it is known only here.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

__all__ = ["HISTORY_FILE", "LiveHistory"]

HISTORY_FILE = "history.db"
_ASKED_AT_ONCE = 500
_FORM = 1


class LiveHistory:
    """The history of people, by part (`profile`, `order_line`, …) and person.

    Args:
        file: Where; made by `make`.
    """

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=30)
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute("PRAGMA cache_size = -32768")

    @classmethod
    def make(
        cls, file: Path, parts: Iterable[tuple[str, Iterable[tuple[str, bytes | str]]]], notes: Mapping[str, Any]
    ) -> Path:
        """Writes a history beside a file; `put_in` swaps it in.

        Args:
            file: Where it will be.
            parts: Each part's name with persons and what is known of them.
            notes: What is noted about the whole.

        Returns:
            Where it is until then.
        """
        beside = file.with_name(f"{file.name}.new")
        _unlink(beside)
        with closing(sqlite3.connect(beside, isolation_level=None, check_same_thread=False)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(
                f"""
                CREATE TABLE known (
                    part TEXT NOT NULL, person_id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (part, person_id)
                ) WITHOUT ROWID;
                CREATE TABLE note (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
                PRAGMA user_version = {_FORM};
                BEGIN;
                """
            )
            for part, rows in parts:
                connection.executemany(
                    "INSERT INTO known VALUES (?, ?, ?)", ((part, person, body) for person, body in rows)
                )
            connection.executemany(
                "INSERT INTO note VALUES (?, ?)", [(name, json.dumps(notes[name])) for name in notes]
            )
            connection.execute("COMMIT")
        return beside

    @classmethod
    def put_in(cls, beside: Path, file: Path) -> "LiveHistory":
        """Swaps a history that was made in, and opens it."""
        _unlink(file)
        beside.replace(file)
        return cls(file)

    @classmethod
    def opened(cls, file: Path) -> "LiveHistory | None":
        """Opens the history; None where there is none, or one of another form."""
        if not file.exists():
            return None
        history = cls(file)
        (form,) = history._connection.execute("PRAGMA user_version").fetchone()
        if form == _FORM:
            return history
        history.close()
        return None

    def read(self, part: str, person_ids: Collection[str]) -> dict[str, bytes | str]:
        """Gives what a part knows of some people; who is not known is left out."""
        found: dict[str, bytes | str] = {}
        wanted = list(person_ids)
        for start in range(0, len(wanted), _ASKED_AT_ONCE):
            some = wanted[start : start + _ASKED_AT_ONCE]
            marks = ", ".join("?" * len(some))
            query = f"SELECT person_id, body FROM known WHERE part = ? AND person_id IN ({marks})"
            found.update(self._connection.execute(query, (part, *some)))
        return found

    def parts(self) -> tuple[str, ...]:
        """The parts that there are."""
        return tuple(part for (part,) in self._connection.execute("SELECT DISTINCT part FROM known"))

    def note(self, name: str) -> Any:
        """Gives what was noted under a name; None when nothing was."""
        found = self._connection.execute("SELECT body FROM note WHERE name = ?", (name,)).fetchone()
        return None if found is None else json.loads(found[0])

    def put_note(self, name: str, body: Any) -> None:
        """Notes something about the whole."""
        self._connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, json.dumps(body)))

    def forget(self, person_ids: Iterable[str]) -> int:
        """Takes people out; gives how many rows went. Their bytes are overwritten."""
        gone = 0
        for person in person_ids:
            for part in self.parts():
                delete = "DELETE FROM known WHERE part = ? AND person_id = ?"
                gone += self._connection.execute(delete, (part, person)).rowcount
        return gone

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


def _unlink(file: Path) -> None:
    for ending in ("", "-journal"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
