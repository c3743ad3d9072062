"""A database: the rows of one query, streamed."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from shopkeeper.base.errors import StorageError, UnavailableError, UsageError
from shopkeeper.collect.reader import BATCH_ROWS, Batch, text_batch, unique_headers

__all__ = ["DatabaseReader", "is_database"]


def is_database(source: str) -> bool:
    """Whether a source is a database URL and not a path."""
    return "://" in source


class DatabaseReader:
    """Reads the rows of one query from any database that SQLAlchemy speaks.

    Args:
        url: Its URL; the password in it is never shown or noted.
        query: One SELECT in the database's own words.

    Raises:
        UsageError: The URL is malformed or there is no query.
        UnavailableError: The database's driver is not installed, or it cannot be reached.
        StorageError: The database refused the query.
    """

    def __init__(self, url: str, query: str | None) -> None:
        if not query:
            raise UsageError("a database needs a query", next_step="shopkeeper load TABLE URL --query 'SELECT …'")
        try:
            parsed = make_url(url)
            self._engine = create_engine(parsed, poolclass=NullPool)
        except ArgumentError as error:
            raise UsageError(
                "the database URL is malformed", next_step="postgresql+psycopg://user@host/name"
            ) from error
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise UnavailableError(f"the driver of this database is not installed: {error}") from error
        self.name = f"{parsed.get_backend_name()}:{parsed.database or ''}".rpartition("/")[2]
        self._query = query
        self.headers = self._columns()

    def batches(self) -> Iterator[Batch]:
        """Gives the rows as text; their number is their ordinal."""
        count = 0
        try:
            with self._engine.connect().execution_options(stream_results=True, yield_per=BATCH_ROWS) as connection:
                for rows in connection.execute(text(self._query)).partitions(BATCH_ROWS):
                    texts = [[_text(value) for value in row] for row in rows]
                    yield text_batch(self.headers, texts, list(range(count + 1, count + 1 + len(texts))))
                    count += len(texts)
        except SQLAlchemyError as error:
            raise _failed(error, self.name) from None

    def _columns(self) -> tuple[str, ...]:
        try:
            with self._engine.connect().execution_options(stream_results=True) as connection:
                return unique_headers(list(connection.execute(text(self._query)).keys()))
        except SQLAlchemyError as error:
            raise _failed(error, self.name) from None


def _failed(error: SQLAlchemyError, name: str) -> StorageError:
    """The driver's own words; SQLAlchemy's would repeat the statement with its values."""
    return StorageError(
        "the database did not answer", place=name, foreign=getattr(error, "orig", None) or type(error).__name__
    )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
