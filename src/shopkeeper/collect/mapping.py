"""A mapping: how the columns of one source's files become the columns of one table, checked whole."""

import tomllib
from collections.abc import Iterable
from collections.abc import Mapping as Pairs
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from shopkeeper.base.clock import zone
from shopkeeper.base.errors import Fault, FaultsError, MissingError, UsageError
from shopkeeper.collect.toml import toml_text
from shopkeeper.schema.table import Column, Table, TableKind, Type
from shopkeeper.schema.tables import table as declared_table

__all__ = ["IDENTIFIER_KINDS", "PERSONAL_KINDS", "FileShape", "Mapping", "Rule"]

IDENTIFIER_KINDS: tuple[str, ...] = declared_table("identifier").column("kind").values
PERSONAL_KINDS = ("name", "address")
NULLS = ("", "NULL", "null", "\\N", "N/A", "#N/A", "NaN", "None")

_NUMERIC = (Type.INTEGER, Type.NUMBER, Type.MONEY)
_RULE_KEYS = {
    "column",
    "constant",
    "values",
    "default",
    "format",
    "scale",
    "negate",
    "times",
    "decimal",
    "kind",
    "parts",
    "split",
}
_SHAPE_KEYS = {"encoding", "delimiter", "header_row", "sheet"}


@dataclass(frozen=True, slots=True)
class FileShape:
    """How a file is to be read; what is empty is found out by looking.

    Args:
        encoding: Character encoding, such as `utf-8` or `gb18030`.
        delimiter: What separates the values of a line.
        header_row: The line (or sheet row) of the headers, from 1; 0: there are none, columns are `column_1` ….
        sheet: Name of the Excel sheet.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header_row: int | None = None
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """How one column of the table gets its value.

    Args:
        target: The column of the table.
        column: The header in the file.
        constant: The value of every row.
        values: The source's words → the dictionary's; words that are not named stay.
        default: The value where the file has none.
        format: `strptime` form of dates that can be read two ways, such as `%d/%m/%Y`.
        scale: A number is multiplied by it, such as 10000 for amounts in 万元 or 0.01 for cents (分).
        negate: Whether the sign of a number is turned, for discounts written as negative amounts.
        times: Header of a second number that multiplies it, such as 数量 for 单价.
        decimal: The decimal sign, `.` or `,`.
        kind: `identifier:KIND` where the value is personal: the column holds its token, the vault the value.
        parts: Name → header, for a column that is a map.
        split: What separates the values of a list.
    """

    target: str
    column: str | None = None
    constant: str | None = None
    values: Pairs[str, str] = field(default_factory=lambda: MappingProxyType({}))
    default: str | None = None
    format: str | None = None
    scale: Decimal | None = None
    negate: bool = False
    times: str | None = None
    decimal: str = "."
    kind: str | None = None
    parts: Pairs[str, str] = field(default_factory=lambda: MappingProxyType({}))
    split: str | None = None

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers of the file that it reads."""
        return tuple(name for name in (self.column, self.times, *self.parts.values()) if name is not None)

    @property
    def identifier(self) -> str | None:
        """The identifier's kind where the column holds a token."""
        return self.kind.removeprefix("identifier:") if self.kind else None


@dataclass(frozen=True, slots=True)
class Mapping:
    """How files of one source become rows of one table.

    Args:
        table: The table's name.
        rules: One for each column that gets a value.
        source: The source system; fills the column `source`.
        identifiers: Kind → header of identifiers seen with the customer; they go to `identifier` as tokens and to the
            vault.
        personal: Kind → header of personal data (name, address) that go to the vault only.
        shape: How the files are to be read.
        time_zone: Zone of instants without one; the shop's by default.
        nulls: Texts that mean "nothing".

    Raises:
        FaultsError: It does not fit the table; every fault is named with its path.
    """

    table: str
    rules: tuple[Rule, ...]
    source: str = "file"
    identifiers: Pairs[str, str] = field(default_factory=lambda: MappingProxyType({}))
    personal: Pairs[str, str] = field(default_factory=lambda: MappingProxyType({}))
    shape: FileShape = field(default_factory=FileShape)
    time_zone: str | None = None
    nulls: tuple[str, ...] = NULLS

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise FaultsError(
                f"the mapping to {self.table}", faults, next_step=f"shopkeeper table describe {self.table}"
            )

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers it reads, each once."""
        names = [name for rule in self.rules for name in rule.headers]
        return tuple(dict.fromkeys([*names, *self.identifiers.values(), *self.personal.values()]))

    @property
    def declared(self) -> Table:
        """The table it leads to."""
        return declared_table(self.table)

    def rule(self, target: str) -> Rule | None:
        """The rule of a column, if it has one."""
        return next((rule for rule in self.rules if rule.target == target), None)

    def check_headers(self, headers: Iterable[str], place: str) -> None:
        """Holds the mapping against the headers a file really has.

        Raises:
            FaultsError: A header it reads is not in the file.
        """
        known = list(headers)
        faults = [
            Fault(path, f"the file has no column '{name}'") for path, name in _named_headers(self) if name not in known
        ]
        if faults:
            raise FaultsError(
                "the mapping", faults, place=f"{place} has {', '.join(known)}", next_step="mend the mapping file"
            )

    def with_source(self, source: str) -> "Mapping":
        """The same mapping for another source."""
        return replace(self, source=source)

    def to_dict(self) -> dict[str, Any]:
        """Gives it as plain data, for JSON or TOML; what is at its default is left out."""
        shape = {
            name: getattr(self.shape, name) for name in FileShape.__slots__ if getattr(self.shape, name) is not None
        }
        data: dict[str, Any] = {"table": self.table, "source": self.source}
        if self.time_zone:
            data["time_zone"] = self.time_zone
        if self.nulls != NULLS:
            data["nulls"] = list(self.nulls)
        if shape:
            data["file"] = shape
        data["columns"] = {rule.target: _rule_data(rule) for rule in self.rules}
        if self.identifiers:
            data["identifiers"] = dict(self.identifiers)
        if self.personal:
            data["personal"] = dict(self.personal)
        return data

    @classmethod
    def from_dict(cls, data: Pairs[str, Any], *, table: str | None = None, place: str | None = None) -> "Mapping":
        """Reads a mapping from plain data.

        Raises:
            FaultsError: It is malformed or does not fit the table; all faults at once.
        """
        faults: list[Fault] = []
        name = _text(data.get("table", table), "table", faults)
        rules = [
            rule
            for target, value in _section(data, "columns", faults).items()
            if (rule := _read_rule(target, value, faults)) is not None
        ]
        shape = _read_shape(_section(data, "file", faults), faults)
        pairs = {
            key: {kind: _text(header, f"{key}.{kind}", faults) for kind, header in _section(data, key, faults).items()}
            for key in ("identifiers", "personal")
        }
        known = {"table", "source", "time_zone", "nulls", "file", "columns", "identifiers", "personal"}
        faults += [Fault(key, "is no part of a mapping") for key in data if key not in known]
        try:
            made = cls(
                name,
                tuple(rules),
                str(data.get("source", "file")),
                pairs["identifiers"],
                pairs["personal"],
                shape,
                data.get("time_zone"),
                tuple(data.get("nulls", NULLS)),
            )
        except FaultsError as error:
            raise FaultsError("the mapping", [*faults, *error.faults], place=place) from None
        except MissingError as error:
            faults.append(Fault("table", error.message))
        if faults:
            raise FaultsError("the mapping", faults, place=place)
        return made

    @classmethod
    def from_toml(cls, text: str, *, table: str | None = None, place: str | None = None) -> "Mapping":
        """Reads a mapping file.

        Raises:
            UsageError: It is not TOML.
            FaultsError: It does not fit.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"the mapping is not TOML: {error}", place=place) from error
        return cls.from_dict(data, table=table, place=place)

    def to_toml(self) -> str:
        """Writes it as a mapping file."""
        return toml_text(self.to_dict())


def _faults(mapping: Mapping) -> Iterable[Fault]:
    table = mapping.declared
    if table.kind is TableKind.DERIVED:
        yield Fault("table", f"{table.name} is computed, not loaded")
    targets = [rule.target for rule in mapping.rules]
    for target in {target for target in targets if targets.count(target) > 1}:
        yield Fault(f"columns.{target}", "is given twice")
    for rule in mapping.rules:
        if not table.has(rule.target):
            yield Fault(f"columns.{rule.target}", f"{table.name} has no such column")
        else:
            yield from _rule_faults(rule, table.column(rule.target))
    for column in table.columns:
        if column.required and column.name not in targets and column.name not in _made(table, targets):
            yield Fault(f"columns.{column.name}", f"is required: {column.meaning.lower()}")
    yield from _people_faults(mapping, table)
    if mapping.time_zone is not None:
        try:
            zone(mapping.time_zone)
        except UsageError as error:
            yield Fault("time_zone", error.message)


def _made(table: Table, targets: list[str]) -> set[str]:
    """The required columns that follow from others."""
    made = {"source"}
    if table.name == "order_line":
        made.add("line_no")
        made |= {"business_day"} if "ordered_at" in targets else set()
        made |= {"ordered_at"} if "business_day" in targets else set()
        made |= {"net_amount"} if "gross_amount" in targets else set()
    return made


def _rule_faults(rule: Rule, column: Column) -> Iterable[Fault]:
    path = f"columns.{rule.target}"
    given = sum((rule.column is not None, rule.constant is not None, bool(rule.parts)))
    if given != 1:
        yield Fault(path, "needs exactly one of column, constant, parts")
    if bool(rule.parts) != (column.type is Type.MAP):
        yield Fault(path, "parts go with a map, and a map needs parts")
    if (rule.scale is not None or rule.negate or rule.times) and column.type not in _NUMERIC:
        yield Fault(path, f"scale, negate and times need a number, {rule.target} is {column.type.value}")
    if rule.format is not None and column.type not in (Type.DATE, Type.INSTANT):
        yield Fault(f"{path}.format", f"is for dates, {rule.target} is {column.type.value}")
    if rule.decimal not in {".", ","}:
        yield Fault(f"{path}.decimal", f"'{rule.decimal}' is neither . nor ,")
    if column.values:
        words = [*rule.values.values(), *(word for word in (rule.constant, rule.default) if word is not None)]
        for word in sorted({word for word in words if word not in column.values}):
            yield Fault(path, f"'{word}' is none of {', '.join(column.values)}")
    if rule.kind is not None and rule.kind not in {f"identifier:{kind}" for kind in IDENTIFIER_KINDS}:
        yield Fault(f"{path}.kind", f"'{rule.kind}' is none of identifier:{', identifier:'.join(IDENTIFIER_KINDS)}")
    if rule.kind is not None and (column.type is not Type.STRING or rule.column is None):
        yield Fault(f"{path}.kind", "a token needs a text column of the table and a column of the file")


def _people_faults(mapping: Mapping, table: Table) -> Iterable[Fault]:
    for kind in mapping.identifiers:
        if kind not in IDENTIFIER_KINDS:
            yield Fault(f"identifiers.{kind}", f"is none of {', '.join(IDENTIFIER_KINDS)}")
    for kind in mapping.personal:
        if kind not in PERSONAL_KINDS:
            yield Fault(f"personal.{kind}", f"is none of {', '.join(PERSONAL_KINDS)}")
    if (mapping.identifiers or mapping.personal) and (not table.has("customer_id") or not mapping.rule("customer_id")):
        yield Fault("identifiers" if mapping.identifiers else "personal", "need a customer_id to belong to")


def _named_headers(mapping: Mapping) -> Iterable[tuple[str, str]]:
    for rule in mapping.rules:
        for name in rule.headers:
            yield f"columns.{rule.target}", name
    for section in ("identifiers", "personal"):
        for kind, name in getattr(mapping, section).items():
            yield f"{section}.{kind}", name


def _section(data: Pairs[str, Any], key: str, faults: list[Fault]) -> dict[str, Any]:
    section = data.get(key, {})
    if isinstance(section, dict):
        return section
    faults.append(Fault(key, "is no section"))
    return {}


def _text(value: Any, path: str, faults: list[Fault]) -> str:
    if isinstance(value, str) and value:
        return value
    faults.append(Fault(path, "needs a text"))
    return ""


def _read_rule(target: str, value: Any, faults: list[Fault]) -> Rule | None:
    path = f"columns.{target}"
    if isinstance(value, str):
        return Rule(target, column=value)
    if not isinstance(value, dict):
        faults.append(Fault(path, "needs the name of a column or a table of settings"))
        return None
    settings: dict[str, Any] = {}
    for key, item in value.items():
        try:
            settings[key] = _read_setting(key, item)
        except (ValueError, InvalidOperation) as error:
            faults.append(
                Fault(f"{path}.{key}", str(error) if isinstance(error, ValueError) else f"'{item}' is no number")
            )
    return Rule(target, **settings)


def _read_setting(key: str, item: Any) -> Any:
    if key not in _RULE_KEYS:
        raise ValueError("is no setting of a column")
    if key in {"values", "parts"}:
        if not isinstance(item, dict):
            raise ValueError("needs pairs")
        return {str(left): str(right) for left, right in item.items()}
    if key in {"constant", "default"}:
        return str(item).lower() if isinstance(item, bool) else str(item)
    if key == "scale":
        return Decimal(str(item))
    if not isinstance(item, bool if key == "negate" else str):
        raise ValueError("needs true or false" if key == "negate" else "needs a text")  # noqa: TRY004 - one fault list
    return item


def _read_shape(data: dict[str, Any], faults: list[Fault]) -> FileShape:
    faults += [Fault(f"file.{key}", "is no setting of a file") for key in data if key not in _SHAPE_KEYS]
    header = data.get("header_row")
    if header is not None and (not isinstance(header, int) or header < 0):
        faults.append(Fault("file.header_row", f"'{header}' is no line number"))
        header = None
    return FileShape(data.get("encoding"), data.get("delimiter"), header, data.get("sheet"))


def _rule_data(rule: Rule) -> str | dict[str, Any]:
    data: dict[str, Any] = {}
    for name in ("column", "constant", "default", "format", "times", "kind", "split"):
        if getattr(rule, name) is not None:
            data[name] = getattr(rule, name)
    if rule.scale is not None:
        data["scale"] = str(rule.scale)
    if rule.negate:
        data["negate"] = True
    if rule.decimal != ".":
        data["decimal"] = rule.decimal
    data |= {name: dict(getattr(rule, name)) for name in ("values", "parts") if getattr(rule, name)}
    return rule.column if rule.column is not None and len(data) == 1 else data
