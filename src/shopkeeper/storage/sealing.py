"""How the vault seals: AES-256-GCM, data keys wrapped by the shop key, each bound to what it belongs to."""

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shopkeeper.base.errors import MissingError, StorageError
from shopkeeper.storage.keys import Key

__all__ = ["Sealing"]

_NONCE = 12
_KEY = 32


class Sealing:
    """Seals and opens values; a nonce of 96 random bits stands before each (NIST SP 800-38D, 8.2.2).

    Args:
        keys: The shop's vault keys, oldest first; the last one wraps.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        self._shop: Mapping[str, AESGCM] = {key.id: AESGCM(key.secret) for key in keys}
        self.key_id = keys[-1].id

    def new_keys(self, owners: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Makes a data key for each owner.

        Returns:
            The clear key and the wrapped one, for each.
        """
        wrap = self._shop[self.key_id].encrypt
        random = os.urandom((_KEY + _NONCE) * len(owners))
        bound = f"1|{self.key_id}|".encode()
        made = []
        for place, owner in enumerate(owners):
            start = place * (_KEY + _NONCE)
            clear, nonce = random[start : start + _KEY], random[start + _KEY : start + _KEY + _NONCE]
            made.append((clear, nonce + wrap(nonce, clear, bound + owner)))
        return made

    def unwrap(self, key_id: str, wrapped: bytes, owner: bytes) -> bytes:
        """Gives an owner's clear data key.

        Raises:
            MissingError: The shop key it was wrapped with is gone.
            StorageError: It was altered or belongs to another.
        """
        shop = self._shop.get(key_id)
        if shop is None:
            raise MissingError(
                f"the vault key {key_id} is not there",
                place="vault.key",
                next_step="bring the key back from where keys are kept",
            )
        return _opened(shop, wrapped, f"1|{key_id}|".encode() + owner)

    def wrap(self, clear: bytes, owner: bytes) -> bytes:
        """Wraps a clear data key with the shop key in use."""
        nonce = os.urandom(_NONCE)
        return nonce + self._shop[self.key_id].encrypt(nonce, clear, f"1|{self.key_id}|".encode() + owner)

    @staticmethod
    def seal(key: bytes, nonce: bytes, clear: bytes, bound: bytes) -> bytes:
        """Seals a value under a data key, bound to what it is."""
        return nonce + AESGCM(key).encrypt(nonce, clear, bound)

    @staticmethod
    def open(key: bytes, sealed: bytes, bound: bytes) -> bytes:
        """Opens a sealed value.

        Raises:
            StorageError: It was altered, or stands where another belongs.
        """
        return _opened(AESGCM(key), sealed, bound)


def _opened(cipher: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
    except (InvalidTag, ValueError):
        raise StorageError(
            "a sealed value does not open: it was altered, or moved from where it belongs",
            place="the vault",
            next_step="shopkeeper restore FILE",
        ) from None
