"""What each web process counted: kept in its memory, and told to the others through a file."""

import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.memory import resident_bytes
from shopkeeper.app.shop import Shop
from shopkeeper.base.metric import Histogram, Metric, Sample
from shopkeeper.storage.log_place import socket_of

__all__ = ["PART", "Counts"]

PART = "SHOPKEEPER_PART"
"""Environment variable: which part of the service this process is, such as `web 0`."""

_MOST_ROUTES = 2_000


class _Told(msgspec.Struct):
    """What one process has counted since it began."""

    part: str
    pid: int
    resident: int
    requests: list[tuple[str, str, int, int, float]]
    durations: tuple[list[int], float]
    appends: tuple[list[int], float]


class Counts:
    """Counts of this web process, and those of its brothers.

    Each process has a place of its own among the labels, so that its numbers begin anew with it and no sum of several
    ever falls.

    Args:
        shop: The shop; the file of each process lies beside the socket of its log.
        part: Which part of the service this process is.
    """

    def __init__(self, shop: Shop, part: str | None = None) -> None:
        self._part = part or os.environ.get(PART, "web")
        place = socket_of(shop.folder / LOG_FILE)
        self._folder = place.with_name(f"counts-{hashlib.blake2b(place.name.encode(), digest_size=8).hexdigest()}")
        self._file = self._folder / f"{re.sub('[^a-z0-9]', '-', self._part)}.json"
        self._requests: dict[tuple[str, str, int], list[float]] = {}
        self._durations, self._appends = Histogram(), Histogram()
        self._lock = threading.Lock()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        key = (route, method, status)
        found = self._requests.get(key)
        if found is None:
            if len(self._requests) >= _MOST_ROUTES:
                key = ("other", "OTHER", status)
            found = self._requests.setdefault(key, [0, 0.0])
        found[0] += 1
        found[1] += seconds
        self._durations.add(seconds)

    def append(self, seconds: float) -> None:
        """Counts a batch that the log kept, and how long it took until it was durable."""
        self._appends.add(seconds)

    def publish(self) -> None:
        """Tells the other processes; a disk that is full keeps them from knowing and harms nothing else."""
        with self._lock, suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as stream:
                stream.write(msgspec.json.encode(self._told()))
            Path(beside).replace(self._file)

    def metrics(self) -> list[Metric]:
        """The counts of all web processes on this machine; those of others are some seconds old."""
        told = [self._told(), *self._of_others()]
        requests: list[Sample] = []
        seconds: list[Sample] = []
        durations: list[Sample] = []
        appends: list[Sample] = []
        resident: list[Sample] = []
        for each in told:
            of_process = {"process": each.part}
            for route, method, status, count, took in each.requests:
                labels = {"route": route, "method": method, "status": str(status), **of_process}
                requests.append(Sample(count, labels))
                seconds.append(Sample(took, labels))
            durations += Histogram(*each.durations).samples(of_process)
            appends += Histogram(*each.appends).samples(of_process)
            resident.append(Sample(each.resident, of_process))
        return [
            Metric("shopkeeper_http_requests_total", "counter", "Requests answered, by route.", requests),
            Metric("shopkeeper_http_requests_seconds_total", "counter", "Seconds they took, by route.", seconds),
            Metric("shopkeeper_http_request_seconds", "histogram", "How long requests took.", durations),
            Metric("shopkeeper_append_seconds", "histogram", "How long until a batch was durable.", appends),
            Metric("shopkeeper_web_resident_bytes", "gauge", "Memory that web processes hold.", resident),
        ]

    def _told(self) -> _Told:
        requests = [(*key, int(count), seconds) for key, (count, seconds) in list(self._requests.items())]
        durations, appends = self._durations, self._appends
        return _Told(
            self._part,
            os.getpid(),
            resident_bytes(),
            requests,
            (list(durations.counts), durations.seconds),
            (list(appends.counts), appends.seconds),
        )

    def _of_others(self) -> Iterator[_Told]:
        for file in sorted(self._folder.glob("*.json")):
            if file == self._file:
                continue
            with suppress(OSError, msgspec.DecodeError):
                found = msgspec.json.decode(file.read_bytes(), type=_Told)
                if _lives(found.pid):
                    yield found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
