"""Tries every call of the API with made-up requests: none may end in a 5xx or in an answer that is not declared."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings

from reliability.openapi import RAW_BODIES, Asked, Operation, operations, plain, requests
from shopkeeper.app.api_key import create_key
from shopkeeper.app.chain import fill_chain
from shopkeeper.app.run import run
from shopkeeper.app.sample import CHAIN, settings_of
from shopkeeper.app.segment import add_starters
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.permission import KEY_SCOPES
from shopkeeper.sample.size import ChainSize
from shopkeeper.schema.query import Query
from shopkeeper.web import create_app

__all__ = ["Tried", "asking", "filled_shop", "hints_of", "tried"]

_FAILED = 400
_BROKEN = 500
_LONGEST_TARGET = 60_000
"""What the client sends at most is 64 KiB."""
_PROBLEM = {"type", "title", "status", "detail", "errors", "next"}


@dataclass
class Tried:
    """What was tried, and what was wrong.

    Args:
        statuses: How often each call got each answer.
        faults: What was wrong, with the request.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self.statuses.total()

    @property
    def answered(self) -> set[str]:
        """The calls that did what they are for at least once."""
        return {call for (call, status) in self.statuses if status < _FAILED}


def tried(client: httpx.Client, hints: Mapping[str, Sequence[Any]], *, examples: int, number: int) -> Tried:
    """Sends made-up requests to every call.

    Args:
        client: Asks the service, with a key that may do everything.
        hints: Values that mean something there, by name.
        examples: How many requests a call gets, beside a dozen broken bodies.
        number: The seed.
    """
    document = client.get("/api/openapi.json").json()
    found = Tried()
    for operation in operations(document):
        _ask(client, operation, plain(operation, document, hints), found)
        _try(operation, document, hints, examples, number, lambda asked, op=operation: _ask(client, op, asked, found))
        if operation.body is not None:
            target = operation.path.replace("{person_id}", str(hints["person_id"][0]))
            for body in RAW_BODIES:
                _ask(client, operation, Asked(operation.method, target, body, {}), found)
    return found


@contextmanager
def filled_shop(folder: Path) -> Iterator[Shop]:
    """Makes a shop of a small made-up chain with its segments."""
    with init(folder / "shop", settings_of(CHAIN, "en") | {"engine.memory_limit": "2GB"}) as shop:
        fill_chain(shop, size=ChainSize(people=400, lines=24_000, days=420, stores=5, products=200))
        add_starters(shop)
        run(shop, by="reliability")
        yield shop


def hints_of(shop: Shop) -> dict[str, Sequence[Any]]:
    """Gives values that mean something in a shop, by the names of parameters and fields."""
    person = shop.arrow(Query.from_sql("SELECT MIN(person_id) AS person_id FROM profile", name="somebody"))
    return {
        "person_id": [person["person_id"][0].as_py(), "nobody"],
        "name": [shop.state.segments.all()[0].name, "nothing"],
        "kind": ["access", "phone", "erasure"],
        "value": ["13812345678"],
        "granted": [False],
        "purpose": ["marketing"],
        "channel": ["sms"],
        "reason": ["calls back"],
        "as_of": ["2026-03-31", ""],
        "tree": [{"all": []}, {"trait": "recency_days", "op": "<", "value": 30}],
    }


@contextmanager
def asking(shop: Shop) -> Iterator[httpx.Client]:
    """Serves a shop, and gives a client with a key that may do everything."""
    _, secret = create_key(shop, sorted(KEY_SCOPES), name="made up")
    server = uvicorn.Server(uvicorn.Config(create_app(shop), host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, headers={"authorization": f"Bearer {secret}"}, timeout=120) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def _try(
    operation: Operation,
    document: Mapping[str, Any],
    hints: Mapping[str, Sequence[Any]],
    examples: int,
    number: int,
    ask: Callable[[Asked], None],
) -> None:
    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(operation, document, hints))
    def each(asked: Asked) -> None:
        if len(asked.target) < _LONGEST_TARGET:
            ask(asked)

    each()


def _ask(client: httpx.Client, operation: Operation, asked: Asked, found: Tried) -> None:
    headers = {"content-type": "application/json", **asked.headers} if asked.content is not None else asked.headers
    answer = _answer(client, asked, dict(headers))
    call = f"{operation.method} {operation.path}"
    found.statuses[call, answer.status_code] += 1
    wrong = _wrong(operation, answer)
    if wrong:
        found.faults.append(f"{call} {wrong}: {asked.target[:200]} {(asked.content or b'')[:200]!r}")


def _answer(client: httpx.Client, asked: Asked, headers: dict[str, str]) -> httpx.Response:
    try:
        return client.request(asked.method, asked.target, content=asked.content, headers=headers)
    except httpx.TransportError:  # the server closed a connection that it had answered on before the body was sent
        return client.request(asked.method, asked.target, content=asked.content, headers=headers)


def _wrong(operation: Operation, answer: httpx.Response) -> str:
    """What is wrong with an answer; nothing where it is as declared."""
    if answer.status_code >= _BROKEN:
        return f"broke with {answer.status_code}"
    if answer.status_code not in operation.statuses:
        return f"answered {answer.status_code}, which it does not declare"
    kind = answer.headers.get("content-type", "")
    if answer.status_code < _FAILED:
        return "" if kind.startswith("application/json") else f"answered {kind}"
    if not kind.startswith("application/problem+json"):
        return f"failed as {kind}"
    unknown = set(answer.json()) - _PROBLEM
    return f"failed with {unknown}" if unknown else ""
