"""What a table is: columns with type, unit, meaning and privacy class; a key; a partition."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from shopkeeper.base.errors import MissingError

__all__ = ["Column", "Partition", "Privacy", "Table", "TableKind", "Type"]


class Type(StrEnum):
    """The types of the dictionary; the value is the type's name in DuckDB."""

    STRING = "VARCHAR"
    INTEGER = "BIGINT"
    NUMBER = "DOUBLE"
    MONEY = "DECIMAL(18,4)"
    DATE = "DATE"
    INSTANT = "TIMESTAMP WITH TIME ZONE"
    BOOLEAN = "BOOLEAN"
    MAP = "MAP(VARCHAR, VARCHAR)"
    STRINGS = "VARCHAR[]"


class Privacy(StrEnum):
    """Who may see a column: everybody, those who may see persons, or nobody but through the vault."""

    PUBLIC = "public"
    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - a privacy class, not a secret


class TableKind(StrEnum):
    """How rows come in: master rows are updated, facts never change under their key, derived rows are computed."""

    MASTER = "master"
    FACT = "fact"
    DERIVED = "derived"


_BEGIN = date(1970, 1, 1)


class Partition(StrEnum):
    """How the files of a table are cut; a part has Iceberg's number, of days or months since 1970."""

    NONE = "none"
    DAY = "day"
    MONTH = "month"

    def number(self, day: date) -> int:
        """The number of the part that a day lies in."""
        return (day.year - _BEGIN.year) * 12 + day.month - 1 if self is Partition.MONTH else (day - _BEGIN).days

    def first_day(self, number: int) -> date:
        """The first day of a part."""
        if self is Partition.MONTH:
            return date(_BEGIN.year + number // 12, number % 12 + 1, 1)
        return _BEGIN + timedelta(days=number)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    Args:
        name: Its name, snake case, no reserved word of an engine.
        type: Its type.
        meaning: One sentence in English.
        unit: What its numbers count, such as `currency`, `days`, `share` (0 to 1).
        required: Whether a row without it is refused.
        privacy: Who may see it.
        values: The only values it may have, if it is a choice.
    """

    name: str
    type: Type
    meaning: str
    unit: str | None = None
    required: bool = False
    privacy: Privacy = Privacy.PUBLIC
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the dictionary.

    Args:
        name: Its name in the lake's namespace `shop`.
        meaning: One row is …, in English.
        columns: Its columns, key first; a column's field id in Parquet and Iceberg is its place, from 1, and columns
            are only ever added at the end.
        key: The names of the columns that tell rows apart.
        kind: How rows come in.
        partition: How files are cut, by `partition_column`.
        partition_column: The date or instant column the partition is of.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    kind: TableKind = TableKind.FACT
    partition: Partition = Partition.NONE
    partition_column: str | None = None
    _by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name = {column.name: column for column in self.columns}
        if len(by_name) != len(self.columns):
            raise ValueError(f"table {self.name} names a column twice")
        unknown = [name for name in (*self.key, self.partition_column) if name is not None and name not in by_name]
        if unknown:
            raise ValueError(f"table {self.name} has no column {', '.join(unknown)}")
        if (self.partition is Partition.NONE) != (self.partition_column is None):
            raise ValueError(f"table {self.name}: a partition and its column go together")
        object.__setattr__(self, "_by_name", by_name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns in order."""
        return tuple(self._by_name)

    def column(self, name: str) -> Column:
        """Gives a column by its name.

        Raises:
            MissingError: The table has no such column.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise MissingError(
                f"table {self.name} has no column '{name}'",
                place=f"its columns: {', '.join(self._by_name)}",
                next_step=f"shopkeeper table describe {self.name}",
            ) from None

    @property
    def is_personal(self) -> bool:
        """Whether a column of it is not for everybody: whoever reads rows leaves a row in the audit log."""
        return any(column.privacy is not Privacy.PUBLIC for column in self.columns)

    def has(self, name: str) -> bool:
        """Whether the table has a column of this name."""
        return name in self._by_name
