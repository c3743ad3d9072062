"""A toy shop whose right answers are seen by eye, and DuckDB over small Arrow tables."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from shopkeeper.identity.person import person
from shopkeeper.profile.basket import basket
from shopkeeper.profile.person_habit import person_habit
from shopkeeper.profile.product_fact import product_fact
from shopkeeper.profile.profile import profile
from shopkeeper.schema.query import Query
from shopkeeper.schema.step import Step
from shopkeeper.schema.table import Table, Type
from shopkeeper.schema.tables import TABLES

ZONE = "Asia/Shanghai"
AS_OF = date(2024, 6, 30)
STEPS: tuple[tuple[Step, dict[str, Any]], ...] = (
    (product_fact, {"as_of": AS_OF}),
    (basket, {"time_zone": ZONE}),
    (person, {}),
    (person_habit, {"as_of": AS_OF}),
    (profile, {"as_of": AS_OF, "time_zone": ZONE}),
)

_ARROW = {
    Type.STRING: pa.string(), Type.INTEGER: pa.int64(), Type.NUMBER: pa.float64(), Type.MONEY: pa.decimal128(18, 4),
    Type.DATE: pa.date32(), Type.INSTANT: pa.timestamp("us", tz="UTC"), Type.BOOLEAN: pa.bool_(),
    Type.MAP: pa.map_(pa.string(), pa.string()), Type.STRINGS: pa.list_(pa.string()),
}  # fmt: skip


# Making a query takes longer than running it over a toy.
@cache
def _made(step: Step, arguments: tuple[tuple[str, Any], ...]) -> tuple[Query, str]:
    query = step(**dict(arguments))
    return query, query.sql(pretty=False)


Tables = dict[str, pa.Table]
Row = dict[str, Any]


def arrow(declared: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of the declared types; what they lack is empty."""
    fields = [(column.name, _ARROW[column.type]) for column in declared.columns]
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in fields})


def ask(query: Query, tables: Tables) -> pa.Table:
    """Runs a query over Arrow tables with DuckDB; a declared table that is not given is empty."""
    return _run(query, query.sql(pretty=False), tables)


def ask_step(step: Step, tables: Tables, **arguments: Any) -> pa.Table:
    """Runs a step over Arrow tables with DuckDB."""
    return _run(*_made(step, tuple(arguments.items())), tables)


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
    return connection


def _run(query: Query, text: str, tables: Tables) -> pa.Table:
    inputs = {table.name: table for table in query.inputs}
    for name in query.tables:
        given = tables[name] if name in tables else arrow(inputs.get(name) or TABLES[name], [])
        _connection().register(name, given)
    return _connection().sql(text).to_arrow_table()


def line(
    customer: str | None, day: date, product: str = "milk", amount: float = 10, order: str | None = None, **more: Any
) -> Row:
    """One order line of one unit; noon in Shanghai, store s1, unless said."""
    hour = more.pop("hour", 12)
    instant = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    local = instant.timestamp() - 8 * 3600
    return {
        "source": "till",
        "order_id": order or f"{customer}-{day}",
        "line_no": 1,
        "customer_id": customer,
        "store_id": "s1",
        "channel": "store",
        "product_id": product,
        "ordered_at": datetime.fromtimestamp(local, UTC),
        "business_day": day,
        "quantity": Decimal(1),
        "gross_amount": Decimal(str(amount)),
        "product_discount": Decimal(0),
        "coupon_discount": Decimal(0),
        "net_amount": Decimal(str(amount)),
        **more,
    }


def product(product_id: str, **more: Any) -> Row:
    return {
        "product_id": product_id,
        "kind": "merchandise",
        "department": "food",
        "category": "dairy",
        "brand": "own",
        **more,
    }


PRODUCTS = (
    product("milk", list_price=Decimal(10), private_label=True),
    product("cream", list_price=Decimal(20), brand="alp"),
    product("cheese", list_price=Decimal(30), brand="alp"),
    product("bread", category="bakery", brand="mill"),
    product("soap", department="home", category="soap", brand="zen"),
    product("smoke", kind="tobacco", department="kiosk", category="tobacco", brand="red"),
)


def shop(lines: Sequence[Row], customers: Sequence[Row] = (), products: Sequence[Row] = PRODUCTS) -> Tables:
    """The source tables of a shop."""
    return {
        "order_line": arrow(TABLES["order_line"], lines),
        "customer": arrow(TABLES["customer"], [{"source": "till", **row} for row in customers]),
        "product": arrow(TABLES["product"], products),
    }


def computed(tables: Tables, steps: Sequence[tuple[Step, dict[str, Any]]] = STEPS) -> Tables:
    """The source tables with every derived table of identity and profile."""
    tables = dict(tables)
    for step, arguments in steps:
        found = ask_step(step, tables, **arguments)
        tables[step.writes] = arrow(TABLES[step.writes], found.to_pylist())
    return tables


def people(tables: Tables, table: str = "profile") -> dict[str, Row]:
    """Rows of a derived table by the person's id without its source."""
    return {row["person_id"].partition(":")[2]: row for row in computed(tables)[table].to_pylist()}
