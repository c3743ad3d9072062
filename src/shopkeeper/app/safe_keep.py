"""What was sealed at the door goes to where it is kept: raw identifiers to the vault, refused events to their list."""

from shopkeeper.app.passed import Passed
from shopkeeper.app.shop import Shop
from shopkeeper.collect.sealed import keep_sealed
from shopkeeper.storage.log import Log
from shopkeeper.storage.log_reader import LogReader

__all__ = ["READER", "SafeKeeper"]

READER = "vault"
"""What its position is noted under."""

_BATCHES_AT_ONCE = 500


class SafeKeeper:
    """Reads the log for what is sealed in it.

    Args:
        shop: The shop.
        log: Its log.
    """

    def __init__(self, shop: Shop, log: Log | LogReader) -> None:
        self._shop = shop
        self._log = log
        self._passed = Passed(shop.state.positions, READER)

    def step(self) -> bool:
        """Keeps what the next batches hold; says whether there may be more. Doing it again adds nothing."""
        batches = self._log.read(self._passed.position(), _BATCHES_AT_ONCE)
        if not batches:
            self._passed.rest()
            return False
        sealed = [batch for batch in batches if batch.sealed or batch.refusals]
        if sealed:
            keep_sealed(self._shop.vault, self._shop.lake, self._shop.duckdb, self._shop.sealing, sealed)
        self._passed.move(batches[-1].position, did=bool(sealed))
        return len(batches) == _BATCHES_AT_ONCE
