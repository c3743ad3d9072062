"""Real shops for tests: a slice of Complete Journey, loaded and computed as the demo does it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlglot

from shopkeeper.app.chain import fill_chain
from shopkeeper.app.run import run
from shopkeeper.app.sample import CHAIN, COMPLETE_JOURNEY, settings_of
from shopkeeper.app.segment import add_starters
from shopkeeper.app.shop import Shop, init
from shopkeeper.app.user import add_user
from shopkeeper.sample import complete_journey
from shopkeeper.sample.size import ChainSize
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage import warehouse
from shopkeeper.storage.iceberg import arrow_schema

PASSWORD = "a password only tests know"
USER = "tester"
_OF_PEOPLE = ("customer", "order_line", "campaign_target", "redemption")


def journey_slice(shop: Shop, one_in: int = 8) -> None:
    """Loads one household in so many, and a few thousand promotions."""
    for name in complete_journey.TABLES_GIVEN:
        query = complete_journey.query(name)
        text = f"SELECT * FROM ({query.sql()}) AS whole"
        if name in _OF_PEOPLE:
            text += f" WHERE CAST(customer_id AS BIGINT) % {one_in} = 0"
        elif name == "promotion":
            text += " WHERE starts_on >= DATE '2017-12-18' AND store_id IN ('367', '406')"
        part = Query(sqlglot.parse_one(text, read="duckdb"), inputs=query.inputs, name=name)  # type: ignore[arg-type]
        warehouse.replace(shop.lake, shop.duckdb, name, part, inputs=complete_journey.inputs(name))


def journey_shop(folder: Path, *, one_in: int = 8, language: str = "en", until: str | None = None) -> Shop:
    """Makes a shop of one household in so many, runs the steps and adds a user."""
    shop = init(folder, settings_of(COMPLETE_JOURNEY, language) | {"engine.memory_limit": "2GB"})
    add_user(shop, USER, "admin", PASSWORD)
    journey_slice(shop, one_in)
    add_starters(shop)
    run(shop, until=until, by="test")
    return shop


LITTLE_CHAIN = ChainSize(people=400, lines=24_000, days=420, stores=5, products=200)


AS_OF = date(2026, 3, 31)


def fill(shop: Shop, table: str, rows: Sequence[Mapping[str, Any]], *, as_of: date | None = None) -> None:
    """Makes rows the whole of a table, computed as of a day if one is given; columns that are not named stay empty."""
    whole = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(declared_table(table)))
    noted = {"shopkeeper.as_of": as_of.isoformat()} if as_of else None
    warehouse.replace_rows(shop.lake, shop.duckdb, table, whole, noted)


def record(source: str, customer_id: str, person: str | None = None) -> Mapping[str, Any]:
    """A row of `person`: a customer record that is a person of its own, or that of another."""
    ever = datetime(1970, 1, 1, tzinfo=UTC)
    owner = person or f"{source}:{customer_id}"
    return {"source": source, "customer_id": customer_id, "person_id": owner, "method": "record", "valid_from": ever}


def chain_shop(folder: Path, *, size: ChainSize = LITTLE_CHAIN, language: str = "zh", until: str | None = None) -> Shop:
    """Makes a shop of a small made-up chain, runs the steps and adds a user."""
    shop = init(folder, settings_of(CHAIN, language) | {"engine.memory_limit": "2GB"})
    add_user(shop, USER, "admin", PASSWORD)
    fill_chain(shop, size=size)
    run(shop, until=until, by="test")
    return shop
