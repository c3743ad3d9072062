"""A copy from before a rekey, taken through it while it is restored, so that old copies are of use."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from shopkeeper.base.clock import system_clock
from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.storage.keys import Keys, read_keys
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.rekeyed_file import noted_rekeys
from shopkeeper.storage.rekeyed_lake import rekey_table
from shopkeeper.storage.rekeyed_vault import rekey_vault, tokens_in_vault
from shopkeeper.storage.renaming import Renaming
from shopkeeper.storage.sealing import Sealing
from shopkeeper.storage.state import State
from shopkeeper.storage.state.rekey import rekey_state, tokens_in_map
from shopkeeper.storage.token_chain import Chain

__all__ = ["Behind", "behind_of"]

_VAULT = "vault.db"


@dataclass(frozen=True, slots=True)
class Behind:
    """A copy whose tokens are of fewer rekeys than the shop's keys.

    Args:
        folder: Where it is being restored.
        keys: The keys.
        since: How many rekeys its tokens are of.
    """

    folder: Path
    keys: Keys
    since: int

    @property
    def _chain(self) -> Chain:
        return Chain(self.keys.rekeys).part(self.since, len(self.keys.rekeys))

    def catch_up(self, lake: Lake) -> None:
        """Gives the lake and the vault the tokens of now."""
        vault = self.folder / _VAULT
        with tokens_in_vault(vault) as known:
            renaming = Renaming(self._chain, known)
            for name in lake.tables():
                rekey_table(lake, name, renaming)
        rekey_vault(vault, len(self.keys.rekeys), renaming, Sealing(self.keys.vault))

    def catch_up_state(self, state: State) -> None:
        """Gives the state the tokens of now, and has the audit log say so, since its rows are chained anew."""
        chain = self._chain
        turned = Renaming(chain, lambda _: ())
        with tokens_in_vault(self.folder / _VAULT) as in_vault:  # which has them of now already

            def known(texts: Collection[str]) -> Collection[str]:
                new = dict(zip(turned.names(texts), texts, strict=True))
                return {*tokens_in_map(state.database, texts), *(new[each] for each in in_vault([*map(str, new)]))}

            changed, head = rekey_state(state.database, len(self.keys.rekeys), Renaming(chain, known))
        if head is not None:
            detail = {"changed": {"state": dict(changed)}, "audit_head": list(head), "is_restore": True}
            state.audit.append("restore", "token.rekey", chain.ids[-1], now=system_clock(), detail=detail)


def behind_of(folder: Path) -> Behind | None:
    """Says how far a copy that was laid down is behind the keys; None where it is not, or no keys are there yet.

    Raises:
        UsageError: It is of later keys.
    """
    try:
        keys = read_keys(folder / "keys", os.environ)
    except MissingError:
        return None
    since = noted_rekeys(folder / _VAULT) if (folder / _VAULT).exists() else len(keys.rekeys)
    if since > len(keys.rekeys):
        raise UsageError(
            f"the copy is of token key {since + 1}, and the newest that is there is {len(keys.rekeys) + 1}",
            place=str(folder / "keys"),
            next_step="bring back the newest token.key",
        )
    return None if since == len(keys.rekeys) else Behind(folder, keys, since)
