"""The process that reads the log and does the jobs of the schedule."""

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

__all__ = ["worker_command"]

_SWITCH_SECONDS = 0.0005
_GIVES_WAY = 5
"""How much the worker stands back for those who wait for an answer, as `nice` counts."""


@click.command("worker")
@click.option("--no-schedule", is_flag=True, help="Only read the log; do no jobs of the schedule.")
@with_shop
def worker_command(shop: Shop, *, no_schedule: bool, as_json: bool) -> None:
    """Take the log into the lake and the vault, and do the jobs of the schedule."""
    del as_json
    end_with_parent()
    _give_way()
    # Its readers let go of the interpreter with every row of SQLite, and would wait five milliseconds to have it back.
    sys.setswitchinterval(_SWITCH_SECONDS)
    told = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: told.set())
    work(shop, told, with_schedule=not no_schedule)


def _give_way() -> None:
    """Has others go first; where the kernel schedules by session, the niceness of a process counts inside it only."""
    os.nice(_GIVES_WAY)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_GIVES_WAY), encoding="ascii")
