"""Refused events: counted by reason, source and name, one shown masked or revealed for a reason, and taken in again."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shopkeeper.app.event_replay import Chosen, Place, Replayed, replay_some
from shopkeeper.app.pages.reading import rows
from shopkeeper.app.said import without_identifiers
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError
from shopkeeper.collect.masked import masked_message
from shopkeeper.collect.sealed import TABLE
from shopkeeper.collect.whole import read_whole
from shopkeeper.privacy.reveal import revealed_body
from shopkeeper.schema.query import Query

__all__ = [
    "AT_ONCE",
    "Chosen",
    "RefusedEvent",
    "RefusedEvents",
    "RefusedGroup",
    "masked_event",
    "refused_event",
    "refused_events",
    "replay_part",
    "revealed_event",
]

AT_ONCE = 250
"""Events that a page has taken in again before it says how far it is."""
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class RefusedGroup:
    """Refused events of one reason, source and name.

    Args:
        reason: What is wrong, as a word.
        source: The source they came from.
        event: Their name or type; empty where they have neither.
        column: Where the fault stands in one of them.
        rows: How many wait.
        oldest: When the first was refused.
        newest: When the last was.
    """

    reason: str
    source: str
    event: str
    column: str | None
    rows: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """One refused event; never its values."""

    refused_id: str
    source: str
    event: str
    reason: str
    column_name: str | None
    masked_value: str | None
    state: str
    refused_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedEvents:
    """What waits.

    Args:
        total: How many events wait in all.
        groups: They, counted; the largest first.
        waiting: How many of the chosen wait.
        newest: The newest of the chosen.
    """

    total: int
    groups: tuple[RefusedGroup, ...]
    waiting: int
    newest: tuple[RefusedEvent, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """How many wait for each reason, the most frequent first."""
        found: dict[str, int] = {}
        for group in self.groups:
            found[group.reason] = found.get(group.reason, 0) + group.rows
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


_COLUMNS = """
refused_id, source, COALESCE(event_name, '') AS event, reason, column_name, masked_value, state, refused_at, settled_at
"""


def refused_events(shop: Shop, chosen: Chosen) -> RefusedEvents:
    """Gives the refused events that wait, and the newest of those chosen."""
    counted = Query.from_sql(
        "SELECT reason, source, COALESCE(event_name, '') AS event, MIN(column_name) AS column, COUNT(*) AS rows, "
        "MIN(refused_at) AS oldest, MAX(refused_at) AS newest FROM refused "
        "WHERE table_name = $table_name AND state = 'open' "
        "GROUP BY reason, source, COALESCE(event_name, '') ORDER BY rows DESC, reason, source, event",
        name="refused events counted",
        table_name=TABLE,
    )
    groups = tuple(RefusedGroup(**row) for row in rows(shop, counted))
    newest = Query.from_sql(
        f"SELECT {_COLUMNS} FROM refused WHERE {chosen.where} ORDER BY refused_at DESC, refused_id LIMIT {_SHOWN}",
        name="refused events",
        **chosen.named,
    )
    return RefusedEvents(
        sum(group.rows for group in groups),
        groups,
        sum(group.rows for group in groups if _fits(group, chosen)),
        tuple(RefusedEvent(**row) for row in rows(shop, newest)) if groups else (),
    )


def refused_event(shop: Shop, refused_id: str) -> RefusedEvent:
    """Gives one refused event, one that came in since too.

    Raises:
        MissingError: There is none.
    """
    query = Query.from_sql(
        f"SELECT {_COLUMNS} FROM refused WHERE table_name = $table_name AND refused_id = $refused_id",
        name="refused event",
        table_name=TABLE,
        refused_id=refused_id,
    )
    found = rows(shop, query)
    if not found:
        raise MissingError("there is no such refused event", next_step="look for it in the list of refused events")
    return RefusedEvent(**found[0])


def masked_event(shop: Shop, refused_id: str) -> str | None:
    """Gives the form of a refused event: its keys, and what kind of value stands where; None where it is gone."""
    body = shop.vault.bodies_of([refused_id]).get(refused_id)
    return None if body is None else _written(body, is_masked=True)


def revealed_event(
    shop: Shop, refused_id: str, *, reason: str, by: str, now: datetime, origin: str | None
) -> str | None:
    """Gives a refused event as it came, after an audit row with the reason; None where it is kept no more.

    Raises:
        MissingError: There is no such event.
        UsageError: There is no reason.
    """
    refused_event(shop, refused_id)
    why = without_identifiers(shop, reason)
    body = revealed_body(shop.vault, shop.state.audit, refused_id, reason=why, by=by, now=now, origin=origin)
    return None if body is None else _written(body, is_masked=False)


def replay_part(shop: Shop, chosen: Chosen, *, after: Place | None, by: str) -> Replayed:
    """Takes the next of the chosen events in again.

    Raises:
        UnavailableError: No process takes events.
    """
    return replay_some(shop, chosen, after=after, most=AT_ONCE, by=by)


def _fits(group: RefusedGroup, chosen: Chosen) -> bool:
    said = ((chosen.reason, group.reason), (chosen.source, group.source), (chosen.event, group.event))
    return all(wanted is None or wanted == found for wanted, found in said)


def _written(body: bytes, *, is_masked: bool) -> str:
    try:
        message: Any = read_whole(body)
        text = json.dumps(masked_message(message) if is_masked else message, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "…" if is_masked else body.decode("ascii", "replace")
    # What is no text, such as half a character, is shown by its number.
    return text.encode("utf-8", "backslashreplace").decode()
