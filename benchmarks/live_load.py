"""Load on a running service, as programs of their own: a sender of events and a reader of persons, both open loop.

`python -m benchmarks.live_load send|read PLAN OUT`, where PLAN and OUT are files of JSON.
"""

import asyncio
import base64
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

__all__ = ["main"]

_CONNECTIONS = 24
_LOOKS_EVERY = 0.01
_COARSE = 0.05
"""Who waits long looks less often: what is told is late by a twentieth at most, and looking is no load of its own."""
_GIVES_UP = 30.0
_LATE = 30.0
_BROWSING = 0.5
"""How many events bear the cookie of a browser beside the member number."""


class Client:
    """Connections to one service; a request takes a free one."""

    def __init__(self, port: int, authorization: str) -> None:
        self._port = port
        self._authorization = authorization
        self._free: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()

    async def open(self, number: int) -> None:
        """Opens so many connections."""
        for _ in range(number):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Asks and gives the status and the body of the answer; a connection that was closed idle is opened anew."""
        reader, writer = await self._free.get()
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {self._authorization}\r\n"
            if body:
                head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            asked = f"{head}\r\n".encode() + body
            try:
                writer.write(asked)
                answer = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(asked)
                answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            return int(answer[9:12]), await reader.readexactly(length)
        finally:
            self._free.put_nowait((reader, writer))


async def paced(seconds: float, every: float, act: Callable[[int, float], Awaitable[None]]) -> None:
    """Begins something at fixed instants, whether or not what was begun before has ended."""
    began, tasks = time.perf_counter(), set[asyncio.Task[None]]()
    failed: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if (error := task.exception()) is not None:
            failed.append(error)

    number = 0
    while (due := began + number * every) < began + seconds and not failed:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.ensure_future(act(number, due))
        tasks.add(task)
        task.add_done_callback(ended)
        number += 1
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=_LATE)
        if late:
            raise RuntimeError(f"{len(late)} requests were not answered")
    if failed:
        raise failed[0]


async def send(plan: dict[str, Any]) -> dict[str, Any]:
    """Sends batches at a rate; of some, looks when their event can be read.

    Returns:
        Milliseconds from the 200 to the value being readable, and from due to the 200, and how many events went.
    """
    basic = base64.b64encode(f"{plan['write_key']}:".encode()).decode()
    sender, looker = Client(plan["port"], f"Basic {basic}"), Client(plan["port"], f"Bearer {plan['read_key']}")
    await sender.open(_CONNECTIONS)
    await looker.open(_CONNECTIONS)
    made = random.Random(plan["seed"])  # noqa: S311 - load, no secret
    fresh: list[float] = []
    answered: list[float] = []
    members = _members(plan)
    size, looked = plan["batch"], max(1, round(plan["rate"] / plan["batch"] / plan["looks"]))

    async def one(number: int, due: float) -> None:
        marked = number % looked == 0
        member, body = _batch(plan, members, made, number, marked=marked)
        status, told = await sender.ask("POST", "/v1/batch", body)
        at = time.perf_counter()
        if status != 200 or b'"refused":0' not in told:
            raise RuntimeError(f"answered {status} {told[:300]!r}")
        answered.append((at - due) * 1_000)
        if marked:
            fresh.append(await _until_read(looker, member, f"mark-{number}", at))

    await paced(plan["seconds"], size / plan["rate"], one)
    return {"fresh": sorted(fresh), "answered": sorted(answered), "events": len(answered) * size}


async def _until_read(looker: Client, member: str, mark: str, at: float) -> float:
    while True:
        asked = time.perf_counter()
        status, told = await looker.ask("GET", f"/api/v1/persons/{member}")
        read = time.perf_counter()
        if status == 200 and mark in ((json.loads(told)["live"] or {}).get("searches") or ()):
            return (read - at) * 1_000
        if read - at > _GIVES_UP:
            raise RuntimeError(f"{mark} of member {member} cannot be read: {status} {told[:300]!r}")
        await asyncio.sleep(max(0.0, asked + max(_LOOKS_EVERY, (read - at) * _COARSE) - read))


async def read(plan: dict[str, Any]) -> dict[str, Any]:
    """Reads persons at a rate; gives milliseconds from when each read was due to its answer."""
    client = Client(plan["port"], f"Bearer {plan['read_key']}")
    await client.open(_CONNECTIONS)
    made = random.Random(plan["seed"] + 1)  # noqa: S311 - load, no secret
    members = _members(plan)
    found: list[float] = []
    traits = 0

    async def one(_number: int, due: float) -> None:
        nonlocal traits
        member = made.choice(members)
        status, told = await client.ask("GET", f"/api/v1/persons/{member}")
        found.append((time.perf_counter() - due) * 1_000)
        if status != 200:
            raise RuntimeError(f"member {member} answered {status} {told[:300]!r}")
        traits += b'"orders_ever"' in told

    await paced(plan["seconds"], 1 / plan["reads"], one)
    if traits != len(found):
        raise RuntimeError(f"{len(found) - traits} of {len(found)} persons had no traits")
    return {"milliseconds": found}


_EVENTS = (
    *["Product Viewed"] * 12,
    *["Product Added"] * 3,
    *["Products Searched"] * 3,
    "Order Completed",
    "Zone Entered",
)


def _members(plan: dict[str, Any]) -> list[str]:
    return Path(plan["members"]).read_text(encoding="utf-8").split()


def _batch(
    plan: dict[str, Any], members: list[str], made: random.Random, number: int, *, marked: bool
) -> tuple[str, bytes]:
    """A batch of events of members drawn at random; a marked one begins with a search for its own word."""
    first = made.choice(members)
    messages = [_event(plan["seed"], made.choice(members), made, f"{number}-{place}") for place in range(plan["batch"])]
    if marked:
        search = {"type": "track", "event": "Products Searched", "properties": {"query": f"mark-{number}"}}
        messages[0] = {**search, "userId": _number(first), "messageId": f"{plan['seed']}-{number}-m"}
    return first, json.dumps({"batch": messages}).encode()


def _event(seed: int, member: str, made: random.Random, name: str) -> dict[str, Any]:
    product, event = f"P{made.randrange(2_000)}", made.choice(_EVENTS)
    properties: dict[str, Any] = {"product_id": product, "price": 9.9, "quantity": 1}
    if event == "Products Searched":
        properties = {"query": f"tea {product}"}
    elif event == "Order Completed":
        properties = {"order_id": f"o{seed}-{name}", "products": [properties], "store_id": "S1"}
    elif event == "Zone Entered":
        properties = {"zone_id": "z1", "store_id": "S1"}
    found = {
        "type": "track", "event": event, "userId": _number(member), "messageId": f"{seed}-{name}",
        "properties": properties, "context": {"locale": "zh-CN", "library": {"name": "bench", "version": "1"}},
    }  # fmt: skip
    if made.random() < _BROWSING:
        found["anonymousId"] = f"browser-{member}"
    return found


def _number(member: str) -> str:
    """The member number of a person, as the app sends it."""
    return member.partition(":")[2]


def main(what: str, plan: str, out: str) -> None:
    """Runs one of the two."""
    given = json.loads(Path(plan).read_text(encoding="utf-8"))
    found = asyncio.run(send(given) if what == "send" else read(given))
    Path(out).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
