"""Live membership follows the runs and the days: by queries over everybody, so that few people are asked one by one."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date

import pyarrow as pa

from shopkeeper.app.live_segments import LiveSet, Published, Reconciled, reconcile, ring
from shopkeeper.app.pages.reading import kept_segments, stands_at
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.clock import end_of_day
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Column, Table, Type
from shopkeeper.segment.compile import members
from shopkeeper.segment.turning import turning

__all__ = ["last_run_day", "reconcile_with_run", "turn_days"]

_MEMBERS = """
SELECT person_id FROM segment_member
WHERE segment = $segment AND entered_at <= $moment AND (left_at IS NULL OR left_at > $moment)
"""
_KNOWN = "SELECT profile.person_id FROM profile JOIN asked ON asked.person_id = profile.person_id"
_ASKED = Table("asked", "one person asked about", (Column("person_id", Type.STRING, "The person"),), ())


class _Turns:
    """Whose answer may have turned; what several segments ask alike is asked once."""

    def __init__(self, shop: Shop, live: LiveSet) -> None:
        self._shop, self._ground = shop, live.ground
        self._known: dict[str, set[str]] = {}

    def of(self, found: Published, after: date, through: date) -> set[str]:
        if through <= after:
            return set()
        people: set[str] = set()
        for query in turning(found.audience.tree, after, through, self._ground):
            text = query.sql(pretty=False)
            if text not in self._known:
                self._known[text] = _people(self._shop, query)
            people |= self._known[text]
        return people


def last_run_day(shop: Shop) -> date | None:
    """The day at whose end the last run stands; None before the first."""
    return stands_at(shop, "profile")


def reconcile_with_run(shop: Shop, live: LiveSet, day: date, touched: Collection[str] = ()) -> Iterator[Reconciled]:
    """Holds live membership against what the last run found, segment by segment; nothing before the first run.

    A version that no run has worked out yet is worked out by its rule. People whom the run does not know, such as those
    who came since, stay as they are.

    Args:
        shop: The shop.
        live: The segments that run live.
        day: The present shop-local day.
        touched: Who was touched since the day of the run.
    """
    kept, hooks, turns = kept_segments(shop), shop.state.web_hooks.wanted(), _Turns(shop, live)
    for found in live.segments:
        is_kept = kept.get(found.name) == found.version
        as_of = stands_at(shop, "segment_member") if is_kept else last_run_day(shop)
        if as_of is None:
            continue
        end = end_of_day(as_of, shop.settings.chain.time_zone)
        inside = _by_run(shop, found, as_of, live, is_kept=is_kept)
        unknown = _unknown(shop, set(shop.state.live_segments.in_segment(found.name)) - inside)
        moved = shop.state.identifiers.persons(inside)
        yield reconcile(
            shop.state,
            live,
            found.name,
            inside - moved.keys(),
            end,
            now(shop),
            hooks,
            touched=touched,
            turned=turns.of(found, as_of, day) | set(moved.values()),
            unknown=unknown,
        )


def turn_days(shop: Shop, live: LiveSet, after: date, through: date) -> Iterator[str]:
    """Has those looked at again whose answer may have turned by time alone, segment by segment; gives its name."""
    turns = _Turns(shop, live)
    for found in live.segments:
        ring(shop.state, found.name, turns.of(found, after, through), now(shop))
        yield found.name


def _by_run(shop: Shop, found: Published, as_of: date, live: LiveSet, *, is_kept: bool) -> set[str]:
    if is_kept:
        end = end_of_day(as_of, shop.settings.chain.time_zone)
        query = Query.from_sql(_MEMBERS, name="members", segment=found.name, moment=end)
    else:
        query = members(found.audience.tree, as_of, live.ground.catalogue)
    return _people(shop, query)


def _unknown(shop: Shop, people: Collection[str]) -> set[str]:
    if not people:
        return set()
    given = pa.table({"person_id": sorted(people)})
    query = Query.from_sql(_KNOWN, name="known to the run", inputs=(_ASKED,))
    return set(people) - _people(shop, query, {"asked": given})


def _people(shop: Shop, query: Query, inputs: Mapping[str, pa.Table] | None = None) -> set[str]:
    return set(shop.duckdb.arrow(query, inputs)["person_id"].to_pylist())
