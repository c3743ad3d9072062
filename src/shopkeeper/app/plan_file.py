"""The tracking plan in the shop folder: followed while the service runs, the old one kept while it is wrong."""

import time
from collections.abc import Callable
from pathlib import Path

from shopkeeper.app.log import logger
from shopkeeper.base.errors import Fault, FaultsError
from shopkeeper.collect.plan import FILE_NAME, Plan, read_plan

__all__ = ["PlanFile", "read_shop_plan"]

_LOOKS_EVERY = 1.0
_Stamp = tuple[int, int, int] | None


class PlanFile:
    """Gives the plan of a shop, read anew when its file has changed.

    Args:
        folder: The shop folder.
        seconds: Gives the seconds that have gone by, for looking once in a second at most.
    """

    def __init__(self, folder: Path, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._seconds = seconds
        self._next = -1.0
        self._seen: _Stamp = None
        self._plan: Plan | None = None

    def plan(self) -> Plan:
        """The plan of the moment; a change that is wrong is said in the log, and the plan before it stays.

        Raises:
            FaultsError: It is wrong, and there is none before it.
        """
        at = self._seconds()
        if self._plan is not None and at < self._next:
            return self._plan
        self._next = at + _LOOKS_EVERY
        seen = _stamp(self._folder / FILE_NAME)
        if self._plan is None:
            self._plan, self._seen = read_shop_plan(self._folder), seen
        elif seen != self._seen:
            self._seen = seen
            try:
                self._plan = read_shop_plan(self._folder)
            except FaultsError as error:
                logger("collect").error("the tracking plan is wrong, the one before it stays", error=error.noted)
            else:
                logger("collect").info("the tracking plan was read anew")
        return self._plan


def read_shop_plan(folder: Path) -> Plan:
    """Reads the tracking plan of a shop; one without a plan allows all.

    Raises:
        FaultsError: It is wrong.
    """
    file = folder / FILE_NAME
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise FaultsError(
            "the tracking plan", [Fault("file", f"cannot be read: {type(error).__name__}")], place=str(file)
        ) from error
    return read_plan(text, str(file))


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
