"""`shopkeeper mqtt`: signals of devices from a broker into the log."""

import os

import click

from shopkeeper.app.broker import check_bridge
from shopkeeper.app.processes import end_with_parent
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import with_shop

__all__ = ["mqtt_command"]


@click.command("mqtt")
@with_shop
def mqtt_command(shop: Shop, *, as_json: bool) -> None:
    """Take signals of devices from a broker; the log must be written by a process beside it."""
    del as_json
    check_bridge(shop, os.environ)
    from shopkeeper.app.mqtt import run_bridge  # noqa: PLC0415 - its library is an extra

    end_with_parent()
    run_bridge(shop)
