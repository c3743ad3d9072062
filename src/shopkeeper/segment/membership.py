"""Who is in which segment, kept over time: the refresh, sizes by day and overlaps."""

from datetime import date

from sqlglot import exp

from shopkeeper.base.errors import UsageError
from shopkeeper.schema.query import Query
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.compile import members
from shopkeeper.segment.definition import Definition
from shopkeeper.segment.moment import Moment

__all__ = ["MAX_SIZE_DAYS", "overlap", "refreshed", "sizes_by_day"]

MAX_SIZE_DAYS = 62
"""Days that `sizes_by_day` gives at once: each is a scan of its own."""

_REFRESHED = """
WITH computed AS (SELECT person_id FROM profile),
open_stay AS (SELECT * FROM segment_member WHERE segment = $segment AND left_at IS NULL)
SELECT segment, person_id, entered_at, left_at, version
FROM segment_member WHERE segment <> $segment OR left_at IS NOT NULL
UNION ALL
SELECT open_stay.segment, open_stay.person_id, open_stay.entered_at,
  CASE WHEN computed.person_id IS NULL THEN $moment END AS left_at, open_stay.version
FROM open_stay LEFT JOIN computed ON computed.person_id = open_stay.person_id
UNION ALL
SELECT $segment AS segment, computed.person_id, $moment AS entered_at,
  CAST(NULL AS TIMESTAMPTZ) AS left_at, CAST($version AS BIGINT) AS version
FROM computed LEFT JOIN open_stay ON open_stay.person_id = computed.person_id
WHERE open_stay.person_id IS NULL
"""

_SIZE = """
SELECT CAST($day AS DATE) AS day, segment, COUNT(*) AS people
FROM segment_member WHERE entered_at <= $moment AND (left_at IS NULL OR left_at > $moment)
GROUP BY segment
"""

_OVERLAP = """
WITH stay AS (
  SELECT DISTINCT segment, person_id FROM segment_member
  WHERE segment IN $segments AND entered_at <= $moment AND (left_at IS NULL OR left_at > $moment)
)
SELECT stay.segment AS segment, other.segment AS other, COUNT(*) AS people
FROM stay JOIN stay AS other ON other.person_id = stay.person_id
GROUP BY stay.segment, other.segment
ORDER BY stay.segment, other.segment
"""


def refreshed(definition: Definition, as_of: date, catalogue: Catalogue | None = None) -> Query:
    """Gives all rows of `segment_member` after one segment was computed again as of a day.

    Who was in and still is keeps the stay; who is no longer leaves at the end of the day; who is new enters then; who
    left before and is back begins another stay. Running it twice for one day changes nothing. Days must not go back.

    Args:
        definition: The segment.
        as_of: The day, at whose shop-local end people enter and leave.
        catalogue: The traits, the shop's time zone.

    Returns:
        Every row the table has afterwards (other segments' too), to replace it.
    """
    moment = Moment(as_of, catalogue or Catalogue())
    query = Query.from_sql(
        _REFRESHED, name="segment_refresh", segment=definition.name, moment=moment.end, version=definition.version
    )
    computed = members(definition.tree, as_of, moment.catalogue).tree
    place = next(one for one in query.tree.find_all(exp.CTE) if one.alias == "computed")
    place.set("this", computed)
    return Query(query.tree, name="segment_refresh")


def sizes_by_day(first: date, last: date, catalogue: Catalogue | None = None) -> Query:
    """Gives the size of each segment at the end of each day: `day`, `segment`, `people`; empty ones have no row.

    Raises:
        UsageError: More than `MAX_SIZE_DAYS` days, or none.
    """
    known = catalogue or Catalogue()
    days = [date.fromordinal(ordinal) for ordinal in range(first.toordinal(), last.toordinal() + 1)]
    if not 1 <= len(days) <= MAX_SIZE_DAYS:
        raise UsageError(f"{first} to {last} are {len(days)} days, not 1 to {MAX_SIZE_DAYS}")
    each = [Query.from_sql(_SIZE, name="segment_size", day=day, moment=Moment(day, known).end).tree for day in days]
    tree = each[0] if len(each) == 1 else exp.union(*each, distinct=False, copy=False)
    return Query(tree, name="segment_sizes")


def overlap(names: tuple[str, ...], as_of: date, catalogue: Catalogue | None = None) -> Query:
    """Gives how many people two segments share: `segment`, `other`, `people`; of one with itself, its size."""
    end = Moment(as_of, catalogue or Catalogue()).end
    return Query.from_sql(_OVERLAP, name="segment_overlap", segments=names, moment=end)
