"""Who is in a segment now: as the last run kept it, or by the rule where that is newer than the run."""

from datetime import date
from typing import Any

from sqlglot import exp

from shopkeeper.app.pages.builder import catalogue_of
from shopkeeper.app.pages.reading import kept_segments, stands_at
from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query
from shopkeeper.segment.compile import members
from shopkeeper.segment.document import from_document
from shopkeeper.storage.state.segments import SegmentVersion

__all__ = ["within"]

_KEPT = """
WITH inside AS (
    SELECT m.person_id, m.entered_at
    FROM segment_member AS m
    WHERE m.segment = $segment AND m.left_at IS NULL
)
"""
_BY_RULE = """
SELECT computed.person_id, CAST(NULL AS TIMESTAMPTZ) AS entered_at
FROM (SELECT p.person_id FROM profile AS p) AS computed
"""


def within(shop: Shop, saved: SegmentVersion, text: str, *, name: str, **named: Any) -> Query:
    """Makes a query over `inside`: the `person_id` of everybody in a segment, and since when (`entered_at`).

    A rule that no run has seen yet is computed as of the day of the profile; since when is not known then.

    Args:
        shop: The shop.
        saved: The segment.
        text: A SELECT that may name `inside`.
        name: What the query is called.
        **named: Values of the parameters of the text.
    """
    query = Query.from_sql(f"{_KEPT} {text}", name=name, segment=saved.name, **named)
    as_of = stands_at(shop, "profile")
    if kept_segments(shop).get(saved.name) == saved.version or as_of is None:
        return query
    place = next(each for each in query.tree.find_all(exp.CTE) if each.alias == "inside")
    place.set("this", _by_rule(shop, saved, as_of))
    return Query(query.tree, name=name)


def _by_rule(shop: Shop, saved: SegmentVersion, as_of: date) -> exp.Query:
    tree = Query.from_sql(_BY_RULE, name="inside by the rule").tree
    (inner,) = tree.find_all(exp.Subquery)
    inner.set("this", members(from_document(saved.tree), as_of, catalogue_of(shop)).tree)
    return tree
