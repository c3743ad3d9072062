"""What is wrong with an audience, said in English and Chinese at once: a fault has both."""

from collections.abc import Iterable
from typing import NamedTuple

from shopkeeper.base.errors import Fault, FaultsError

__all__ = ["AUDIENCE", "MISSING", "Said", "deeper", "fault", "none_of", "wrong"]


class Said(NamedTuple):
    """One text in both languages."""

    english: str
    chinese: str

    def then(self, other: "Said") -> "Said":
        """This text and another behind it."""
        return Said(self.english + other.english, self.chinese + other.chinese)


AUDIENCE = Said("the audience", "人群规则")
MISSING = Said("is missing", "缺少")
_SHOWN = 60


def fault(path: str, said: Said) -> Fault:
    """A fault at a path, in both languages."""
    return Fault(path, said.english, said.chinese)


def wrong(faults: Iterable[Fault], what: Said = AUDIENCE) -> FaultsError:
    """The error that names every fault with its path."""
    return FaultsError(
        what.english, tuple(faults), chinese=what.chinese, next_step="see docs/audiences.md for the language"
    )


def deeper(levels: int) -> Said:
    """A tree nested deeper than it may be."""
    return Said(f"is nested deeper than {levels} levels", f"嵌套超过 {levels} 层")


def none_of(word: str, known: Iterable[str], near: Said) -> Said:
    """A word that is none of those there are, with the nearest of them."""
    every = ", ".join(known)
    return Said(f"'{word[:_SHOWN]}' is none of {every}", f"“{word[:_SHOWN]}”不在可用项之中：{every}").then(near)
