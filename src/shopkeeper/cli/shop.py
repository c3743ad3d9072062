"""`shopkeeper init` and `shopkeeper doctor`."""

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from shopkeeper.app.doctor import diagnose
from shopkeeper.app.segment import add_starters
from shopkeeper.app.shop import Shop, init
from shopkeeper.app.user import first_user
from shopkeeper.cli.options import common, with_shop
from shopkeeper.cli.output import emit

__all__ = ["doctor_command", "init_command"]


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", help="Name of the chain.")
@click.option("--time-zone", help="Time zone of the stores, such as Asia/Shanghai.")
@click.option("--currency", help="Currency of all money, such as CNY.")
@click.option("--country", help="Country, such as CN.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of reports and of the console.")
@click.option("--user", "user_name", default="admin", show_default=True, help="Name of the first user.")
@common
def init_command(
    directory: Path,
    *,
    folder: Path,
    name: str | None,
    time_zone: str | None,
    currency: str | None,
    country: str | None,
    lang: str | None,
    user_name: str,
    as_json: bool,
    debug: bool,
) -> None:
    """Make a shop folder with settings, keys, an empty lake and a first user."""
    del folder, debug
    given = {
        "chain.name": name,
        "chain.time_zone": time_zone,
        "chain.currency": currency,
        "chain.country": country,
        "chain.language": lang,
    }
    with init(directory, {key: value for key, value in given.items() if value is not None}) as shop:
        password = first_user(shop, user_name)
        add_starters(shop)
        document = {"shop": shop.folder, "user": user_name, "password": password}

    def render(console: Console) -> None:
        place = escape(str(directory))
        console.print(f"made a shop in [bold]{place}[/]")
        console.print(f"first user [bold]{escape(user_name)}[/], password [bold]{password}[/] (shown once)")
        console.print(f"next: shopkeeper load TABLE FILE --shop {place}, or shopkeeper serve --shop {place}")

    emit(document, as_json=as_json, render=render)


@click.command("doctor")
@with_shop
def doctor_command(shop: Shop, *, as_json: bool) -> int:
    """Say what is configured, reachable and missing."""
    findings = diagnose(shop)
    marks = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[dim]–[/]"}

    def render(console: Console) -> None:
        console.print(f"shop in {escape(str(shop.folder))}")
        for finding in findings:
            console.print(f" {marks[finding.ok]} {finding.what:<18} {escape(finding.found)}")
            if finding.next_step:
                console.print(f"   next: {escape(finding.next_step)}")

    emit({"ok": all(f.ok is not False for f in findings), "findings": findings}, as_json=as_json, render=render)
    return 1 if any(finding.ok is False for finding in findings) else 0
