"""Opens the vault of a shop: besides `privacy`, only this room may."""

from collections.abc import Mapping
from pathlib import Path

from shopkeeper.storage.key_ring import KeyRing
from shopkeeper.storage.keys import read_keys
from shopkeeper.storage.vault import Vault

__all__ = ["Vault", "open_vault"]


def open_vault(folder: Path, environment: Mapping[str, str]) -> Vault:
    """Opens the vault of a shop folder.

    Args:
        folder: The shop folder.
        environment: Where keys may stand instead of in the folder.
    """
    keys = read_keys(folder / "keys", environment)
    ring = KeyRing(folder / "keys", environment)
    # Tombstones stand beside the vault, never in a backup, so that a restore cannot bring an erased person back.
    return Vault.open(folder / "vault.db", keys, tombstones=folder / "tombstones.log", ring=ring)
