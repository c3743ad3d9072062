"""A source: what a person names to load from, opened by what it is."""

from pathlib import Path

from shopkeeper.collect.columnar import ParquetReader
from shopkeeper.collect.database import DatabaseReader, is_database
from shopkeeper.collect.delimited import DelimitedReader
from shopkeeper.collect.jsonlines import JsonLinesReader
from shopkeeper.collect.mapping import FileShape
from shopkeeper.collect.reader import Reader, existing
from shopkeeper.collect.sniff import open_bytes
from shopkeeper.collect.workbook import WorkbookReader
from shopkeeper.storage.sealed import SealedFile

__all__ = ["open_source"]

_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
_ZIPPED = b"PK\x03\x04"
_PARQUET = b"PAR1"


def open_source(
    source: str | SealedFile, shape: FileShape | None = None, *, query: str | None = None, wanted: tuple[str, ...] = ()
) -> Reader:
    """Opens a file or a database; what a file is, its first bytes say, whatever its name ends with.

    Args:
        source: A path, a sealed file, or a database URL.
        shape: What is known of the file's form.
        query: The query, for a database.
        wanted: Headers a mapping reads; JSON lines may have them later than in the first lines.

    Raises:
        MissingError: There is no such file.
        UsageError, DataError, UnavailableError, StorageError: It cannot be read.
    """
    shape = shape or FileShape()
    if isinstance(source, str) and is_database(source):
        return DatabaseReader(source, query)
    path = existing(Path(source) if isinstance(source, str) else source)
    with open_bytes(path) as file:
        head = file.read(256)
    if head.startswith(_PARQUET):
        return ParquetReader(path)
    if head.startswith((_OLD_WORKBOOK, _ZIPPED)):
        return WorkbookReader(path, shape)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return JsonLinesReader(path, wanted)
    return DelimitedReader(path, shape)
