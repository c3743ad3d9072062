"""`shopkeeper load`: files or a database query into a source table."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from shopkeeper.app import load as loads
from shopkeeper.app.load import ColumnMapping, Receipt
from shopkeeper.app.shop import Shop
from shopkeeper.base.clock import zone
from shopkeeper.base.errors import MissingError, ShopkeeperError
from shopkeeper.cli.options import with_shop, working
from shopkeeper.cli.output import emit, print_rows, rich_table

__all__ = ["load_command", "receipt_document", "render_receipt"]

_REFUSED = 3


@click.command("load")
@click.argument("table")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--source", default="file", show_default=True, help="Name of the source system.")
@click.option("--mapping", type=click.Path(path_type=Path, dir_okay=False), help="Mapping file (TOML).")
@click.option("--query", help="Query, where FILE is a database URL.")
@click.option("--since", metavar="COLUMN", help="Take only rows newer than last time by this column.")
@click.option("--replace", is_flag=True, help="Let rows replace facts under the same key.")
@click.option(
    "--also", is_flag=True, help="With tickets: also load the goods and stores they name that are not known yet."
)
@click.option("--dry-run", is_flag=True, help="Only show what would happen.")
@click.option("--propose", is_flag=True, help="Only print the mapping that would be used, to save and correct.")
@with_shop
def load_command(
    shop: Shop,
    table: str,
    files: tuple[str, ...],
    *,
    source: str,
    mapping: Path | None,
    query: str | None,
    since: str | None,
    replace: bool,
    also: bool,
    dry_run: bool,
    propose: bool,
    as_json: bool,
) -> int:
    """Load FILE… (CSV, Parquet, JSON lines, Excel, or a database URL with --query) into TABLE.

    Without --mapping the one saved for this source is used, else one is proposed from headers and values.
    """
    for name in files:
        if "://" not in name and not Path(name).exists():
            raise MissingError(f"there is no file {name}", place=str(Path.cwd()))
    chosen, origin = loads.mapping_for(shop, table, files, source=source, mapping=mapping, query=query)
    if propose:
        text = chosen.to_toml()
        emit(
            chosen.to_dict(), as_json=as_json, render=lambda console: console.print(text, markup=False, highlight=False)
        )
        return 0
    others = loads.also_described(shop, chosen, files[0])
    if dry_run:
        clock = zone(shop.settings.chain.time_zone)
        with working(f"dry run of {table}", quiet=as_json):
            found = loads.preview(
                shop, table, files, source=source, mapping=chosen, replace=replace, since=since, query=query
            )
        document = receipt_document(found.receipt) | {
            "mapping": origin,
            "rows": found.rows,
            "refused_rows": found.refused,
            "describes": _described(others),
        }

        def render_preview(console: Console) -> None:
            _render_preview(console, found, origin, clock)
            _render_others(console, others, files, source)

        emit(document, as_json=as_json, render=render_preview)
        return _REFUSED if found.receipt.refused else 0
    with _counting(quiet=as_json) as tell:
        receipt = loads.load(
            shop, table, files, source=source, mapping=chosen, replace=replace, since=since, query=query, progress=tell
        )
        side = dict(loads.load_also(shop, others if also else {}, files, source=source, progress=tell))
    document = receipt_document(receipt) | {"describes": _described(others)} | _side_document(side)

    def render(console: Console) -> None:
        render_receipt(console, receipt, origin)
        _render_side(console, side)
        if not also:
            _render_others(console, others, files, source)

    emit(document, as_json=as_json, render=render)
    if any(isinstance(one, ShopkeeperError) for one in side.values()):
        return ShopkeeperError.exit_code
    return _REFUSED if receipt.refused else 0


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """The receipt in the shape that CONTRACT.md promises."""
    return asdict(receipt) | {"reasons": dict(receipt.reasons)}


def render_receipt(console: Console, receipt: Receipt, origin: str) -> None:
    """Prints what became of each row."""
    r = receipt
    console.print(
        f"[bold]{r.table}[/]: received {r.received:,} = stored {r.stored:,} + updated {r.updated:,} "
        f"+ duplicate {r.duplicate:,} + refused {r.refused:,}   ({r.seconds:.1f} s, {origin} mapping)"
    )
    if r.net_amount is not None:
        console.print(f"net amount of the rows not refused: {Decimal(r.net_amount):,}")
    if r.left_out:
        console.print(f"left out, nothing in {r.table} is called so: {', '.join(r.left_out)}", markup=False)
    if r.settled:
        console.print(f"refused before, come in mended now: {r.settled:,}")
    if r.skipped:
        console.print(f"skipped before counting, older than the watermark: {r.skipped:,}")
    if r.identifiers:
        console.print(f"identifiers newly noted, as tokens: {r.identifiers:,}")
    if r.refused:
        console.print(rich_table("refused", ("reason", "rows"), sorted(r.reasons.items(), key=lambda item: -item[1])))
        console.print("next: shopkeeper refused show, mend the mapping or the file, then shopkeeper refused replay")
    elif r.stored or r.updated:
        console.print("next: shopkeeper run refreshes what follows from it")


def _side_document(side: Mapping[str, Receipt | ShopkeeperError]) -> dict[str, Any]:
    return {
        "also": [receipt_document(one) for one in side.values() if isinstance(one, Receipt)],
        "also_failed": {name: str(one) for name, one in side.items() if isinstance(one, ShopkeeperError)},
    }


def _render_side(console: Console, side: Mapping[str, Receipt | ShopkeeperError]) -> None:
    for name, one in side.items():
        if isinstance(one, Receipt):
            render_receipt(console, one, "proposed")
        else:
            console.print(f"{name} was not loaded: {one}", markup=False)


def _described(others: Mapping[str, ColumnMapping]) -> dict[str, list[str]]:
    return {name: [rule.target for rule in mapping.rules] for name, mapping in others.items()}


def _render_others(console: Console, others: Mapping[str, ColumnMapping], files: Sequence[str], source: str) -> None:
    for name, mapping in others.items():
        headers = ", ".join(f"{rule.column} → {rule.target}" for rule in mapping.rules if rule.column)
        command = shlex.join(["shopkeeper", "load", name, *files, "--source", source])
        console.print(f"the same file describes {name} ({headers}): load with --also, or {command}", markup=False)


def _render_preview(console: Console, found: Any, origin: str, clock: tzinfo) -> None:
    console.print("[bold]dry run[/]: nothing was changed")
    render_receipt(console, found.receipt, origin)
    if found.rows:
        shown = [[row.get(name) for name in found.columns] for row in found.rows[:8]]
        print_rows(console, "as they would be stored", found.columns, shown, clock)
    if found.refused:
        columns = list(found.refused[0])
        console.print(
            rich_table("as they would be refused", columns, [list(row.values()) for row in found.refused[:8]])
        )


@contextmanager
def _counting(*, quiet: bool) -> Iterator[Any]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,} rows"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("read", total=None)
        yield lambda name, rows: bar.update(task, description=name, completed=rows)
