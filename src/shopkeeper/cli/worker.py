"""The processes that read the log and do the jobs of the schedule: the worker, whole or in its two halves."""

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import click

from shopkeeper.app.processes import end_with_parent
from shopkeeper.app.shop import Shop
from shopkeeper.app.worker import work
from shopkeeper.cli.options import with_shop

__all__ = ["loader_command", "worker_command"]

_SWITCH_SECONDS = 0.0005
_GIVES_WAY, _GIVES_MORE_WAY = 5, 10
"""How much the worker stands back for those who wait for an answer, and the loader for both, as `nice` counts."""


@click.command("worker")
@click.option("--no-schedule", is_flag=True, help="Only read the log; do no jobs of the schedule.")
@click.option("--no-loader", is_flag=True, help="Only what must be live; another process is the loader.")
@with_shop
def worker_command(shop: Shop, *, no_schedule: bool, no_loader: bool, as_json: bool) -> None:
    """Keep live what the log brings, take it into the lake and the vault, and do the jobs of the schedule."""
    del as_json
    _work(shop, loads=not no_loader, with_schedule=not no_schedule)


@click.command("loader")
@click.option("--no-schedule", is_flag=True, help="Only read the log; do no jobs of the schedule.")
@with_shop
def loader_command(shop: Shop, *, no_schedule: bool, as_json: bool) -> None:
    """Take the log into the lake and the vault, and do the jobs of the schedule: the worker's half that may be busy."""
    del as_json
    _work(shop, is_live=False, with_schedule=not no_schedule)


def _work(shop: Shop, *, is_live: bool = True, loads: bool = True, with_schedule: bool) -> None:
    end_with_parent()
    _give_way(_GIVES_WAY if is_live else _GIVES_MORE_WAY)
    # Its readers let go of the interpreter with every row of SQLite, and would wait five milliseconds to have it back.
    sys.setswitchinterval(_SWITCH_SECONDS)
    told = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: told.set())
    work(shop, told, is_live=is_live, loads=loads, with_schedule=with_schedule)


def _give_way(by: int) -> None:
    """Has others go first; where the kernel schedules by session, the niceness of a process counts inside it only."""
    os.nice(by)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(by), encoding="ascii")
