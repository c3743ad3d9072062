"""What was sealed at the door goes to where it is kept: raw identifiers to the vault, refused events to their list."""

from collections.abc import Sequence

from shopkeeper.app.shop import Shop
from shopkeeper.collect.sealed import keep_sealed
from shopkeeper.privacy.body import named_in
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

    def step(self) -> bool:
        """Keeps what the next batches hold; says whether there may be more. Doing it again adds nothing."""
        after = self._shop.state.positions.of(READER)
        batches = self._log.read(after, _BATCHES_AT_ONCE)
        if not batches:
            return False
        sealed = [batch for batch in batches if batch.sealed or batch.refusals]
        if sealed:
            shop = self._shop
            keep_sealed(shop.vault, shop.lake, shop.duckdb, shop.sealing, sealed, self._of_erased)
        self._shop.state.positions.move(READER, batches[-1].position)
        return len(batches) == _BATCHES_AT_ONCE

    def _of_erased(self, bodies: Sequence[tuple[str, bytes]]) -> set[str]:
        """The refused messages of who was erased and sends again."""
        vault = self._shop.vault
        if not bodies or not vault.tombstones:
            return set()
        named = {refused_id: named_in(body, self._shop.tokens) for refused_id, body in bodies}
        gone = vault.tombstoned(tokens=set().union(*named.values()))
        return {refused_id for refused_id, tokens in named.items() if not tokens.isdisjoint(gone)}
