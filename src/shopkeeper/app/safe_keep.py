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
            keep_sealed(shop.vault, shop.lake, shop.duckdb, shop.sealing, sealed, self._of_erased)
        return bool(sealed)

    def _of_erased(self, bodies: Sequence[tuple[str, bytes]]) -> set[str]:
        """The refused messages of who was erased and sends again."""
        vault = self._shop.vault
        if not bodies or not vault.tombstones:
            return set()
        named = {refused_id: named_in(body, self._shop.tokens) for refused_id, body in bodies}
        gone = vault.tombstoned(tokens=set().union(*named.values()))
        return {refused_id for refused_id, tokens in named.items() if not tokens.isdisjoint(gone)}
