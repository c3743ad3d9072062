"""What was sealed at the door goes to where it is kept: raw identifiers to the vault, refused events to their list."""

from collections.abc import Sequence

from shopkeeper.app.log_keeper import LogKeeper
from shopkeeper.collect.sealed import keep_sealed
from shopkeeper.privacy.body import named_in
from shopkeeper.storage.log import Stored

__all__ = ["READER", "SafeKeeper"]

READER = "vault"
"""What its position is noted under."""


class SafeKeeper(LogKeeper):
    """Reads the log for what is sealed in it."""

    reader = READER

    def _keep(self, batches: Sequence[Stored]) -> bool:
        shop, sealed = self._shop, [batch for batch in batches if batch.sealed or batch.refusals]
        if sealed:
            keep_sealed(
                shop.vault, shop.lake, shop.duckdb, shop.sealing, sealed, lambda body: named_in(body, shop.tokens)
            )
        return bool(sealed)
