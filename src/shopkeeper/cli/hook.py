"""`shopkeeper hook`: web hooks that hear of who enters and leaves segments."""

import click

from shopkeeper.app.shop import Shop
from shopkeeper.app.web_hooks import add_shop_hook, list_hooks, remove_hook
from shopkeeper.cli.options import with_shop
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.cli.terminal import caller

__all__ = ["hook_command"]


@click.group("hook")
def hook_command() -> None:
    """Web hooks that hear of who enters and leaves segments."""


@hook_command.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--segment", "segments", multiple=True, help="Only of this segment; may be said several times.")
@with_shop
def add(shop: Shop, name: str, url: str, *, segments: tuple[str, ...], as_json: bool) -> None:
    """Add a web hook; its secret is shown once."""
    secret = add_shop_hook(shop, name, url, segments, by=caller())
    shown = f"added [bold]{name}[/], secret [bold]{secret}[/] (shown once)"
    emit({"name": name, "secret": secret}, as_json=as_json, render=lambda console: console.print(shown))


@hook_command.command("list")
@with_shop
def list_(shop: Shop, *, as_json: bool) -> None:
    """The web hooks, and how many messages each has waiting, sent and given up."""
    found = list_hooks(shop)
    rows = [
        (h["name"], h["url"], ", ".join(h["segments"]) or "all", h["waiting"], h["sent"], h["given_up"]) for h in found
    ]
    heads = ("name", "address", "segments", "waiting", "sent", "given up")
    emit(found, as_json=as_json, render=lambda console: console.print(rich_table(None, heads, rows)))


@hook_command.command("remove")
@click.argument("name")
@with_shop
def remove(shop: Shop, name: str, *, as_json: bool) -> None:
    """Remove a web hook and what waits for it."""
    remove_hook(shop, name, by=caller())
    emit({"removed": name}, as_json=as_json, render=lambda console: console.print(f"removed [bold]{name}[/]"))
