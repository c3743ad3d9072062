"""`shopkeeper serve`: the console, the API, the log and the worker as one; `web`, `worker` and `log` alone."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import uvicorn
from rich.console import Console

from shopkeeper.app.broker import check_bridge
from shopkeeper.app.event_log import is_written, write_log
from shopkeeper.app.processes import Part, Service, end_with_parent
from shopkeeper.app.shop import Shop
from shopkeeper.app.worker import work
from shopkeeper.base.errors import UnavailableError
from shopkeeper.cli.options import with_shop
from shopkeeper.web import create_app

__all__ = ["log_command", "serve", "serve_command", "web_command", "worker_command"]

_DRAIN_SECONDS = 20
_WORKER_SECONDS = 120.0
_WAITING_CONNECTIONS = 2_048
_AT_ONCE = 2_000
_SWITCH_SECONDS = 0.001
_WORKER_SWITCH_SECONDS = 0.0005
_GIVES_WAY = 5
"""How much the worker stands back for those who wait for an answer, as `nice` counts."""


@click.command("serve")
@click.option("--host", help="Address to listen on; what the settings say by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; what the settings say by default.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that answer.")
@click.option("--no-worker", is_flag=True, help="Only the console, the API and the log.")
@with_shop
def serve_command(
    shop: Shop, *, host: str | None, port: int | None, workers: int, no_worker: bool, as_json: bool
) -> None:
    """Serve the console and the API, with the worker that keeps everything fresh."""
    del as_json  # a server has no document
    code = serve(shop, host=host, port=port, workers=workers, with_worker=not no_worker)
    if code:
        raise UnavailableError("a part of the service did not begin to work", next_step="look at the log above")


def serve(
    shop: Shop, *, host: str | None = None, port: int | None = None, workers: int = 1, with_worker: bool = True
) -> int:
    """Serves until it is stopped, then lets requests, work and log come to their end; gives the exit code."""
    address, number = host or shop.settings.web.host, port if port is not None else shop.settings.web.port
    listener = _listening(address, number)
    folder = str(shop.folder)
    answering = ("web", "--shop", folder, "--fd", str(listener.fileno()))
    parts = [Part("log", ("log", "--shop", folder), ready=lambda: is_written(shop))]
    parts += [
        Part(
            f"web {place}",
            answering,
            ready=_answers(listener),
            grace=_DRAIN_SECONDS + 10.0,
            passes=(listener.fileno(),),
        )
        for place in range(workers)
    ]
    if with_worker:
        parts.append(Part("worker", ("worker", "--shop", folder), grace=_WORKER_SECONDS))
    if shop.settings.mqtt.url:
        check_bridge(shop, os.environ)
        parts.append(Part("mqtt", ("mqtt", "--shop", folder)))
    shop.close()
    service = Service(parts)
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, lambda *_: service.stop())
    shown = listener.getsockname()[1]
    Console(stderr=True).print(f"the console is at [bold]http://{address}:{shown}[/] (stop it with Ctrl+C)")
    try:
        return service.run()
    finally:
        listener.close()


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
        timeout_graceful_shutdown=_DRAIN_SECONDS, limit_concurrency=_AT_ONCE, **options,
    )  # fmt: skip
    uvicorn.Server(config).run()


@click.command("worker")
@click.option("--no-schedule", is_flag=True, help="Only read the log; do no jobs of the schedule.")
@with_shop
def worker_command(shop: Shop, *, no_schedule: bool, as_json: bool) -> None:
    """Take the log into the lake and the vault, and do the jobs of the schedule."""
    del as_json
    end_with_parent()
    _give_way()
    # Its readers let go of the interpreter with every row of SQLite, and would wait five milliseconds to have it back.
    sys.setswitchinterval(_WORKER_SWITCH_SECONDS)
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


@click.command("log")
@with_shop
def log_command(shop: Shop, *, as_json: bool) -> None:
    """Write the log of events: there is one such process to a shop."""
    del as_json
    end_with_parent()
    write_log(shop)


def _listening(address: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, port), family=family, backlog=_WAITING_CONNECTIONS)
    except OSError as error:
        raise UnavailableError(
            f"port {port} of {address} cannot be listened on",
            next_step="stop what uses it, or say --port",
            foreign=error,
        ) from error
    listener.set_inheritable(True)
    # The web processes get a bare descriptor and would not ask for it: without it each answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _answers(listener: socket.socket) -> Callable[[], bool]:
    """Whether a process answers at the listener; it takes connections before, since the parent opened it."""

    def ready() -> bool:
        address = listener.getsockname()[:2]
        try:
            with socket.create_connection(address, timeout=2) as tried:
                tried.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b" 200 " in tried.recv(64)
        except OSError:
            return False

    return ready
