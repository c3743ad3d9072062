"""How far a reader of the log has come that finds something seldom: noted at once only where it did something."""

import time

from shopkeeper.storage.state.positions import Positions

__all__ = ["Passed"]

_NOTED_EVERY = 2.0


class Passed:
    """The position of one reader, whose work may be done twice; there is one such reader at a time.

    What held nothing for it is passed in memory, and noted every two seconds: each note waits for the disk, and has
    everybody else who writes wait for it.

    Args:
        positions: Where it is noted.
        reader: The reader.
    """

    def __init__(self, positions: Positions, reader: str) -> None:
        self._positions = positions
        self._reader = reader
        self._position: int | None = None
        self._noted = 0
        self._noted_at = 0.0

    def position(self) -> int:
        """Where to go on."""
        if self._position is None:
            self._position = self._noted = self._positions.of(self._reader)
        return self._position

    def move(self, position: int, *, did: bool) -> None:
        """Goes on.

        Args:
            position: How far it has come.
            did: Whether there was something to do.
        """
        self._position = position
        self._note(at_once=did)

    def rest(self) -> None:
        """Notes what was passed before, when there is nothing more to read."""
        self._note(at_once=False)

    def _note(self, *, at_once: bool) -> None:
        position, at = self.position(), time.monotonic()
        if position > self._noted and (at_once or at - self._noted_at >= _NOTED_EVERY):
            self._positions.move(self._reader, position)
            self._noted, self._noted_at = position, at
