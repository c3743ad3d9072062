"""`shopkeeper live`: the live state of people."""

from dataclasses import asdict

import click

from shopkeeper.app.live_rebuild import rebuild_live
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import with_shop, working
from shopkeeper.cli.output import emit

__all__ = ["live_command"]


@click.group("live")
def live_command() -> None:
    """The live state of people."""


@live_command.command("rebuild")
@with_shop
def rebuild(shop: Shop, *, as_json: bool) -> None:
    """Make live state anew of the lake and the log, where live.db is lost or behind; the worker must not run."""
    with working("rebuild live state", quiet=as_json):
        done = rebuild_live(shop)
    told = f"{done.records:,} records, of {done.of_lake:,} events of the lake and {done.of_log:,} batches of the log"
    if done.missing:
        told += f"; {done.missing:,} batches are in neither"
    emit(asdict(done), as_json=as_json, render=lambda console: console.print(told))
