"""The loader goes on for days: its tables stay few files and few states, and no row and no state in use is lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.app import ingest
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.ingest import Loader
from shopkeeper.app.loader_upkeep import tidy
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.schema.query import Query
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_sqlite import SqliteLog

_LATER = timedelta(minutes=6)
"""The clock of the shop goes before that of the lake: what was committed just now is over for some minutes."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    init(tmp_path / "shop", {"chain.time_zone": "Asia/Shanghai", "engine.memory_limit": "500MB"}).close()
    with Shop.open(tmp_path / "shop", clock=lambda: datetime.now(UTC) + _LATER) as made:
        yield made


@pytest.fixture
def log(shop: Shop) -> Iterator[SqliteLog]:
    with SqliteLog(shop.folder / LOG_FILE) as made:
        yield made


def _order(number: int, at: datetime) -> dict[str, Any]:
    products = [{"product_id": f"p{number % 3}", "price": 5, "quantity": 1}]
    return {
        "type": "track", "event": "Order Completed", "userId": f"m{number}", "messageId": f"id{number}",
        "timestamp": at.isoformat(),
        "properties": {"order_id": f"o{number}", "products": products, "phone": f"1381234{number:04}"},
    }  # fmt: skip


def _loads(shop: Shop, log: SqliteLog, numbers: range, days_ago: int = 0) -> None:
    loader = Loader(shop, log)
    for number in numbers:
        at = datetime.now(UTC)
        order = _order(number, at - timedelta(days=days_ago))
        log.append([Batch("app", at.timestamp(), accept([order], Door("app", shop.tokens, at)).entries)])
        assert loader.load().events == 1


def _count(shop: Shop, table: str) -> int:
    return int(shop.arrow(Query.from_sql(f"SELECT count(*) AS n FROM {table}", name="rows"))["n"][0].as_py())


def _ids(lake: Lake, table: str) -> set[int]:
    return {state.id for state in lake.history(table)}


def test_after_many_loads_there_are_few_files_and_states_and_every_row(
    shop: Shop, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _loads(shop, log, range(25))
    for table in ("event", "order_line"):
        assert len(shop.lake.files(table)) <= 6
        assert len(shop.lake.history(table)) <= 8
        assert _count(shop, table) == 25
    # The control: a loader that does not tidy leaves one of each a load.
    monkeypatch.setattr(ingest, "tidy", lambda *_: None)
    files, states = len(shop.lake.files("event")), len(shop.lake.history("event"))
    _loads(shop, log, range(25, 37))
    assert (len(shop.lake.files("event")) - files, len(shop.lake.history("event")) - states) == (12, 12)


def test_the_states_that_facts_were_made_of_stay_and_an_increment_goes_by_them(shop: Shop, log: SqliteLog) -> None:
    _loads(shop, log, range(5), days_ago=3)
    run(shop, until="basket")
    basket = shop.lake.snapshot("basket")
    assert basket is not None
    made_of, seeded = basket.inputs["order_line"], shop.state.identifiers.seeded()
    _loads(shop, log, range(5, 12), days_ago=3)
    tidy(shop, shop.clock())
    assert made_of in _ids(shop.lake, "order_line")
    assert seeded in _ids(shop.lake, "identifier"), "what files brought since is asked of the difference"
    assert seeded != shop.lake.snapshot("identifier").id  # type: ignore[union-attr]
    assert made_of != shop.lake.snapshot("order_line").id  # type: ignore[union-attr]
    assert len(shop.lake.history("order_line")) <= 4
    run(shop, until="basket")
    assert _count(shop, "basket") == 12
    tidy(shop, shop.clock())
    assert made_of not in _ids(shop.lake, "order_line"), "no table is made of it any more"


def test_a_run_under_way_keeps_the_states_it_began_with(shop: Shop, log: SqliteLog) -> None:
    _loads(shop, log, range(2))
    began = _ids(shop.lake, "order_line")
    present = shop.lake.snapshot("order_line")
    assert present is not None
    shop.state.runs.start(as_of=None, engine="duckdb", by="worker", now=datetime.now(UTC))
    _loads(shop, log, range(2, 8))
    tidy(shop, shop.clock())
    assert _ids(shop.lake, "order_line") & began == {present.id}
    assert len(shop.lake.history("order_line")) == 7
    tidy(shop, shop.clock() + timedelta(hours=2))
    assert len(shop.lake.history("order_line")) <= 2, "one that was killed keeps nothing for ever"
