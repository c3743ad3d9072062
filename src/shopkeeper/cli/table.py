"""`shopkeeper table`: looks into the lake."""

from pathlib import Path

import click

from shopkeeper.app import table as tables
from shopkeeper.app.shop import Shop
from shopkeeper.base.clock import zone
from shopkeeper.cli.options import with_shop, working
from shopkeeper.cli.output import emit, print_rows, rich_table
from shopkeeper.cli.terminal import note_view
from shopkeeper.schema.tables import table as declared_table

__all__ = ["table_command"]


@click.group("table")
def table_command() -> None:
    """Look into the lake."""


@table_command.command("list")
@click.option("--all", "every", is_flag=True, help="Also the tables that hold nothing yet.")
@with_shop
def list_(shop: Shop, *, every: bool, as_json: bool) -> None:
    """The tables and what stands in them."""
    found = tables.list_tables(shop, every=every)
    rows = [(t.name, t.kind, t.rows, f"{t.bytes / 1e6:,.1f} MB", t.as_of or "", t.meaning) for t in found]
    columns = ("table", "kind", "rows", "size", "as of", "one row is")
    emit(found, as_json=as_json, render=lambda console: console.print(rich_table(None, columns, rows)))


@table_command.command("describe")
@click.argument("name")
@with_shop
def describe(shop: Shop, name: str, *, as_json: bool) -> None:
    """What a table and its columns mean."""
    state, declared = tables.describe(shop, name)
    document = {"table": state, "columns": list(declared)}
    rows = [(c.name, c.type.name.lower(), c.unit, c.privacy.value, c.meaning) for c in declared]
    title = f"{name}: {state.meaning} ({state.rows:,} rows)"
    columns = ("column", "type", "unit", "privacy", "meaning")
    emit(document, as_json=as_json, render=lambda console: console.print(rich_table(title, columns, rows)))


@table_command.command("show")
@click.argument("name")
@click.option("-n", "rows", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many rows.")
@with_shop
def show(shop: Shop, name: str, *, rows: int, as_json: bool) -> None:
    """The first rows of a table."""
    _note(shop, "data.rows", name, rows=rows)
    found = tables.show(shop, name, rows)
    document = {"columns": found.column_names, "rows": found.to_pylist()}
    shown = [tuple(row.values()) for row in document["rows"]]
    clock = zone(shop.settings.chain.time_zone)
    emit(document, as_json=as_json, render=lambda c: print_rows(c, name, found.column_names, shown, clock))


@table_command.command("export")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_shop
def export(shop: Shop, name: str, file: Path, *, as_json: bool) -> None:
    """Write a table to a file: .parquet, .csv, .json or .xlsx."""
    _note(shop, "table.export", name, file=file.suffix.removeprefix("."))
    with working(f"export of {name}", quiet=as_json):
        rows = tables.export(shop, name, file)
    emit({"rows": rows, "file": file}, as_json=as_json, render=lambda c: c.print(f"{rows:,} rows in {file}"))


def _note(shop: Shop, what: str, name: str, **detail: object) -> None:
    if declared_table(name).is_personal:
        note_view(shop, what, name, **detail)
