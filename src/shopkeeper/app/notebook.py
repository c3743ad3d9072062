"""The shop as a notebook has it: what `shopkeeper.open` gives, with `run` on it."""

from datetime import date
from typing import TYPE_CHECKING

from shopkeeper.app.shop import Shop

if TYPE_CHECKING:
    from shopkeeper.app.run import RunReport

__all__ = ["Notebook"]


class Notebook(Shop):
    """An opened shop that can refresh itself; steps take a `Shop`, so they stand above it and below this."""

    def run(self, *steps: str, until: str | None = None, as_of: date | None = None, force: bool = False) -> "RunReport":
        """Refreshes what changed; see `shopkeeper.app.run.run`."""
        # The steps load learning libraries, which a notebook that only reads should not wait for.
        from shopkeeper.app.run import run  # noqa: PLC0415

        return run(self, steps, until=until, as_of=as_of, force=force, by="notebook")
