"""What `run` does for one derived table: what it reads and writes, how it is made, what a change touches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query
from shopkeeper.schema.step import Refresh, Step

__all__ = ["Make", "Plan"]

Make = Callable[[Shop, date], pa.Table]
"""Makes a table's rows that no single query gives (fitted models), from the shop and the as-of day."""


@dataclass(frozen=True)
class Plan:
    """One derived table in a run.

    Args:
        name: The step's name.
        writes: The table it writes.
        reads: The tables it reads.
        code: Hash of the code that makes it.
        step: The step, if a query makes the table.
        arguments: Named arguments of the step besides `as_of`.
        make: Makes the rows, if no query does.
        takes_as_of: Whether the result depends on the as-of day.
        refresh: What it does again when order lines changed.
        through: The columns of `product_fact` it depends on, so that other changes of products do not matter.
    """

    name: str
    writes: str
    reads: tuple[str, ...]
    code: str
    step: Step | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    make: Make | None = None
    takes_as_of: bool = True
    refresh: Refresh = Refresh.ALL
    through: tuple[str, ...] = ()

    @classmethod
    def of(cls, step: Step, *, takes_as_of: bool = True, through: tuple[str, ...] = (), **arguments: Any) -> "Plan":
        """The plan of a step with its arguments."""
        return cls(
            step.name,
            step.writes,
            step.reads,
            step.code_hash(),
            step,
            arguments,
            takes_as_of=takes_as_of,
            refresh=step.refresh,
            through=through,
        )

    def query(self, as_of: date, **more: Any) -> Query:
        """The query of the whole table, or with `days` or `changed` of a part of it."""
        if self.step is None:
            raise TypeError(f"{self.name} is made by no query")
        own = {"as_of": as_of} if self.takes_as_of else {}
        return self.step(**own, **self.arguments, **more)
