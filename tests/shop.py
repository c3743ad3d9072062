"""Real shops for tests: a slice of Complete Journey, loaded and computed as the demo does it."""

from pathlib import Path

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
from shopkeeper.storage import warehouse

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


def chain_shop(folder: Path, *, size: ChainSize = LITTLE_CHAIN, language: str = "zh", until: str | None = None) -> Shop:
    """Makes a shop of a small made-up chain, runs the steps and adds a user."""
    shop = init(folder, settings_of(CHAIN, language) | {"engine.memory_limit": "2GB"})
    add_user(shop, USER, "admin", PASSWORD)
    fill_chain(shop, size=size)
    run(shop, until=until, by="test")
    return shop
