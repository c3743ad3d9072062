"""What a change of order lines, products or persons touches: the business days and people to do again."""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from shopkeeper.app.shop import Shop
from shopkeeper.profile.person_habit import CHANGED_PERSON
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Column, Table, Type
from shopkeeper.storage.changes import changed_days, changed_keys, moved_keys

__all__ = ["LINES", "days_to_redo", "has_other_records", "others", "people_to_redo"]

LINES = "order_line"
_PRODUCTS = "product_fact"
_PERSONS = "person"
_BASKETS = "basket"
_CUSTOMERS = "customer"
_MERGES = "person_merge"

_PRODUCT_IDS = Table("changed_product", "one changed product", (Column("product_id", Type.STRING, "It"),), ())
_RECORD = ("source", "customer_id")
_RECORDS = Table(
    "moved_record",
    "one customer record that may have come or gone",
    (Column("source", Type.STRING, "Its source"), Column("customer_id", Type.STRING, "Its id")),
    (),
)
_NOT_KNOWN = """
SELECT count(*) AS n FROM moved_record AS m
ANTI JOIN person AS p ON p.source = m.source AND p.customer_id = m.customer_id
"""
_NOT_LEFT = """
SELECT count(*) AS n FROM moved_record AS m
ANTI JOIN customer AS c ON c.source = m.source AND c.customer_id = m.customer_id
ANTI JOIN basket AS b ON b.source = m.source AND b.customer_id = m.customer_id
"""
_PERSON_IDS = Table("found_person", "one person found", (Column("person_id", Type.STRING, "They"),), ())


def days_to_redo(
    shop: Shop, old: Mapping[str, int], new: Mapping[str, int], through: Sequence[str]
) -> list[date] | None:
    """Gives the business days whose facts may differ since an older state; None where that state is gone.

    Args:
        shop: The shop.
        old: Snapshot of each input when the facts were made.
        new: Snapshot of each input now.
        through: The columns of `product_fact` that the facts depend on; none if they do not read it.
    """
    if any(not _still_there(shop, name, old) for name in (LINES, *([_PRODUCTS] if through else []))):
        return None
    days = (
        set() if old[LINES] == new[LINES] else set(changed_days(shop.lake, shop.duckdb, LINES, old[LINES], new[LINES]))
    )
    products = _changed_products(shop, old, new, through)
    if products is not None and products.num_rows:
        query = Query.from_sql(
            "SELECT DISTINCT o.business_day FROM order_line AS o "
            "JOIN changed_product AS c ON c.product_id = o.product_id",
            name="days of changed products",
            inputs=(_PRODUCT_IDS,),
        )
        days |= set(shop.duckdb.arrow(query, {"changed_product": products})["business_day"].to_pylist())
    return sorted(days)


def people_to_redo(
    shop: Shop, old: Mapping[str, int], new: Mapping[str, int], seen: Sequence[date], through: Sequence[str]
) -> pa.Table | None:
    """Gives the people whose lines, products or records differ since an older state; None where that state is gone.

    Args:
        shop: The shop.
        old: Snapshot of each input when the table was made.
        new: Snapshot of each input now.
        seen: Days that came into sight because the as-of day moved on.
        through: The columns of `product_fact` that the table depends on.

    Returns:
        One column, `person_id`, distinct.
    """
    if any(not _still_there(shop, name, old) for name in (LINES, _PRODUCTS, _PERSONS)):
        return None
    days = set(seen)
    if old[LINES] != new[LINES]:
        days |= set(changed_days(shop.lake, shop.duckdb, LINES, old[LINES], new[LINES]))
    found = []
    if days:
        query = Query.from_sql(
            "SELECT DISTINCT p.person_id FROM order_line AS o JOIN person AS p "
            "ON p.source = o.source AND p.customer_id = o.customer_id "
            "WHERE o.business_day IN $days",
            name="people of changed days",
            days=sorted(days),
        )
        found = [shop.duckdb.arrow(query), shop.duckdb.arrow(query, snapshots={LINES: old[LINES]})]
    products = _changed_products(shop, old, new, through)
    if products is not None and products.num_rows:
        query = Query.from_sql(
            "SELECT DISTINCT p.person_id FROM order_line AS o "
            "JOIN changed_product AS c ON c.product_id = o.product_id "
            "JOIN person AS p ON p.source = o.source AND p.customer_id = o.customer_id",
            name="people of changed products",
            inputs=(_PRODUCT_IDS,),
        )
        found.append(shop.duckdb.arrow(query, {"changed_product": products}))
    if old[_PERSONS] != new[_PERSONS]:
        records = ("source", "customer_id", "valid_from", "valid_to")
        found.append(changed_keys(shop.lake, shop.duckdb, _PERSONS, ("person_id",), records, old[_PERSONS]))
    schema = pa.schema([("person_id", pa.string())])
    every = pa.concat_tables([rows.cast(schema) for rows in found]) if found else schema.empty_table()
    distinct = Query.from_sql("SELECT DISTINCT person_id FROM found_person", name="people", inputs=(_PERSON_IDS,))
    return shop.duckdb.arrow(distinct, {"found_person": every})


def has_other_records(shop: Shop, old: Mapping[str, int], new: Mapping[str, int]) -> bool | None:
    """Says whether a customer record came, went or was linked since an older state; None where that state is gone.

    Records are those of `customer` and those that only baskets name.

    Args:
        shop: The shop.
        old: Snapshot of each input when `person` was made.
        new: Snapshot of each input now.
    """
    if old.keys() != new.keys() or any(not _still_there(shop, name, old) for name in old):
        return None
    if any(old.get(name) != new.get(name) for name in (_CUSTOMERS, _MERGES)):
        return True
    left, came = moved_keys(shop.lake, shop.duckdb, _BASKETS, _RECORD, old[_BASKETS], new[_BASKETS])
    known = Query.from_sql(_NOT_KNOWN, name="records that came", inputs=(_RECORDS,))
    if came.num_rows and shop.duckdb.arrow(known, {"moved_record": came})["n"].to_pylist() != [0]:
        return True
    still = Query.from_sql(_NOT_LEFT, name="records that went", inputs=(_RECORDS,))
    return bool(left.num_rows) and shop.duckdb.arrow(still, {"moved_record": left})["n"].to_pylist() != [0]


def others(table: Table) -> Query:
    """The rows of a table of people that stay as they are: those not named by the input `changed_person`."""
    columns = ", ".join(f"t.{name}" for name in table.column_names)
    return Query.from_sql(
        f"SELECT {columns} FROM {table.name} AS t ANTI JOIN changed_person AS c ON c.person_id = t.person_id",
        name=f"others of {table.name}",
        inputs=(CHANGED_PERSON,),
    )


def _changed_products(
    shop: Shop, old: Mapping[str, int], new: Mapping[str, int], through: Sequence[str]
) -> pa.Table | None:
    if not through or old[_PRODUCTS] == new[_PRODUCTS]:
        return None
    return changed_keys(shop.lake, shop.duckdb, _PRODUCTS, ("product_id",), tuple(through), old[_PRODUCTS])


def _still_there(shop: Shop, name: str, old: Mapping[str, int]) -> bool:
    return name in old and old[name] in {each.id for each in shop.lake.history(name)}
