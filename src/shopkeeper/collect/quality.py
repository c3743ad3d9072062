"""Quality checks: what must hold of every table, as queries that count what breaks it and name some of it.

A rule that is broken makes numbers wrong; a warning says that something is missing or late. References are warnings:
sources arrive one after another, and a line whose product is not described yet is still a sale.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Table, Type
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.engine import Engine
from shopkeeper.storage.iceberg import arrow_schema

__all__ = ["Check", "Outcome", "check_rows", "checks", "run_checks"]

_NAMED = 5
_STORES_NAMED = 200
_REFERENCES = (
    ("order_line", "product_id", "product", "product_id"),
    ("order_line", "store_id", "store", "store_id"),
    ("order_line", "customer_id", "customer", "customer_id"),
    ("redemption", "offer_id", "offer", "offer_id"),
    ("redemption", "campaign_id", "campaign", "campaign_id"),
    ("offer", "campaign_id", "campaign", "campaign_id"),
    ("offer_product", "offer_id", "offer", "offer_id"),
    ("offer_product", "product_id", "product", "product_id"),
    ("campaign_target", "campaign_id", "campaign", "campaign_id"),
    ("promotion", "product_id", "product", "product_id"),
    ("promotion", "store_id", "store", "store_id"),
    ("daily_close", "store_id", "store", "store_id"),
    ("inventory", "product_id", "product", "product_id"),
)
_CLOSED = """
    SELECT c.store_id, c.business_day, c.sales AS closed_sales, c.tickets AS closed_tickets, l.sales, l.tickets
    FROM daily_close AS c
    LEFT JOIN (
        SELECT store_id, business_day, SUM(net_amount) AS sales,
            COUNT(DISTINCT CASE WHEN quantity > 0 THEN source || ' ' || order_id END) AS tickets
        FROM order_line GROUP BY store_id, business_day
    ) AS l ON l.store_id = c.store_id AND l.business_day = c.business_day
"""


@dataclass(frozen=True)
class Check:
    """One thing that must hold of a table.

    Args:
        name: Its name, such as `unique_key` or `reference:product_id`.
        table: The table it looks at.
        severity: `rule` or `warning`.
        query: Gives one row: `found`, how many break it, and `sample`, some of them by their keys.
    """

    name: str
    table: str
    severity: str
    query: Query


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check came out."""

    name: str
    table: str
    severity: str
    ok: bool
    found: int
    sample: str | None


def checks(tables: Collection[str], as_of: date | None = None) -> list[Check]:
    """Gives the checks of some tables.

    Args:
        tables: The tables that are in the lake; a reference to another is not checked.
        as_of: The day by which data should have arrived; None leaves out what asks for freshness.
    """
    found: list[Check] = []
    for name in sorted(tables):
        found += _table_checks(declared_table(name))
    found += [check for reference in _REFERENCES if (check := _reference(reference, tables)) is not None]
    if "order_line" in tables:
        found += _line_checks()
        found += _late(as_of) if as_of is not None else []
        found += _close_checks() if "daily_close" in tables else []
    return found


def run_checks(engine: Engine, wanted: Sequence[Check]) -> Iterator[Outcome]:
    """Runs checks one by one.

    Args:
        engine: What computes.
        wanted: The checks.

    Yields:
        How each came out; `ok` is whether nothing breaks it, whatever its severity.
    """
    for check in wanted:
        row = engine.arrow(check.query).to_pylist()[0]
        count = int(row["found"] or 0)
        yield Outcome(check.name, check.table, check.severity, count == 0, count, row["sample"])


def check_rows(outcomes: Sequence[Outcome], now: datetime) -> pa.Table:
    """Gives outcomes as rows of the table `quality_check`."""
    rows = [
        {
            "check_name": outcome.name,
            "table_name": outcome.table,
            "severity": outcome.severity,
            "ok": outcome.ok,
            "found": outcome.found,
            "sample": outcome.sample,
            "checked_at": now,
        }
        for outcome in outcomes
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(declared_table("quality_check")))


def _check(name: str, table: str, severity: str, broken: str, most: int = _NAMED, **parameters: Any) -> Check:
    """A check from a SELECT that gives `named`, the key of each row that breaks it; at most so many are named."""
    text = (
        f"WITH broken AS ({broken}) SELECT (SELECT COUNT(*) FROM broken) AS found, "
        f"STRING_AGG(first.named, ', ' ORDER BY first.named) AS sample "
        f"FROM (SELECT b.named FROM broken AS b ORDER BY b.named LIMIT {most}) AS first"
    )
    return Check(name, table, severity, Query.from_sql(text, name=f"{table} {name}", **parameters))


def _table_checks(table: Table) -> Iterator[Check]:
    name = table.name
    keys = ", ".join(table.key)
    # Grouping twenty million rows by a hash first takes a fraction of the memory that their keys would.
    twice = f"SELECT HASH({keys}) AS h FROM {name} GROUP BY HASH({keys}) HAVING COUNT(*) > 1"
    yield _check(
        "unique_key",
        name,
        "rule",
        f"SELECT {_named(table.key)} AS named FROM {name} WHERE HASH({keys}) IN (SELECT h FROM ({twice}) AS twice) "
        f"GROUP BY {keys} HAVING COUNT(*) > 1",
    )
    required = [column.name for column in table.columns if column.required]
    if required:
        missing = " OR ".join(f"{column} IS NULL" for column in required)
        yield _check("required", name, "rule", f"SELECT {_named(table.key)} AS named FROM {name} WHERE {missing}")
    choices = [
        f"{column.name} NOT IN ({', '.join(_quoted(value) for value in column.values)})"
        for column in table.columns
        if column.values and column.type is Type.STRING
    ]
    if choices:
        yield _check(
            "choices", name, "rule", f"SELECT {_named(table.key)} AS named FROM {name} WHERE {' OR '.join(choices)}"
        )


def _reference(reference: tuple[str, str, str, str], tables: Collection[str]) -> Check | None:
    table, column, other, key = reference
    if table not in tables or other not in tables:
        return None
    broken = (
        f"SELECT DISTINCT t.{column} AS named FROM {table} AS t LEFT JOIN {other} AS o ON o.{key} = t.{column} "
        f"WHERE NOT t.{column} IS NULL AND o.{key} IS NULL"
    )
    return _check(f"reference:{column}", table, "warning", broken)


def _line_checks() -> Iterator[Check]:
    key = _named(declared_table("order_line").key)
    yield _check(
        "amounts",
        "order_line",
        "warning",
        f"SELECT {key} AS named FROM order_line WHERE ABS(gross_amount - COALESCE(product_discount, 0) "
        "- COALESCE(coupon_discount, 0) - net_amount) > 0.01",
    )
    yield _check(
        "discounts",
        "order_line",
        "rule",
        f"SELECT {key} AS named FROM order_line WHERE product_discount < 0 OR coupon_discount < 0",
    )


def _late(as_of: date) -> Iterator[Check]:
    yield _check(
        "fresh",
        "order_line",
        "warning",
        "SELECT CAST(MAX(business_day) AS VARCHAR) AS named FROM order_line HAVING MAX(business_day) < $as_of",
        as_of=as_of,
    )
    yield _check(
        "late_stores",
        "order_line",
        "warning",
        "SELECT store_id || ' since ' || CAST(MAX(business_day) AS VARCHAR) AS named FROM order_line "
        "WHERE business_day BETWEEN $as_of - INTERVAL 13 DAY AND $as_of GROUP BY store_id "
        "HAVING MAX(business_day) < $as_of "
        "AND 2 * COUNT(DISTINCT business_day) >= (SELECT COUNT(DISTINCT business_day) FROM order_line "
        "WHERE business_day BETWEEN $as_of - INTERVAL 13 DAY AND $as_of)",
        _STORES_NAMED,
        as_of=as_of,
    )


def _close_checks() -> Iterator[Check]:
    # An order of returns alone is no ticket, as in `store_day`.
    named = "store_id || ' on ' || CAST(business_day AS VARCHAR)"
    yield _check(
        "daily_close",
        "order_line",
        "rule",
        f"SELECT {named} AS named FROM ({_CLOSED}) AS c WHERE NOT sales IS NULL AND "
        "(ABS(sales - closed_sales) > 0.01 OR tickets <> closed_tickets)",
        _STORES_NAMED,
    )
    yield _check(
        "daily_close_missing",
        "order_line",
        "rule",
        f"SELECT {named} AS named FROM ({_CLOSED}) AS c WHERE sales IS NULL "
        "AND (closed_sales <> 0 OR closed_tickets > 0)",
        _STORES_NAMED,
    )
    # A web shop never closes; a store that does has a close of every day that the newest close has come for.
    yield _check(
        "lines_not_closed",
        "order_line",
        "warning",
        "SELECT l.store_id || ' on ' || CAST(l.business_day AS VARCHAR) AS named "
        "FROM (SELECT DISTINCT store_id, business_day FROM order_line) AS l "
        "JOIN (SELECT store_id, MIN(business_day) AS since FROM daily_close GROUP BY store_id) AS s "
        "ON s.store_id = l.store_id AND s.since <= l.business_day "
        "LEFT JOIN daily_close AS c ON c.store_id = l.store_id AND c.business_day = l.business_day "
        "WHERE c.store_id IS NULL AND l.business_day <= (SELECT MAX(business_day) FROM daily_close)",
        _STORES_NAMED,
    )


def _named(key: tuple[str, ...]) -> str:
    return " || '/' || ".join(f"COALESCE(CAST({column} AS VARCHAR), '')" for column in key)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
