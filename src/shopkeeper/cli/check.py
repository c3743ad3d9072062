"""`shopkeeper check`: the quality of every table."""

import click
from rich.console import Console

from shopkeeper.app.check import check
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import progress_bar, with_shop
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.cli.terminal import note_view
from shopkeeper.schema.tables import TABLES

__all__ = ["check_command"]


@click.command("check")
@with_shop
def check_command(shop: Shop, *, as_json: bool) -> int:
    """Check the quality of every table; fails when a rule is broken, not for warnings."""
    with progress_bar(quiet=as_json) as tell:
        outcomes = check(shop, tell)
    broken = [outcome for outcome in outcomes if not outcome.ok]
    named = sorted({o.table for o in broken if o.sample and (o.table not in TABLES or TABLES[o.table].is_personal)})
    if named:
        note_view(shop, "data.rows", ", ".join(named))
    failed = any(outcome.severity == "rule" for outcome in broken)
    document = {
        "ok": not failed,
        "checks": [
            {
                "table": o.table,
                "check": o.name,
                "ok": o.ok,
                "found": o.found,
                "severity": o.severity,
                "sample": o.sample,
            }
            for o in outcomes
        ],
    }

    def render(console: Console) -> None:
        console.print(f"{len(outcomes)} checks, {len(outcomes) - len(broken)} kept")
        if broken:
            rows = [(o.table, o.name, o.severity, o.found, o.sample) for o in broken]
            console.print(rich_table("not kept", ("table", "check", "severity", "found", "some of them"), rows))

    emit(document, as_json=as_json, render=render)
    return 1 if failed else 0
