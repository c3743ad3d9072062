"""What the vault holds of a person, in the clear, for the person's own request."""

from shopkeeper.storage.vault import Vault

__all__ = ["held_of"]


def held_of(vault: Vault, subject: str) -> list[tuple[str, str, str]]:
    """Gives kind, token and raw value of all that is kept of a record; the caller has written the audit row.

    Raises:
        StorageError: A value was altered.
    """
    return vault.of(subject)
