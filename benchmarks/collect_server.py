"""A web process of the benchmark: the event paths as they are, and the log as a process, a list, or not even that.

`python -m benchmarks.collect_server SHOP FD KIND` with KIND `log`, `list` or `parse`.
"""

import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from shopkeeper.app.collect import Reception
from shopkeeper.app.counts import Counts
from shopkeeper.app.event_log import client_of
from shopkeeper.app.plan_file import PlanFile
from shopkeeper.app.shop import open_shop
from shopkeeper.storage.log import Batch, Outcome
from shopkeeper.web.collect import Collect
from shopkeeper.web.counted import Counted
from shopkeeper.web.event_routes import EventLane, event_routes
from shopkeeper.web.rate import RateLimit

__all__ = ["main"]


class _List:
    """Keeps batches in memory: the same code with nothing durable behind it."""

    def __init__(self) -> None:
        self.kept: list[Batch] = []

    async def append(self, batch: Batch) -> Outcome:
        self.kept.append(batch)
        return Outcome(len(self.kept), bytes(len(batch.entries)))


async def _nothing_else(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _parses(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads and decodes a request and answers nothing."""
    import msgspec  # noqa: PLC0415

    if scope["type"] == "lifespan":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    if body:
        msgspec.json.decode(body)
    await _nothing_else(scope, receive, send)


def main(folder: str, fd: str, kind: str) -> None:
    """Serves until it is stopped."""
    shop = open_shop(Path(folder))

    def reception() -> Reception:
        return Reception(shop, client_of(shop) if kind == "log" else _List(), PlanFile(shop.folder).plan)

    app: Any = _parses
    if kind != "parse":
        collect = Collect(reception=reception, limit=RateLimit(10**12, 10), clock=shop.clock)
        lane = EventLane(_nothing_else, collect=collect, routes=event_routes(collect))
        app = Counted(lane, counts=Counts(shop))
    uvicorn.run(app, fd=int(fd), log_level="warning", access_log=False, lifespan="off")


if __name__ == "__main__":
    main(*sys.argv[1:])
