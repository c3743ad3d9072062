"""One database, SQLite or PostgreSQL: how it is opened, and the two kinds of transaction on it."""

import fcntl
import json
import os
import sqlite3
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Select, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql.schema import Table

from shopkeeper.base.errors import UnavailableError, UsageError
from shopkeeper.storage.state.failure import translated

__all__ = ["BUSY_SECONDS", "Database", "connect_engine", "prepare_postgres", "read_url"]

BUSY_SECONDS = 10
_WRITES = "shopkeeper_writes"


class Database:
    """One opened database.

    Args:
        engine: The engine, made by `connect_engine`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.place = engine.url.render_as_string(hide_password=True)
        self._idle: deque[sqlite3.Connection] = deque()
        self._written: dict[Select[Any], tuple[str, Sequence[str]]] = {}

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file; else it is PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: what it sees does not change while it lasts."""
        with translated(self.place), self._connection(writes=False) as connection, connection.begin():
            if not self.is_sqlite:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A short transaction that writes: on SQLite it is the only writer from its first statement."""
        with translated(self.place), self._connection(writes=True) as connection, connection.begin():
            yield connection

    def ask(self, query: Select[Any], given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Asks one question, as quickly as can be: of SQLite the values come as they are stored, days as text.

        One statement is of one instant by itself, so there is no transaction around it.

        Args:
            query: The question, put together once for the process.
            given: Its parameters.
        """
        if not self.is_sqlite:
            with self.read() as connection:
                return [tuple(row) for row in connection.execute(query, given)]
        if query not in self._written:
            compiled = query.compile(dialect=self.engine.dialect)
            self._written[query] = str(compiled), tuple(compiled.positiontup or ())
        written, names = self._written[query]
        with self._asking() as connection:
            return connection.execute(written, [given[name] for name in names]).fetchall()

    def ask_text(self, query: str, *given: str) -> str:
        """Asks SQLite one question whose answer is one text, such as a set written as JSON."""
        with self._asking() as connection:
            (found,) = connection.execute(query, given).fetchone()
        return str(found)

    @contextmanager
    def _asking(self) -> Iterator[sqlite3.Connection]:
        """A connection that only reads, for one question of one thread."""
        with translated(self.place):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = _asking(str(self.engine.url.database))
            try:
                yield connection
            finally:
                self._idle.append(connection)

    @contextmanager
    def alone(self, name: str, *, waits: bool = True) -> Iterator[bool]:
        """Only one at a time, of all processes and threads, is in here; who dies is out.

        Args:
            name: Of what.
            waits: Whether to wait for the others.

        Yields:
            Whether we are in; always, where we wait.
        """
        if self.is_sqlite:
            with open(f"{self.engine.url.database}-{name}.lock", "a", opener=_private) as file:
                yield _locked(file.fileno(), waits=waits)
            return
        lock = {"lock": zlib.crc32(f"shopkeeper {name}".encode())}
        with translated(self.place), self.engine.connect() as found:
            connection = found.execution_options(isolation_level="AUTOCOMMIT")
            asked = "SELECT pg_advisory_lock(:lock) IS NOT NULL" if waits else "SELECT pg_try_advisory_lock(:lock)"
            is_ours = bool(connection.scalar(text(asked), lock))
            try:
                yield is_ours
            finally:
                if is_ours:
                    connection.execute(text("SELECT pg_advisory_unlock(:lock)"), lock)

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: writes})
            yield connection

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT, in this database's dialect."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def empty_pages(self, tables: Iterable[Table], *, anew: bool = False) -> None:
        """Leaves no byte of what was removed in SQLite's file and the log beside it.

        Args:
            tables: Whose space a PostgreSQL server may use again when it sees fit.
            anew: Whether the server writes them anew at once, and locks each meanwhile.
        """
        with translated(self.place), self.engine.connect() as connection:
            raw = connection.execution_options(isolation_level="AUTOCOMMIT")
            if not self.is_sqlite:
                for name in dict.fromkeys(table.name for table in tables):
                    raw.exec_driver_sql(f"VACUUM {'FULL ' if anew else ''}{name}")
                return
            driver = connection.connection.driver_connection
            if driver is not None:
                driver.execute("VACUUM")
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()
        while self._idle:
            self._idle.pop().close()


def _asking(file: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _private(file: str, flags: int) -> int:
    return os.open(file, flags, 0o600)


def _locked(file: int, *, waits: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def read_url(text: str, what: str = "state store") -> URL:
    """Reads the address of a database: `sqlite:///FILE`, a bare file path, or `postgresql://…`.

    Args:
        text: The address.
        what: What is kept there.

    Raises:
        UsageError: It is none of these; the message leaves the password out.
    """
    if "://" not in text:
        return URL.create("sqlite", database=text)
    next_step = "write sqlite:///FILE or postgresql://USER@HOST/NAME"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError(f"the address of the {what} cannot be read", next_step=next_step) from None
    name = {"sqlite": "sqlite", "sqlite+pysqlite": "sqlite", "postgres": "postgresql+psycopg"}.get(url.drivername)
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        name = "postgresql+psycopg"
    if name is None or (name == "sqlite" and not url.database):
        raise UsageError(
            f"'{url.drivername}' holds no {what}",
            place=url.render_as_string(hide_password=True),
            next_step=next_step,
        )
    return url.set(drivername=name)


def connect_engine(url: URL, *, foreign_keys: bool = True) -> Engine:
    """Makes the engine for an address; nothing is connected yet.

    Args:
        url: From `read_url`.
        foreign_keys: Whether SQLite holds foreign keys; a migration that rebuilds a table checks them at its end.

    Raises:
        UnavailableError: The PostgreSQL driver is not installed.
    """
    if url.drivername == "sqlite":
        return _sqlite_engine(url, foreign_keys=foreign_keys)
    try:
        engine = create_engine(
            url, pool_pre_ping=True, pool_size=8, max_overflow=16, hide_parameters=True, json_serializer=_json
        )
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "the PostgreSQL driver is not installed",
            place=url.render_as_string(hide_password=True),
            next_step="pip install shopkeeper[postgres]",
        ) from error
    event.listen(engine, "connect", prepare_postgres)
    return engine


def _sqlite_engine(url: URL, *, foreign_keys: bool) -> Engine:
    file = Path(url.database or "")
    if not file.parent.is_dir():
        raise UnavailableError(
            "the folder of the state store is not there", place=str(file), next_step="shopkeeper init DIR"
        )
    if not file.exists():
        # Password and session hashes stand in it; SQLite gives its -wal and -shm files the mode of the file.
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    # The connection used last is used next: fewer of them, each with what it read at hand.
    engine = create_engine(
        url, pool_size=8, max_overflow=16, pool_use_lifo=True, hide_parameters=True, json_serializer=_json
    )

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver says none before DDL
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        connection.execute("PRAGMA temp_store = MEMORY")
        # A transaction of a thousand rows touches more pages than the 2 MB that SQLite holds: it would read them twice.
        connection.execute("PRAGMA cache_size = -16384")
        # And each would go to the file at once: of pages that change again and again, once in a while is enough.
        connection.execute("PRAGMA wal_autocheckpoint = 8000")

    def begin(connection: Connection) -> None:
        # A deferred transaction that turns to writing fails at once when another wrote in between.
        writes = connection.get_execution_options().get(_WRITES, True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def prepare_postgres(connection: Any, _record: object) -> None:
    """Sets up a new connection to PostgreSQL: durable commits, instants in UTC, no endless wait."""
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
    connection.commit()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
