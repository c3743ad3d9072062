"""A step: a pure function that gives the query of one derived table, with what it reads and writes."""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import TABLES

__all__ = ["Refresh", "Step", "step"]


class Refresh(StrEnum):
    """What a step does again when its inputs changed.

    ALL: the whole table. DAYS: only the business days whose lines changed (the function takes `days`, None for all).
    PEOPLE: only the people whose lines changed (the query reads the input `changed_person` when `changed` is true); the
    whole table in `share`s of the people (number and how many), so that memory does not grow with the chain.
    RECORDS: the whole table, but only when a customer record came, went or was linked.
    """

    ALL = "all"
    DAYS = "days"
    PEOPLE = "people"
    RECORDS = "records"


@dataclass(frozen=True)
class Step:
    """One step of `run`.

    Args:
        name: Its name, which is the function's.
        writes: The derived table it writes.
        reads: The tables it reads.
        function: Gives the query; arguments are `as_of`, named settings, and what `refresh` asks for.
        refresh: What it does again when inputs changed.
    """

    name: str
    writes: str
    reads: tuple[str, ...]
    function: Callable[..., Query]
    refresh: Refresh = Refresh.ALL

    def __post_init__(self) -> None:
        unknown = [name for name in (self.writes, *self.reads) if name not in TABLES]
        if unknown:
            raise ValueError(f"step {self.name} names {', '.join(unknown)}, not in the dictionary")

    def __call__(self, *arguments: Any, **named: Any) -> Query:
        """The query that the step's function gives."""
        return self.function(*arguments, **named)

    @property
    def sentence(self) -> str:
        """What it does, in one sentence."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def code_hash(self) -> str:
        """Hash of what makes the table: the step's Python file, the `.sql` files beside it, its declaration."""
        file = Path(inspect.getfile(self.function))
        digest = hashlib.sha256(file.read_bytes())
        for path in sorted(file.parent.glob("*.sql")):
            digest.update(path.read_bytes())
        digest.update(repr(TABLES[self.writes]).encode())
        return digest.hexdigest()[:16]


def step(
    *, writes: str, reads: tuple[str, ...], refresh: Refresh = Refresh.ALL
) -> Callable[[Callable[..., Query]], Step]:
    """Declares a function as a step."""

    def declare(function: Callable[..., Query]) -> Step:
        return Step(function.__name__, writes, reads, function, refresh)

    return declare
