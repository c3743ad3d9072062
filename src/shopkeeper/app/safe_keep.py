"""What was sealed at the door goes to where it is kept: raw identifiers to the vault, refused events to their list."""

from collections.abc import Callable, Sequence

from shopkeeper.app.log_keeper import LogKeeper
from shopkeeper.app.shop import Shop
from shopkeeper.collect.sealed import keep_sealed
from shopkeeper.privacy.body import named_in
from shopkeeper.storage.log import Stored
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault

__all__ = ["READER", "SafeKeeper", "keep_safe"]

READER = "vault"
"""What its position is noted under."""


class SafeKeeper(LogKeeper):
    """Reads the log for what is sealed in it."""

    reader = READER

    def _keep(self, batches: Sequence[Stored]) -> bool:
        shop, sealed = self._shop, [batch for batch in batches if batch.sealed or batch.refusals]
        if sealed:
            keep_safe(shop, sealed, shop.vault, lambda: shop.tokens)
        return bool(sealed)


def keep_safe(shop: Shop, batches: Sequence[Stored], vault: Vault, tokens: Callable[[], Tokens]) -> None:
    """Keeps what batches of the log hold sealed, but for the refused messages of who was erased and sent again.

    Args:
        shop: The shop.
        batches: The batches; the same may come again.
        vault: Its vault.
        tokens: Gives what makes its tokens, which is asked for only where somebody was erased.
    """

    def of_erased(bodies: Sequence[tuple[str, bytes]]) -> set[str]:
        if not bodies or not vault.tombstones:
            return set()
        named = {refused_id: named_in(body, tokens()) for refused_id, body in bodies}
        gone = vault.tombstoned(tokens=set().union(*named.values()))
        return {refused_id for refused_id, found in named.items() if not found.isdisjoint(gone)}

    keep_sealed(vault, shop.lake, shop.duckdb, shop.sealing, batches, of_erased)
