"""The error family: one base, one class for each thing a person can do about it.

A message names the value, the place it was looked for and the next command. Foreign errors are translated at the seam
where the foreign library is called (`storage`), never above.
"""

from collections.abc import Sequence

__all__ = [
    "AlreadyThereError",
    "ConflictError",
    "DataError",
    "Fault",
    "FaultsError",
    "ForbiddenError",
    "MissingError",
    "QueryError",
    "SettingsError",
    "ShopkeeperError",
    "StorageError",
    "UnavailableError",
    "UsageError",
]


class ShopkeeperError(Exception):
    """Anything Shopkeeper itself says went wrong.

    Args:
        message: What was wrong, with the value.
        place: Where it was looked for (a file and line, a table, a path in a tree).
        next_step: What to do next, a command where there is one.
        foreign: What a foreign library said; it may quote a row, so people are told it and no record keeps it.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, place: str | None = None, next_step: str | None = None, foreign: object = None
    ) -> None:
        super().__init__(message)
        self.own = message
        self.message = message if foreign is None else f"{message}: {foreign}"
        self.place = place
        self.next_step = next_step

    def __str__(self) -> str:
        return self._said(self.message)

    @property
    def noted(self) -> str:
        """What logs and records keep of it: our own words, and the kind of the foreign error in place of its words."""
        kind = f": {type(self.__cause__).__name__}" if self.own != self.message and self.__cause__ else ""
        return self._said(f"{self.own}{kind}")

    def _said(self, message: str) -> str:
        place = f" ({self.place})" if self.place else ""
        next_step = f" Next: {self.next_step}" if self.next_step else ""
        return f"{message}{place}{next_step}"


class UsageError(ShopkeeperError):
    """A command or a call was used wrongly."""

    exit_code = 2


class MissingError(ShopkeeperError):
    """What was named is not there."""


class AlreadyThereError(ShopkeeperError):
    """What should be made is already there."""


class DataError(ShopkeeperError):
    """Data do not keep the contract of the dictionary."""


class QueryError(ShopkeeperError):
    """A query names what the dictionary does not know, or the engine refused it."""


class StorageError(ShopkeeperError):
    """The lake, the state store, the vault or a file could not be read or written."""


class ConflictError(StorageError):
    """Another process changed the same thing first."""


class UnavailableError(ShopkeeperError):
    """Something outside (a database, Java, a network) or an extra that is not installed is missing."""


class ForbiddenError(ShopkeeperError):
    """The person or key may not do this."""


class Fault:
    """One fault among several: where it is and what is wrong there, in Chinese too where people meet it in a form.

    Args:
        path: Where it is.
        message: What is wrong there.
        chinese: The same in Chinese.
    """

    __slots__ = ("chinese", "message", "path")

    def __init__(self, path: str, message: str, chinese: str | None = None) -> None:
        self.path = path
        self.message = message
        self.chinese = chinese

    def said(self, language: str) -> str:
        """What is wrong, in a language."""
        return self.chinese if language == "zh" and self.chinese else self.message

    def __repr__(self) -> str:
        return f"{self.path}: {self.message}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fault) and (self.path, self.message) == (other.path, other.message)

    def __hash__(self) -> int:
        return hash((self.path, self.message))


class FaultsError(UsageError):
    """Several faults at once, each with its path: settings, mappings and audience trees are checked whole.

    Args:
        what: What has the faults.
        faults: The faults.
        chinese: What has them, in Chinese.
        place: Where it was looked for.
        next_step: What to do next.
    """

    def __init__(
        self,
        what: str,
        faults: Sequence[Fault],
        *,
        chinese: str | None = None,
        place: str | None = None,
        next_step: str | None = None,
    ) -> None:
        self.faults = tuple(faults)
        self.what = what
        self.chinese = chinese
        super().__init__(self.said("en"), place=place, next_step=next_step)

    def said(self, language: str) -> str:
        """All faults with their paths, in a language."""
        count = len(self.faults)
        head = f"{self.what} has {count} fault(s):"
        if language == "zh" and self.chinese:
            head = f"{self.chinese}有 {count} 处错误："
        return "\n".join([head, *(f"  {fault.path}: {fault.said(language)}" for fault in self.faults), ""])


class SettingsError(FaultsError):
    """The settings are wrong."""
