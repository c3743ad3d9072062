"""How far a log was read into a table: the position stands in the table, in the very commit that adds the rows."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from shopkeeper.base.errors import ConflictError, MissingError, UsageError
from shopkeeper.storage.catalog import translated
from shopkeeper.storage.lake import Lake

__all__ = ["BY_LOADER", "append_through", "consumed"]

BY_LOADER = MappingProxyType({"shopkeeper.by": "loader"})
"""Noted in every state that is made of what the log holds, of whatever table."""
_POSITION = "shopkeeper.log_position"


def consumed(lake: Lake, name: str) -> int:
    """The position of the log up to which the table holds everything, 0 for a table that holds nothing of it."""
    try:
        return int(lake.iceberg(name).properties.get(_POSITION, "0"))
    except MissingError:
        return 0


def append_through(
    lake: Lake,
    name: str,
    files: Sequence[str],
    *,
    after: int,
    through: int,
    properties: Mapping[str, str] | None = None,
) -> None:
    """Adds files and moves the position on, in one commit or not at all; never tried again by itself.

    PyIceberg's own retries would add the rows again behind a position that another loader has moved: two loaders
    with them made 1,000 rows of 500. The position moves only with rows, since what guards it against another loader is
    the snapshot that the rows are added to.

    Args:
        lake: The lake.
        name: The table.
        files: Parquet files, at least one, that hold what the log has behind `after` up to `through`.
        after: The position the files begin behind, as `consumed` gave it.
        through: The position they end with.
        properties: Noted in the snapshot.

    Raises:
        ConflictError: Another loader moved the position, or somebody committed meanwhile: ask `consumed` and begin
            again.
    """
    if not files:
        raise UsageError("the position moves only with rows", next_step="wait until there are some")
    table = lake.ensure(name)
    found = int(table.properties.get(_POSITION, "0"))
    if found != after:
        raise ConflictError(
            f"table {name} was loaded up to position {found} meanwhile, not {after}", next_step="begin again from there"
        )
    with translated(f"table {name}"), table.transaction() as transaction:
        transaction.set_properties({_POSITION: str(through)})
        uris = [f"file://{file}" for file in files]
        transaction.add_files(uris, {**BY_LOADER, **(properties or {})}, check_duplicate_files=False)
