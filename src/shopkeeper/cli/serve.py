"""`shopkeeper serve`: the console, the API and the worker as one."""

import threading

import click
import uvicorn
from rich.console import Console

from shopkeeper.app.schedule import Worker
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import with_shop
from shopkeeper.web import create_app

__all__ = ["serve", "serve_command"]


@click.command("serve")
@click.option("--host", help="Address to listen on; what the settings say by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; what the settings say by default.")
@click.option("--no-worker", is_flag=True, help="Only the console and the API.")
@with_shop
def serve_command(shop: Shop, *, host: str | None, port: int | None, no_worker: bool, as_json: bool) -> None:
    """Serve the console and the API, with the worker that keeps everything fresh."""
    del as_json  # a server has no document
    serve(shop, host=host, port=port, with_worker=not no_worker)


def serve(shop: Shop, *, host: str | None = None, port: int | None = None, with_worker: bool = True) -> None:
    """Serves until it is stopped; the worker ends with it, after the job at hand."""
    address, number = host or shop.settings.web.host, port if port is not None else shop.settings.web.port
    worker = Worker(shop) if with_worker and shop.settings.schedule.enabled else None
    thread = threading.Thread(target=worker.run, name="worker") if worker else None
    config = uvicorn.Config(create_app(shop), host=address, port=number, log_level="warning", server_header=False)
    server = uvicorn.Server(config)
    Console(stderr=True).print(f"the console is at [bold]http://{address}:{number}[/] (stop it with Ctrl+C)")
    if thread:
        thread.start()
    try:
        server.run()
    finally:
        if worker and thread:
            worker.stop()
            thread.join()
