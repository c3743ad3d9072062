"""Reading for pages: rows of a query, and the day at whose end a derived table stands."""

from datetime import date
from typing import Any, Literal

from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query

__all__ = ["AS_OF", "first_row", "names_of", "rows", "stands_at"]

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
    if name not in shop.lake.tables():
        return None
    snapshot = shop.lake.snapshot(name)
    noted = snapshot.properties.get(AS_OF) if snapshot else None
    return date.fromisoformat(noted) if noted else None
