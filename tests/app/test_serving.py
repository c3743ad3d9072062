"""The serving set: what a run leaves of a person, live orders added to it, and nothing of it after an erasure."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.forget import forget
from shopkeeper.app.ingest import Loader
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for
from shopkeeper.app.person import Persons
from shopkeeper.app.run import run
from shopkeeper.app.serving import SERVING_FILE, refresh_serving
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import MissingError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_sqlite import SqliteLog
from shopkeeper.storage.serving import ServingSet
from shopkeeper.storage.state.identifiers import Identified
from tests.shop import fill

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
YESTERDAY = date(2026, 11, 27)
STEPS = "profile"


class Wall:
    """A clock that is set by hand."""

    at = NOW

    def __call__(self) -> datetime:
        return self.at


class World:
    """A shop with a log; what is sent is live at once, and in the lake when it is loaded."""

    def __init__(self, shop: Shop, log: SqliteLog, wall: Wall) -> None:
        self.shop, self.log, self.wall = shop, log, wall
        self.user = shop.tokens.token("user", "m1")
        self.persons = Persons(shop)
        self._sent = 0

    def send(self, name: str, day: date, **properties: Any) -> None:
        self._sent += 1
        at = datetime(day.year, day.month, day.day, 4, tzinfo=UTC).isoformat()
        message = {
            "type": "track", "event": name, "userId": "m1", "messageId": f"id{self._sent}", "timestamp": at,
            "properties": properties | {"store_id": "s1"},
        }  # fmt: skip
        taken = accept([message], Door("app", self.shop.tokens, self.wall.at))
        assert not taken.refusals, taken.refusals
        self.log.append([Batch("app", self.wall.at.timestamp(), taken.entries)])

    def live(self) -> None:
        with closing(LiveStore(self.shop.folder / LIVE_FILE)) as store:
            LiveReader(self.log, self.shop.state.identifiers, store, lines_for(self.shop)).step()

    def load(self) -> None:
        Loader(self.shop, self.log).load()

    def run(self) -> None:
        run(self.shop, until=STEPS, by="test")
        refresh_serving(self.shop)

    def document(self, person: str) -> dict[str, Any]:
        found = self.persons.document(person, with_scores=True)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    wall = Wall()
    folder = tmp_path_factory.mktemp("serving") / "shop"
    values = {"chain.time_zone": "Asia/Shanghai", "engine.memory_limit": "500MB", "engine.threads": 1}
    init(folder, values).close()
    with Shop.open(folder, clock=wall) as shop, SqliteLog(shop.folder / LOG_FILE) as log:
        found = World(shop, log, wall)
        fill(shop, "product", [{"product_id": "p1", "kind": "merchandise"}, {"product_id": "bag", "kind": "bag"}])
        lines = [
            line("till", "C1", "h1", YESTERDAY - timedelta(days=200), 50),
            line("till", "C2", "o1", YESTERDAY, 11),
            line("app", found.user, "h2", YESTERDAY - timedelta(days=28), 20),
            line("app", found.user, "h3", YESTERDAY, 30),
        ]
        fill(shop, "order_line", lines)
        with closing(found.persons):
            yield found


def line(source: str, customer: str, order: str, day: date, net: int) -> dict[str, Any]:
    return {
        "order_id": order, "line_no": 1, "source": source, "customer_id": customer, "store_id": "s1",
        "product_id": "p1", "ordered_at": datetime(day.year, day.month, day.day, 4, tzinfo=UTC), "business_day": day,
        "quantity": Decimal(1), "gross_amount": Decimal(net), "product_discount": Decimal(0),
        "coupon_discount": Decimal(0), "net_amount": Decimal(net),
    }  # fmt: skip


def test_live_orders_are_added_to_the_run_once_and_the_next_run_changes_no_total(world: World) -> None:
    assert world.persons.document("till:C1", with_scores=True) is None, "no run has made a serving set"
    world.send("Receipt Line", YESTERDAY, order_id="r1", line_no=1, product_id="p1", price=2)
    world.live()
    world.load()
    world.run()
    # Since the run the two became one person: both rows of the set are theirs now.
    day = date(2026, 1, 1)
    joined = Identified(world.user, "till:C1", "user", "app", day, day, verified=True, claimed_by=None, claimed_at=None)
    world.shop.state.identifiers.keep([joined])
    one = {"product_id": "p1", "price": 7}
    world.send("Order Completed", NOW.date(), order_id="n1", products=[one, {"product_id": "bag", "price": 1}])
    world.send("Order Completed", YESTERDAY - timedelta(days=3), order_id="late", products=[one])
    world.send("Order Completed", YESTERDAY, order_id="h3", products=[{"product_id": "p1", "price": 30}])
    world.send("Receipt Line", YESTERDAY, order_id="r1", line_no=2, product_id="p1", price=3)
    world.send("Order Refunded", NOW.date(), order_id="h2", refund_id="b1", products=[one])
    world.live()
    first = world.document("till:C1")
    now = first["now"]
    # h1, h2, h3, r1 and the late one by yesterday, n1 today; the bag does not count, the return is no order.
    assert now["orders"] == {"ever": 6, "30d": 5, "90d": 5, "365d": 6}
    assert now["monetary"] == {
        "ever": Decimal("112.0000"), "30d": Decimal("62.0000"), "90d": Decimal("62.0000"), "365d": Decimal("112.0000"),
    }  # fmt: skip
    assert (now["last_purchase_on"], now["recency_days"]) == (NOW.date(), 0)
    assert (first["as_of"], first["traits"]["last_purchase_on"]) == (YESTERDAY, "2026-05-11")
    assert world.document(f"app:{world.user}") == first, "who became part of another is that person"
    world.load()
    world.run()
    assert world.document("till:C1")["now"] == now, "late lines are in the run now, and still counted once"

    world.wall.at = NOW + timedelta(days=1)
    before = world.document("till:C1")
    assert (before["now"]["orders"]["30d"], before["now"]["monetary"]["30d"]) == (4, Decimal("42.0000"))
    world.run()
    after = world.document("till:C1")
    assert after["as_of"] == NOW.date()
    assert after["now"] == before["now"]
    whole = world.document("till:C2")
    assert whole["now"]["orders"]["ever"] == whole["traits"]["orders_ever"] == 1
    assert world.persons._serving().marks["log_position"] == str(world.log.end())  # type: ignore[union-attr]


def test_the_set_is_made_again_only_when_what_it_is_made_of_changed(world: World) -> None:
    assert refresh_serving(world.shop) is None
    before = (world.shop.folder / SERVING_FILE).stat().st_ino
    world.run()
    assert (world.shop.folder / SERVING_FILE).stat().st_ino == before
    with pytest.raises(MissingError, match="no such person"):
        world.document("till:nobody")


def test_an_erasure_reaches_the_set_and_the_bytes_of_the_others_stay(world: World) -> None:
    file = world.shop.folder / SERVING_FILE
    assert world.user.encode() in file.read_bytes()
    world.log.close()  # an erasure writes it, where no service does
    receipt = forget(world.shop, "till:C1", by="test", wait=timedelta(0))
    assert receipt.removed[SERVING_FILE] == {"people": 1}
    assert SERVING_FILE not in receipt.not_reached
    held = file.read_bytes()
    assert world.user.encode() not in held
    assert b"C1" not in held
    with closing(ServingSet(file)) as found:
        assert list(found.read(["till:C1", f"app:{world.user}", "till:C2"])) == ["till:C2"]
    with pytest.raises(MissingError):
        world.document("till:C1")
    world.run()
    assert world.user.encode() not in file.read_bytes(), "the next run brings nobody back"
    assert world.document("till:C2")["now"]["orders"]["ever"] == 1
