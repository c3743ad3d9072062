"""The operational state of a shop: who signs in, what is defined, what was loaded, what runs and who did what."""

from shopkeeper.storage.state.store import State

__all__ = ["State"]
