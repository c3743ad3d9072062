"""Reading for pages: rows of a query, and the day at whose end a derived table stands."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query

__all__ = ["AS_OF", "first_row", "kept_segments", "names_of", "rows", "stands_at"]

AS_OF = "shopkeeper.as_of"


def rows(shop: Shop, query: Query) -> list[dict[str, Any]]:
    """Gives all rows of a query that a page shows whole."""
    found: list[dict[str, Any]] = shop.arrow(query).to_pylist()
    return found


def first_row(shop: Shop, query: Query) -> dict[str, Any]:
    """Gives the only row of a query that sums up."""
    return rows(shop, query)[0]


def names_of(shop: Shop, table: Literal["campaign", "store"]) -> dict[str, str]:
    """Gives what campaigns or stores are called, by id; those without a name are left out."""
    text = f"SELECT {table}_id AS id, name FROM {table} WHERE name IS NOT NULL"
    return {row["id"]: row["name"] for row in rows(shop, Query.from_sql(text, name=f"names of {table}"))}


def stands_at(shop: Shop, name: str) -> date | None:
    """Gives the day at whose end a derived table stands; None when it was never computed."""
    noted = _noted(shop, name, AS_OF)
    return date.fromisoformat(noted) if noted else None


def kept_segments(shop: Shop) -> Mapping[str, int]:
    """Gives which version of each segment the last run worked out, by name."""
    noted = _noted(shop, "segment_member", "shopkeeper.arguments")
    kept: dict[str, int] = json.loads(noted)["segments"] if noted else {}
    return kept


def _noted(shop: Shop, table: str, name: str) -> str | None:
    """What the last run noted of a derived table; None when it was never computed."""
    snapshot = shop.lake.snapshot(table)
    return snapshot.properties.get(name) if snapshot else None
