"""The heartbeat of a process that nobody asks anything: what it says of itself in the state store."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from shopkeeper.app.log import logger, noted
from shopkeeper.app.memory import resident_bytes
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import ShopkeeperError

__all__ = ["Beat", "Heartbeat", "beats"]

_EVERY = timedelta(seconds=5)
_LASTS = timedelta(seconds=30)
_NAME = "alive"


@dataclass(frozen=True, slots=True)
class Beat:
    """The last heartbeat of a process, at most half a minute old.

    Args:
        part: `worker`, `loader` or `mqtt`.
        at: When.
        resident: Bytes of memory it held.
        note: What else it said.
    """

    part: str
    at: datetime
    resident: int
    note: Mapping[str, Any]


class Heartbeat:
    """Says that a process works, as a lease that lasts until another heartbeat is due several times over.

    Args:
        shop: The shop.
        part: What the process is.
        says: Gives what it says of itself (JSON, nothing of persons).
    """

    def __init__(self, shop: Shop, part: str, says: Callable[[], Mapping[str, Any]] = dict) -> None:
        self._shop = shop
        self._says = says
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._name = f"{_NAME}:{part}:{self._holder}"
        self._next: datetime | None = None

    def beat(self) -> None:
        """Says it, if it is time; a state store that is away ends nothing."""
        at = now(self._shop)
        if self._next is not None and at < self._next:
            return
        self._next = at + _EVERY
        try:
            note = {"resident": resident_bytes(), **self._says()}
            self._shop.state.leases.acquire(self._name, self._holder, now=at, lasts=_LASTS, note=note)
        except ShopkeeperError as error:
            logger("heartbeat").warning("a heartbeat was not noted", error=noted(error))

    def end(self) -> None:
        """Says that it ends."""
        try:
            self._shop.state.leases.release(self._name, self._holder)
        except ShopkeeperError as error:
            logger("heartbeat").warning("the end was not noted", error=noted(error))


def beats(shop: Shop, at: datetime, part: str) -> list[Beat]:
    """Gives the processes of a part that work, the one that was heard last first."""
    found = [
        Beat(part, lease.acquired_at, int(lease.note.get("resident", 0)), lease.note)
        for lease in shop.state.leases.live(at)
        if lease.name.startswith(f"{_NAME}:{part}:")
    ]
    return sorted(found, key=lambda beat: beat.at, reverse=True)
