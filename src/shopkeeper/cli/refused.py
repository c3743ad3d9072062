"""`shopkeeper refused`: what was turned away, and back in after a fix."""

from pathlib import Path

import click

from shopkeeper.app.load import list_refused, replay, show_refused
from shopkeeper.app.shop import Shop
from shopkeeper.base.clock import zone
from shopkeeper.cli.load import receipt_document, render_receipt
from shopkeeper.cli.options import with_shop, working
from shopkeeper.cli.output import emit, print_rows, rich_table
from shopkeeper.cli.terminal import note_view

__all__ = ["refused_command"]

_REFUSED = 3


@click.group("refused")
def refused_command() -> None:
    """What was turned away."""


@refused_command.command("list")
@with_shop
def list_(shop: Shop, *, as_json: bool) -> None:
    """Refused rows that wait, by table, file and reason."""
    rows = list_refused(shop)
    columns = ("table", "source", "file", "column", "reason", "rows", "since")
    table = rich_table(None, columns, [tuple(row.values()) for row in rows], zone(shop.settings.chain.time_zone))
    emit(rows, as_json=as_json, render=lambda c: c.print(table if rows else "nothing was refused"))


@refused_command.command("show")
@click.argument("table", required=False)
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many rows.")
@with_shop
def show(shop: Shop, table: str | None, *, limit: int, as_json: bool) -> None:
    """Refused rows: where each stood and what was wrong; values are masked."""
    note_view(shop, "refused.read", table or "every table", rows=limit)
    rows = show_refused(shop, table, limit).to_pylist()
    shown, columns = [tuple(row.values()) for row in rows], list(rows[0]) if rows else []
    clock = zone(shop.settings.chain.time_zone)
    emit(rows, as_json=as_json, render=lambda console: print_rows(console, "refused", columns, shown, clock))


@refused_command.command("replay")
@click.argument("table")
@click.option("--source", default="file", show_default=True, help="Name of the source system.")
@click.option("--mapping", type=click.Path(path_type=Path, dir_okay=False), help="The mended mapping; else the saved.")
@click.option("--replace", is_flag=True, help="Let rows replace facts under the same key, which settles conflicts.")
@with_shop
def replay_(shop: Shop, table: str, *, source: str, mapping: Path | None, replace: bool, as_json: bool) -> int:
    """Let refused rows of TABLE in again after a fix; twice does no harm."""
    with working(f"replay of {table}", quiet=as_json):
        receipt = replay(shop, table, source=source, mapping=mapping, replace=replace)
    emit(receipt_document(receipt), as_json=as_json, render=lambda c: render_receipt(c, receipt, "mended"))
    return _REFUSED if receipt.refused else 0
