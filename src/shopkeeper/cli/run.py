"""`shopkeeper run`: refreshes what changed."""

from datetime import date

import click

from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import day_option, progress_bar, with_shop
from shopkeeper.cli.output import emit, rich_table

__all__ = ["run_command"]


@click.command("run")
@click.argument("steps", nargs=-1)
@click.option("--until", metavar="STEP", help="The last step to do, with what it stands on.")
@day_option("--as-of", "The day at whose end everything stands; the last with data by default.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), help="What computes; what the settings say.")
@click.option("--force", is_flag=True, help="Do everything again, whole.")
@with_shop
def run_command(
    shop: Shop,
    steps: tuple[str, ...],
    *,
    until: str | None,
    as_of: date | None,
    engine: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Refresh what changed."""
    del engine  # with_shop opened the shop with it
    with progress_bar(quiet=as_json) as tell:
        report = run(shop, steps, until=until, as_of=as_of, force=force, progress=tell)
    rows = [(s.name, s.rows, s.seconds, "skipped" if s.skipped else s.refreshed) for s in report.steps]
    title = f"as of {report.as_of}, on {report.engine}"
    columns = ("step", "rows", "seconds", "refreshed")
    emit(report, as_json=as_json, render=lambda console: console.print(rich_table(title, columns, rows)))
