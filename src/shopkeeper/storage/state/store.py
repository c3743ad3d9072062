"""The state store: opens it, upgrades it, hands out its repositories, copies it and brings a copy back."""

import os
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from sqlalchemy import Connection, func, select

from shopkeeper.base.errors import AlreadyThereError, StorageError
from shopkeeper.storage.state.api_keys import ApiKeys
from shopkeeper.storage.state.assignments import Assignments
from shopkeeper.storage.state.audit import Audit
from shopkeeper.storage.state.consents import Consents
from shopkeeper.storage.state.content import TableContent, content, copy_file, put_in_place, same_content
from shopkeeper.storage.state.counts import Counts
from shopkeeper.storage.state.database import Database, connect_engine, read_url
from shopkeeper.storage.state.failure import translated
from shopkeeper.storage.state.flags import Flags
from shopkeeper.storage.state.identifiers import Identifiers
from shopkeeper.storage.state.jobs import Jobs
from shopkeeper.storage.state.leases import Leases
from shopkeeper.storage.state.live_segments import LiveSegments
from shopkeeper.storage.state.loads import Loads
from shopkeeper.storage.state.mappings import Mappings
from shopkeeper.storage.state.password import Passwords
from shopkeeper.storage.state.positions import Positions
from shopkeeper.storage.state.requests import Requests
from shopkeeper.storage.state.runs import Runs
from shopkeeper.storage.state.segments import Segments
from shopkeeper.storage.state.sessions import Sessions
from shopkeeper.storage.state.settings import Settings
from shopkeeper.storage.state.tables import HEAD, METADATA
from shopkeeper.storage.state.transfer import transfer
from shopkeeper.storage.state.upgrade import revision_of, upgrade_to
from shopkeeper.storage.state.users import Users
from shopkeeper.storage.state.web_hooks import Hooks

__all__ = ["State"]


class State:
    """The operational state of one shop. Threads may share it; a forked process opens its own.

    Args:
        database: The opened database.
        passwords: How passwords are hashed.
        session_idle: How long a session lasts unused.
        session_absolute: How long a session lasts at most.
    """

    def __init__(
        self, database: Database, passwords: Passwords, session_idle: timedelta, session_absolute: timedelta
    ) -> None:
        self.database = database
        self.users = Users(database, passwords)
        self.sessions = Sessions(database, session_idle, session_absolute)
        self.segments = Segments(database)
        self.mappings = Mappings(database)
        self.loads = Loads(database)
        self.jobs = Jobs(database)
        self.leases = Leases(database)
        self.assignments = Assignments(database)
        self.runs = Runs(database)
        self.identifiers = Identifiers(database)
        self.audit = Audit(database)
        self.counts = Counts(database)
        self.settings = Settings(database)
        self.api_keys = ApiKeys(database)
        self.positions = Positions(database)
        self.consents = Consents(database)
        self.flags = Flags(database)
        self.requests = Requests(database)
        self.live_segments = LiveSegments(database)
        self.web_hooks = Hooks(database)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        passwords: Passwords | None = None,
        session_idle: timedelta = timedelta(hours=2),
        session_absolute: timedelta = timedelta(hours=12),
    ) -> Self:
        """Opens a store; `upgrade` makes its tables or brings them to the newest revision.

        Args:
            url: `sqlite:///FILE`, a file path, or `postgresql://USER@HOST/NAME`.
            passwords: How passwords are hashed.
            session_idle: How long a session lasts unused.
            session_absolute: How long a session lasts at most.

        Raises:
            UsageError: The address cannot be read.
            UnavailableError: The folder is not there, or the PostgreSQL driver is not installed.
        """
        database = Database(connect_engine(read_url(url)))
        return cls(database, passwords or Passwords(), session_idle, session_absolute)

    @property
    def place(self) -> str:
        """The address of the store, without its password."""
        return self.database.place

    @property
    def is_at_hand(self) -> bool:
        """Whether a look into it takes no more than a look into a file: a server's answer may be waited for."""
        return self.database.is_sqlite

    def revision(self) -> str | None:
        """Gives the revision of the store, None when nothing was made yet.

        Raises:
            UnavailableError: The server cannot be reached.
        """
        return revision_of(self.database.engine)

    def upgrade(self) -> None:
        """Brings the store to the newest revision in one transaction; a store that has it is left alone.

        Raises:
            StorageError: A newer Shopkeeper wrote it, or the upgrade failed and was rolled back.
        """
        if self.revision() == HEAD:
            return
        engine = connect_engine(self.database.engine.url, foreign_keys=False)
        try:
            upgrade_to(engine)
        finally:
            engine.dispose()

    def backup(self, file: Path) -> dict[str, TableContent]:
        """Copies the store as it is at one instant into one new SQLite file, while others write.

        The file is the same for SQLite and PostgreSQL, so that either restores what the other kept.

        Args:
            file: The new file.

        Returns:
            The content of every table: the manifest that `restore` checks.

        Raises:
            AlreadyThereError: The file is there.
            StorageError: It cannot be written, or the store has not the newest revision.
        """
        if self.revision() != HEAD:
            raise StorageError(
                f"the store is at revision {self.revision()}, not {HEAD}", place=self.place, next_step="open it once"
            )
        if self.database.is_sqlite:
            with translated(self.place), self.database.engine.connect() as connection:
                copy_file(cast("sqlite3.Connection", connection.connection.driver_connection), file)
        else:
            self._copy_rows(file)
        return content(file)

    def content(self) -> dict[str, TableContent]:
        """Gives the content of every table at one instant, equal for equal rows whichever database keeps them.

        Raises:
            StorageError: It cannot be read.
        """
        with tempfile.TemporaryDirectory(prefix="shopkeeper-") as folder:
            return self.backup(Path(folder) / "state.db")

    @classmethod
    def restore(cls, file: Path, url: str, manifest: Mapping[str, TableContent]) -> None:
        """Makes a store from a backup and upgrades it; the target must be new, and stays so if anything is wrong.

        Args:
            file: What `backup` wrote.
            url: Where to; a SQLite file that is not there, or an empty PostgreSQL database.
            manifest: What `backup` gave.

        Raises:
            AlreadyThereError: The target holds something.
            StorageError: The file is damaged, or differs from the manifest.
        """
        same_content(file, manifest)
        target = read_url(url)
        with tempfile.TemporaryDirectory(
            prefix="shopkeeper-", dir=Path(target.database or "").parent if target.drivername == "sqlite" else None
        ) as folder:
            copy = Path(folder) / "state.db"
            _copied(file, copy)
            with cls.open(f"sqlite:///{copy}") as state:
                state.upgrade()
            _one_file(copy)
            if target.drivername == "sqlite":
                put_in_place(copy, Path(target.database or ""))
            else:
                cls._fill(copy, url)

    def close(self) -> None:
        """Closes every connection."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def _copy_rows(self, file: Path) -> None:
        with self.database.read() as rows:
            _write_file(rows, file)

    @classmethod
    def _fill(cls, copy: Path, url: str) -> None:
        wanted = content(copy)
        with cls.open(f"sqlite:///{copy}") as source, cls.open(url) as target, tempfile.TemporaryDirectory() as folder:
            target.upgrade()
            check = Path(folder) / "state.db"
            with source.database.read() as rows, target.database.write() as filled:
                if any(filled.scalar(select(func.count()).select_from(table)) for table in METADATA.sorted_tables):
                    raise AlreadyThereError(
                        "the database holds a shop already", place=target.place, next_step="name an empty database"
                    )
                transfer(rows, filled)
                _write_file(filled, check)
                same_content(check, wanted)  # raises before anything is committed


def _write_file(rows: Connection, file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".shopkeeper-", dir=file.parent) as folder:
        beside = Path(folder) / "state.db"
        with State.open(f"sqlite:///{beside}") as copy:
            copy.upgrade()
            with copy.database.write() as target:
                transfer(rows, target)
        _one_file(beside)
        put_in_place(beside, file)


def _one_file(file: Path) -> None:
    # Out of WAL mode, so that nothing of it stands in a second file.
    with translated(str(file)), closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _copied(file: Path, copy: Path) -> None:
    data = os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with file.open("rb") as source, os.fdopen(data, "wb") as target:
        while chunk := source.read(1 << 20):
            target.write(chunk)
