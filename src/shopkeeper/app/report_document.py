"""The morning report as one document, in the shape that CONTRACT.md promises."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shopkeeper.app.report import Report
from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import TableKind
from shopkeeper.schema.tables import TABLES

__all__ = ["report_document"]


def report_document(
    shop: Shop, found: Report, *, seconds: float | None = None, of_places: bool = False
) -> dict[str, Any]:
    """Gives the report as plain values.

    Args:
        shop: The shop.
        found: The report.
        seconds: How long the command took, where it did more than report.
        of_places: Whether the reader sees some stores only: then nothing of the whole chain is in it.
    """
    page = asdict(found.morning)
    return {
        "as_of": found.morning.as_of,
        "seconds": seconds,
        "currency": shop.settings.chain.currency,
        "tables": _tables(shop) if not of_places else {},
        "people": found.people,
        "lifecycle": dict(found.lifecycle),
        "segments": dict(found.segments),
        "stands_at": dict(found.stands_at),
        "names": dict(found.names),
        "models": _models(shop) if not of_places else {},
        "coverage": dict(found.coverage),
        "morning": page,
        "campaigns": [dict(campaign) for campaign in found.campaigns],
        "next": [dict(step) for step in found.next],
    }


def _tables(shop: Shop) -> dict[str, dict[str, int]]:
    refused = _refused(shop)
    written = set(shop.lake.tables())
    return {
        name: {"rows": found.rows if (found := shop.lake.snapshot(name)) else 0, "refused": refused.get(name, 0)}
        for name, declared in TABLES.items()
        if declared.kind is not TableKind.DERIVED and name in written
    }


def _refused(shop: Shop) -> Mapping[str, int]:
    query = Query.from_sql(
        "SELECT table_name, COUNT(*) AS n FROM refused WHERE state = 'open' GROUP BY table_name", name="refused"
    )
    return {row["table_name"]: row["n"] for row in shop.arrow(query).to_pylist()}


def _models(shop: Shop) -> dict[str, Mapping[str, Any]]:
    return {entry.name: entry.card for entry in shop.models.list()}  # oldest version first, so the newest stays
