"""`shopkeeper demo`: the whole wheel on a sample."""

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from shopkeeper.app.demo import demo
from shopkeeper.app.log import configure_log
from shopkeeper.app.sample import COMPLETE_JOURNEY, SAMPLES
from shopkeeper.app.shop import open_shop
from shopkeeper.base.settings import LogSettings
from shopkeeper.cli.options import common, progress_bar
from shopkeeper.cli.output import emit
from shopkeeper.cli.report import render_report

__all__ = ["demo_command"]


@click.command("demo")
@click.option("--sample", type=click.Choice(SAMPLES), default=COMPLETE_JOURNEY, show_default=True, help="Which data.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language.")
@click.option("--no-serve", is_flag=True, help="End after the report.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the console.")
@common
def demo_command(
    *, folder: Path, sample: str, lang: str, no_serve: bool, port: int | None, as_json: bool, debug: bool
) -> None:
    """Load a sample into a new shop, run every step, print the report, serve the console.

    A shop that an earlier demo made in the folder is used again: what did not change is skipped.
    """
    del debug
    configure_log(LogSettings())  # there is no shop yet whose settings could say otherwise
    with progress_bar(quiet=as_json) as tell:
        result = demo(folder, sample, lang, progress=tell)

    def render(console: Console) -> None:
        render_report(console, result.report, lang, result.currency)
        console.print(
            f"\nall of it took [bold]{result.document['seconds']:.0f} s[/]; the shop is in {escape(str(folder))}"
        )
        if result.password:
            console.print(f"sign in as [bold]{result.user}[/] with [bold]{result.password}[/] (shown once)")

    emit(result.document, as_json=as_json, render=render)
    if not no_serve:
        # The faces' server is loaded only where it serves.
        from shopkeeper.cli.serve import serve  # noqa: PLC0415

        with open_shop(folder) as shop:
            serve(shop, port=port)
