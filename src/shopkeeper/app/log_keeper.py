"""A reader of the log whose work is the same when it is done twice: its position stands in the state store."""

from collections.abc import Sequence
from typing import ClassVar

from shopkeeper.app.passed import Passed
from shopkeeper.app.shop import Shop
from shopkeeper.storage.log import Log, Stored
from shopkeeper.storage.log_reader import LogReader

__all__ = ["LogKeeper"]

_BATCHES_AT_ONCE = 500


class LogKeeper:
    """Reads the log and keeps what its kind is told to.

    Args:
        shop: The shop.
        log: Its log.
    """

    reader: ClassVar[str]
    """What its position is noted under."""

    def __init__(self, shop: Shop, log: Log | LogReader) -> None:
        self._shop = shop
        self._log = log
        self._passed = Passed(shop.state.positions, self.reader)

    def step(self) -> bool:
        """Keeps what the next batches hold; says whether there may be more. Doing it again adds nothing."""
        batches = self._log.read(self._passed.position(), _BATCHES_AT_ONCE)
        if not batches:
            self._passed.rest()
            return False
        did = self._keep(batches)
        self._passed.move(batches[-1].position, did=did)
        return len(batches) == _BATCHES_AT_ONCE

    def _keep(self, batches: Sequence[Stored]) -> bool:
        """Keeps what batches hold; says whether there was anything."""
        raise NotImplementedError
