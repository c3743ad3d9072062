"""The process that writes the log of events."""

import click

from shopkeeper.app.event_log import write_log
from shopkeeper.app.processes import end_with_parent
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import with_shop

__all__ = ["log_command"]


@click.command("log")
@with_shop
def log_command(shop: Shop, *, as_json: bool) -> None:
    """Write the log of events: there is one such process to a shop."""
    del as_json
    end_with_parent()
    write_log(shop)
