"""`shopkeeper serve`: the console, the API, the log and the worker as one."""

import os
import signal
import socket
from collections.abc import Callable

import click
from rich.console import Console

from shopkeeper.app.broker import check_bridge
from shopkeeper.app.event_log import is_written
from shopkeeper.app.processes import DRAIN_SECONDS, Part, Service
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import UnavailableError
from shopkeeper.cli.options import with_shop

__all__ = ["serve", "serve_command"]

_WORKER_SECONDS = 120.0
_WAITING_CONNECTIONS = 2_048


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
            grace=DRAIN_SECONDS + 10.0,
            passes=(listener.fileno(),),
        )
        for place in range(workers)
    ]
    if with_worker:
        parts.append(Part("worker", ("worker", "--no-loader", "--shop", folder), grace=_WORKER_SECONDS))
        parts.append(Part("loader", ("loader", "--shop", folder), grace=_WORKER_SECONDS))
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
