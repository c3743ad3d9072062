"""The load generator of the benchmark: connections that send events of new ids as fast as they are answered."""

import asyncio
import base64
import json
import time
from dataclasses import dataclass

__all__ = ["Sent", "send_for"]

_PAGE = {
    "path": "/p/6901028",
    "url": "https://shop.example/p/6901028",
    "title": "Rice",
    "referrer": "https://shop.example/",
}
_CONTEXT = {
    "library": {"name": "analytics.js", "version": "1.84.3"},
    "locale": "zh-CN",
    "page": _PAGE,
    "userAgent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 Mobile",
}
_PHONE_EVERY = 10


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent and answered 200.

    Args:
        events: Events.
        seconds: How long it took.
        milliseconds: Of each request, in rising order.
    """

    events: int
    seconds: float
    milliseconds: list[float]

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


def send_for(port: int, key: str, *, seconds: float, connections: int, events_a_request: int, name: str) -> Sent:
    """Sends for some seconds, after one that does not count.

    Args:
        port: Where the service listens.
        key: A server key.
        seconds: How long.
        connections: How many send at a time.
        events_a_request: Events of a request; one goes to `/v1/track`, more go to `/v1/batch`.
        name: Begins every message id, so that no two runs share one.

    Raises:
        RuntimeError: An answer was not 200, or did not accept all events.
    """
    return asyncio.run(_send_for(port, key, seconds, connections, events_a_request, name))


async def _send_for(port: int, key: str, seconds: float, connections: int, events_a_request: int, name: str) -> Sent:
    began = time.perf_counter() + 1.0
    ends = began + seconds
    authorization = base64.b64encode(f"{key}:".encode()).decode()
    path = "/v1/track" if events_a_request == 1 else "/v1/batch"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {authorization}\r\nContent-Type: application/json\r\n"
    )
    done: list[tuple[int, float]] = []

    async def one(sender: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = 0
        try:
            while (now := time.perf_counter()) < ends:
                body = _body(f"{name}-{sender}-{number}", events_a_request, sender * 1_000 + number)
                number += 1
                writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                told = await reader.readexactly(length)
                if not answer.startswith(b"HTTP/1.1 200") or (told and b'"refused":0' not in told):
                    raise RuntimeError(f"answered {answer[:60]!r} {told[:300]!r}")
                if now >= began:
                    done.append((events_a_request, (time.perf_counter() - now) * 1_000))
        finally:
            writer.close()

    await asyncio.gather(*(one(sender) for sender in range(connections)))
    return Sent(sum(events for events, _ in done), time.perf_counter() - began, sorted(took for _, took in done))


def _event(phone: str | None) -> bytes:
    properties: dict[str, object] = {
        "product_id": "6901028", "category": "rice", "name": "Jasmine rice 5 kg", "price": 39.9, "position": 3,
    }  # fmt: skip
    if phone:
        properties["note"] = f"call {phone}"
    event = {
        "type": "track", "event": "Product Viewed", "anonymousId": "@who", "userId": "@user", "messageId": "@id",
        "timestamp": "2026-11-28T09:00:00.000Z", "properties": properties, "context": _CONTEXT,
    }  # fmt: skip
    return json.dumps(event).encode()


_PLAIN, _PHONED = _event(None), _event("138@phone")


def _body(name: str, events: int, seed: int) -> bytes:
    found = []
    for place in range(events):
        number = (seed * 7_919 + place * 104_729) % 1_000_000
        is_phoned = (seed + place) % _PHONE_EVERY == 0
        made = _PHONED.replace(b"138@phone", b"138%08d" % (10_000_000 + number)) if is_phoned else _PLAIN
        found.append(
            made.replace(b"@id", f"{name}-{place}".encode())
            .replace(b"@who", b"b%d" % number)
            .replace(b"@user", b"u%d" % number)
        )
    return found[0] if events == 1 else b'{"batch":[' + b",".join(found) + b"]}"
