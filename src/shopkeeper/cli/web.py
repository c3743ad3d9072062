"""The process that answers requests."""

import sys

import click
import uvicorn

from shopkeeper.app.processes import DRAIN_SECONDS, end_with_parent
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import with_shop
from shopkeeper.web import create_app

__all__ = ["web_command"]

_AT_ONCE = 2_000
_SWITCH_SECONDS = 0.001


@click.command("web")
@click.option("--host", help="Address to listen on; what the settings say by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; what the settings say by default.")
@click.option("--fd", type=int, hidden=True)
@with_shop
def web_command(shop: Shop, *, host: str | None, port: int | None, fd: int | None, as_json: bool) -> None:
    """Answer requests: the console, the API and the event paths. The log must be written by a process beside it."""
    del as_json
    end_with_parent()
    options = (
        {"fd": fd}
        if fd is not None
        else {"host": host or shop.settings.web.host, "port": shop.settings.web.port if port is None else port}
    )
    # Answers are given in one thread: another that has the interpreter gives it back after a millisecond, not five.
    sys.setswitchinterval(_SWITCH_SECONDS)
    config = uvicorn.Config(
        create_app(shop), log_level="warning", access_log=False, server_header=False, date_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS, limit_concurrency=_AT_ONCE, **options,
    )  # fmt: skip
    uvicorn.Server(config).run()
