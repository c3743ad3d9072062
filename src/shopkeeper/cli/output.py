"""What a command prints: one JSON document, or lines and tables for people; faults go to standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkeeper.base.errors import ShopkeeperError

__all__ = ["emit", "fail", "people_console", "print_rows", "rich_table"]

_COLUMNS_ABREAST = 10
_RECORDS = 3
_PAIR = 2


def emit(document: Any, *, as_json: bool, render: Callable[[Console], None] | None = None) -> None:
    """Prints a document as JSON, or as a person likes to read it."""
    if as_json or render is None:
        sys.stdout.write(json.dumps(document, default=_plain, ensure_ascii=False, indent=2) + "\n")
        return
    render(people_console())


def people_console() -> Console:
    """The console of standard output; wide enough for tables when it is not a terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


def rich_table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]], zone: tzinfo | None = None
) -> Table:
    """A table for people: numbers to the right, thousands marked, empty for unknown, instants as clocks in `zone`."""
    rows = [tuple(row) for row in rows]
    table = Table(title=title, title_justify="left", header_style="bold", row_styles=("", "dim"))
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], int | float | Decimal) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_shown(value, zone) for value in row))
    return table


def print_rows(
    console: Console,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    zone: tzinfo | None = None,
) -> None:
    """Prints rows of a table of any width: columns without a value are named below, wide ones are turned on their side.

    Args:
        console: Where to.
        title: What the rows are.
        columns: The names of the columns.
        rows: The rows.
        zone: The time zone in which instants are shown; theirs by default.
    """
    if not rows:
        console.print(f"{title} holds no rows")
        return
    filled = [place for place in range(len(columns)) if any(row[place] is not None for row in rows)]
    empty = [name for place, name in enumerate(columns) if place not in filled]
    if len(filled) <= _COLUMNS_ABREAST:
        shown = [[row[p] for p in filled] for row in rows]
        console.print(rich_table(title, [columns[p] for p in filled], shown, zone))
    else:
        first = rows[:_RECORDS]
        turned = [(columns[p], *(_shown(row[p], zone, escaped=False) for row in first)) for p in filled]
        console.print(rich_table(title, ("column", *(f"row {n}" for n in range(1, len(first) + 1))), turned))
        if len(rows) > _RECORDS:
            console.print(f"{_RECORDS} of {len(rows)} rows; --json or shopkeeper table export gives all")
    if empty:
        console.print(f"without a value here: {', '.join(empty)}", style="dim")


def fail(error: ShopkeeperError, *, as_json: bool) -> int:
    """Says on standard error what was wrong, where, and the next command; gives the exit code."""
    if as_json:
        document = {"error": error.message, "place": error.place, "next": error.next_step}
        sys.stderr.write(json.dumps(document, ensure_ascii=False) + "\n")
        return error.exit_code
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]✗[/] {escape(error.message)}")
    if error.place:
        console.print(f"  where: {escape(error.place)}")
    if error.next_step:
        console.print(f"  next:  {escape(error.next_step)}")
    return error.exit_code


def _shown(value: Any, zone: tzinfo | None = None, *, escaped: bool = True) -> str:  # noqa: PLR0911 - one form a type
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float) and value.is_integer():
        return f"{value:,.0f}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"
    if isinstance(value, Decimal):
        return f"{value:,.2f}" if value == round(value, 2) else f"{value.normalize():,f}"
    if isinstance(value, datetime):
        return (value.astimezone(zone) if zone and value.tzinfo else value).strftime("%Y-%m-%d %H:%M")
    text = _listed(value) if isinstance(value, list | tuple) else str(value)
    return escape(text) if escaped else text


def _listed(values: Sequence[Any]) -> str:
    """The entries of a list or a map (which Arrow gives as pairs)."""
    return ", ".join(f"{v[0]}: {v[1]}" if isinstance(v, tuple) and len(v) == _PAIR else str(v) for v in values)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(f"{type(value).__name__} has no plain form")
