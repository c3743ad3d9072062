"""Doing again what another process came before."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from shopkeeper.base.errors import ConflictError

__all__ = ["retrying"]

_Given = TypeVar("_Given")
_LONGEST_SECONDS = 1.0


def retrying(action: Callable[[], _Given], *, tries: int = 20) -> _Given:
    """Does an action, and all of it again as long as it ends in a conflict.

    Args:
        action: Reads what it builds on anew each time.
        tries: How often at most; between two tries it waits a random while, twice as long at most each time.

    Raises:
        ConflictError: The last try was in conflict too.
    """
    for attempt in range(tries):
        try:
            return action()
        except ConflictError:
            if attempt == tries - 1:
                raise
            time.sleep(random.uniform(0, min(_LONGEST_SECONDS, 0.01 * 2**attempt)))  # noqa: S311 - a wait, no secret
    raise ValueError(f"{tries} tries")
