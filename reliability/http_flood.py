"""A flood over HTTP: more at once than the service may hold, whole and half sent; its memory stays bounded."""

import base64
import json
import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from reliability.http_door import HttpDoor, message_of, resident_mb
from reliability.ledger import Ledger, Verdict, batch_of

__all__ = ["HttpFlooded", "flooded_over_http"]

_WIDTH = 4_000
_SIZE = 100
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class HttpFlooded:
    """What was found.

    Args:
        verdict: What was acknowledged against what is stored.
        sent_mb: How much was sent.
        half_mb: How much of it in requests that were never whole.
        refused: Requests that were asked to come again: 429 and 503.
        failed: Requests answered otherwise, neither so nor with 200.
        before_mb: Memory of the web process and the writer before, together.
        peak_mb: The most they held, together.
    """

    verdict: Verdict
    sent_mb: float
    half_mb: float
    refused: int
    failed: int
    before_mb: float
    peak_mb: float


def flooded_over_http(door: HttpDoor, *, senders: int, batches: int, slow: int, name: str = "f") -> HttpFlooded:
    """Sends all batches of all senders at once, beside clients that send all but the last byte and then wait.

    Args:
        door: The way in.
        senders: How many connections send whole requests, one after the other.
        batches: Requests of 400 KB of each.
        slow: How many connections hold a request of 490 KB that is not whole.
        name: What the ids begin with.
    """
    ledger, statuses, lock = Ledger(), Counter[int](), threading.Lock()
    door.start()
    pids = [pid for part, pid in door.parts().items() if part in ("web", "log")]
    before = sum(resident_mb(pid) for pid in pids)
    waiting = [_half(door) for _ in range(slow)]

    def pour(sender: int) -> None:
        for number in range(batches):
            batch = batch_of(f"{name}{sender}.{number}", _SIZE)
            ledger.sends(batch)
            answer = door.post({"batch": [message_of(each.message_id, _WIDTH) for each in batch.entries]})
            with lock:
                statuses[answer.status_code if answer is not None else 0] += 1
            if answer is not None and answer.status_code == 200 and answer.json()["refused"] == 0:
                ledger.answered(batch)

    threads = [threading.Thread(target=pour, args=(each,)) for each in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    half = sum(size for _, size in waiting)
    peak = sum(resident_mb(pid, "VmHWM") for pid in pids)
    for each, _ in waiting:
        each.close()
    after = batch_of(f"{name}after", 3)
    ledger.sends(after)
    until = 200
    while not door.send(after):
        until -= 1
        if not until:
            raise RuntimeError("the service takes nothing after the flood")
        threading.Event().wait(0.1)
    ledger.answered(after)
    door.stop()
    refused = statuses[429] + statuses[503]
    whole = senders * batches * _SIZE * _WIDTH / 1e6
    return HttpFlooded(
        ledger.verdict(door.file, name), whole + half / 1e6, half / 1e6, refused,
        statuses.total() - refused - statuses[200], before, peak,
    )  # fmt: skip


def _half(door: HttpDoor) -> tuple[socket.socket, int]:
    """A connection that has sent nearly all of a request, as far as it was taken."""
    where = urlsplit(door.url)
    connection = socket.create_connection((where.hostname, where.port), timeout=_SECONDS)
    body = json.dumps({"batch": [message_of("half", 480_000)]}).encode()
    shown = base64.b64encode(f"{door.key}:".encode()).decode()
    head = (
        f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Basic {shown}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.settimeout(2)
    with suppress(OSError):
        connection.sendall(head.encode() + body[:-1])
    return connection, len(body) - 1
