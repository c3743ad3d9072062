"""What a command prints: one JSON document, or lines and tables for people; faults go to standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from shopkeeper.base.errors import ShopkeeperError

__all__ = ["emit", "fail", "people_console", "print_rows", "rich_table"]

_COLUMNS_ABREAST = 10
_RECORDS = 3


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


def rich_table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table for people: numbers to the right, thousands marked, empty for unknown."""
    rows = [tuple(row) for row in rows]
    table = Table(title=title, title_justify="left", header_style="bold", row_styles=("", "dim"))
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], int | float | Decimal) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_shown(value) for value in row))
    return table


def print_rows(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints rows of a table of any width: columns without a value are named below, wide ones become records."""
    if not rows:
        console.print(f"{title} holds no rows")
        return
    filled = [place for place in range(len(columns)) if any(row[place] is not None for row in rows)]
    empty = [name for place, name in enumerate(columns) if place not in filled]
    if len(filled) <= _COLUMNS_ABREAST:
        console.print(rich_table(title, [columns[p] for p in filled], [[row[p] for p in filled] for row in rows]))
    else:
        for number, row in enumerate(rows[:_RECORDS], start=1):
            pairs = [(columns[p], _shown(row[p])) for p in filled]
            console.print(rich_table(f"{title}, row {number}", ("column", "value"), pairs))
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
    console = Console(stderr=True, highlight=False)
    console.print(f"[bold red]✗[/] {_escaped(error.message)}")
    if error.place:
        console.print(f"  where: {_escaped(error.place)}")
    if error.next_step:
        console.print(f"  next:  {_escaped(error.next_step)}")
    return error.exit_code


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return _escaped(str(value))


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
