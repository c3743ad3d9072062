"""Keeps the tables that the loader writes quick to write and to plan, while it goes on loading.

A commit reads and writes what a table knows of all its states, and planning what it knows of all its files. A loader
that loads every half minute leaves 2,880 of each a day: its small files become few, and of its states those go that
nobody asks for. The nightly upkeep does the rest.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from shopkeeper.app.log import logger, noted
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import StorageError
from shopkeeper.storage.compact import Policy, compact
from shopkeeper.storage.consumed import BY_LOADER
from shopkeeper.storage.lake import Lake, Snapshot

__all__ = ["tidy"]

_TABLES = ("event", "order_line", "interaction", "identifier", "refused")
_KEPT = timedelta(minutes=5)
_LONGEST_RUN = timedelta(hours=2)
"""A run that was killed is under way for ever by its note; after a longer one the next makes everything again."""
# The partition of today too, however long it is.
_POLICY = Policy(min_files=16, closed_after=-timedelta(days=62))


def tidy(shop: Shop, at: datetime) -> None:
    """Compacts and forgets what the loader left; what fails is noted and done the next time.

    Args:
        shop: The shop.
        at: The present instant.
    """
    lake, border = shop.lake, at - _KEPT
    # A run that is under way goes by the states it began with.
    for run in shop.state.runs.recent(limit=10, state="running"):
        if at - run.started_at < _LONGEST_RUN:
            border = min(border, run.started_at)
    present = lake.tables()
    # What came after the state that the map of identifiers holds is asked of the difference, too.
    needed = {*_needed(lake, present), shop.state.identifiers.seeded()}
    for name in _TABLES:
        if name not in present:
            continue
        try:
            compact(lake, shop.duckdb, name, at, policy=_POLICY)
            lake.forget(name, lambda states: set(_forgotten(states, needed, border)))
        except StorageError as error:
            logger("upkeep").warning("a table was not tidied", table=name, error=noted(error))


def _needed(lake: Lake, tables: Collection[str]) -> set[int]:
    """The states that derived tables were made of: what changed since is asked of them."""
    return {id_ for name in tables if (found := lake.snapshot(name)) for id_ in found.inputs.values()}


def _forgotten(states: Sequence[Snapshot], needed: Collection[int], border: datetime) -> Iterator[int]:
    """The loader's states that were over before an instant, but for the last of each day."""
    for state, following in pairwise(states):
        is_last_of_day = state.committed_at.date() != following.committed_at.date()
        was_over = following.committed_at <= border
        if was_over and not is_last_of_day and state.id not in needed and _is_of_loader(state):
            yield state.id


def _is_of_loader(state: Snapshot) -> bool:
    return BY_LOADER.items() <= state.properties.items()
