"""Published segments run live in the worker: by events, by time, after runs, over kills, and past what is poisoned."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.app import live_segments
from shopkeeper.app.doctor import diagnose
from shopkeeper.app.forget import forget
from shopkeeper.app.live import LIVE_FILE
from shopkeeper.base.clock import microseconds
from shopkeeper.profile.live import Line
from shopkeeper.storage.live_queue import set_aside
from shopkeeper.storage.state.consents import ConsentChange
from tests.app.live_shop import LiveShop, live_shop
from tests.shop import fill

_NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)
"""Noon in Shanghai."""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveShop]:
    with live_shop(tmp_path / "shop", _NOON) as made:
        yield made


def _order(number: str, price: float = 10.0, product: str = "tea") -> dict[str, Any]:
    return {"properties": {"order_id": number, "products": [{"product_id": product, "price": price}]}}


def _loaded(who: str, day: date, source: str = "till", number: str = "") -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    return {
        "source": source, "order_id": number or f"{who}{day}", "line_no": 1, "customer_id": who, "product_id": "tea",
        "store_id": "s", "channel": "store", "quantity": 1, "net_amount": 10, "business_day": day, "ordered_at": at,
    }  # fmt: skip


def test_an_event_enters_and_time_leaves(live: LiveShop) -> None:
    live.publish(
        viewers='did event "Product Viewed" in last 1 day', buyers="bought in last 1 day", others="gender = 'f'"
    )
    live.turn()
    live.send("Product Viewed", "ann", properties={"product_id": "tea"})
    live.send("Cart Viewed", "bob")
    live.turn()
    assert live.said() == [("viewers", "entered", "event")]
    live.send("Order Completed", "ann", **_order("o1"))
    live.turn(minutes=1)
    live.turn(hours=11, minutes=58)
    assert live.said()[1:] == [("buyers", "entered", "event")], "a minute before midnight all is as it was"
    live.turn(minutes=2)
    assert sorted(live.said()[2:]) == [("buyers", "left", "timer"), ("viewers", "left", "timer")]
    live.turn(days=3)
    assert len(live.said()) == 4


def test_a_kill_between_the_event_and_the_look_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live_shop(tmp_path / "shop", _NOON) as live:
        live.publish(viewers='did event "Product Viewed" in last 1 day')
        live.turn()
        live.send("Product Viewed", "ann")
        live.read()
    with live_shop(tmp_path / "shop", _NOON + timedelta(seconds=1)) as live:
        # Killed once more, between the change and the note that the person was looked at.
        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(live.turns._queue, "done", killed)
            with pytest.raises(KeyboardInterrupt):
                live.look()
        assert live.said() == [("viewers", "entered", "event")]
    with live_shop(tmp_path / "shop", _NOON + timedelta(seconds=2)) as live:
        assert live.turns._queue.waiting(9)
        live.look()
        assert live.said() == [("viewers", "entered", "event")]
        assert not live.turns._queue.waiting(9)


def test_what_is_imported_triggers_nothing(live: LiveShop) -> None:
    live.publish(viewers='did event "Product Viewed" in last 1 day')
    live.turn()
    live.message({"type": "track", "event": "Product Viewed", "messageId": "i1", "userId": "ann"}, is_live=False)
    live.turn()
    assert live.said() == []
    live.send("Product Viewed", "bob")
    live.turn()
    assert live.said() == [("viewers", "entered", "event")]


def test_who_signs_in_is_one_person_and_the_visitor_leaves(live: LiveShop) -> None:
    live.publish(viewers='did event "Product Viewed" at least 2 times in last 7 days')
    live.publish(once='did event "Product Viewed" in last 7 days')
    live.turn()
    live.send("Product Viewed", anonymousId="c1")
    live.send("Product Viewed", "ann")
    live.turn()
    assert live.said() == 2 * [("once", "entered", "event")]
    live.message({"type": "identify", "messageId": "i1", "anonymousId": "c1", "userId": "ann"})
    live.turn(seconds=1)
    ann = live.person("ann")
    assert live.said()[2:] == [("once", "left", "merged"), ("viewers", "entered", "event")]
    assert live.inside("once") == live.inside("viewers") == {ann}


def test_orders_of_the_lake_and_of_live_state_count_once(live: LiveShop) -> None:
    live.publish(twice="bought at least 2 times in last 30 days", money="monetary_30d >= 30")
    live.turn()
    live.send("Order Completed", "ann", **_order("o1"))
    live.turn()
    user = live.shop.tokens.token("user", "ann")
    yesterday = date(2026, 3, 9)
    fill(live.shop, "order_line", [_loaded(user, yesterday, "app", "o1"), _loaded("x", yesterday)])
    live.turn(days=1)
    live.run()
    live.turn(seconds=5)
    live.send("Cart Viewed", "ann")
    live.send("Order Completed", "ann", **_order("o1"))
    live.turn(seconds=5)
    assert live.said() == [], "one order, told by an event, by the lake, and by another event"
    live.send("Order Completed", "ann", **_order("o2", 20.0))
    live.turn(seconds=5)
    assert sorted(live.said()) == [("money", "entered", "event"), ("twice", "entered", "event")]
    live.send("Order Refunded", "ann", properties={"order_id": "o2", "refund_id": "r2"})
    live.turn(seconds=5)
    assert live.said()[2:] == [("money", "left", "event")], "a refund that names no goods takes the order off"


def test_people_known_from_files_only_enter_with_the_run_and_turn_with_the_days(live: LiveShop) -> None:
    days = {"ann": date(2026, 3, 9), "bob": date(2026, 2, 7), "cat": date(2026, 2, 8), "dan": date(2026, 1, 1)}
    days["eve"] = date(2026, 2, 9)
    fill(live.shop, "order_line", [_loaded(who, day) for who, day in days.items()])
    live.publish(away="not bought in last 30 days", silent="recency_days > 30", regular="orders_90d >= 1")
    live.run()
    live.turn()
    assert live.inside("away") == {"till:bob", "till:cat", "till:dan"}, "on the tenth, while the run is as of the ninth"
    assert live.inside("silent") == {"till:bob", "till:dan"}
    assert live.inside("regular") == {f"till:{who}" for who in days}
    before = len(live.said())
    live.turn(days=1)
    assert sorted(live.said()[before:]) == [("away", "entered", "timer"), ("silent", "entered", "timer")]
    assert (live.inside("away") - {"till:eve"}, live.inside("silent")) == 2 * ({"till:bob", "till:cat", "till:dan"},)
    # The worker sleeps for a month: all the days are turned at once.
    live.turn(days=35)
    assert live.inside("away") == {f"till:{who}" for who in days}
    assert live.inside("regular") == {f"till:{who}" for who in days if who != "dan"}
    # A run as of that day says the same, and so changes nothing.
    before = len(live.said())
    live.run(live.shop.today() - timedelta(days=1))
    live.turn(seconds=5)
    assert live.said()[before:] == []


def test_the_run_does_not_undo_what_happened_since(live: LiveShop) -> None:
    fill(live.shop, "order_line", [_loaded("ann", date(2026, 1, 9)), _loaded("eve", date(2026, 3, 9))])
    live.publish(away="not bought in last 30 days")
    live.turn()
    user = live.shop.tokens.token("user", "ann")
    fill(live.shop, "order_line", [_loaded(user, date(2026, 1, 9), "app"), _loaded("eve", date(2026, 3, 9))])
    live.send("Order Completed", "ann", **_order("o1"))
    live.turn()
    live.run()
    live.turn(seconds=5)
    assert live.said() == [], "at the end of yesterday she had not bought for 30 days; since this noon she has"


def test_a_rule_that_is_changed_holds_for_everybody_at_once(live: LiveShop) -> None:
    fill(live.shop, "order_line", [_loaded("ann", date(2026, 3, 9)), _loaded("bob", date(2026, 3, 1))])
    live.publish(recent="recency_days <= 3")
    live.run()
    live.turn()
    assert live.inside("recent") == {"till:ann"}
    live.publish(recent="recency_days <= 20")
    live.turn(seconds=5)
    assert live.inside("recent") == {"till:ann", "till:bob"}
    live.shop.state.segments.archive("recent", by="t", now=live.at)
    live.turn(seconds=5)
    assert live.inside("recent") == set()
    assert [each[2] for each in live.said()] == ["run", "run", "retired", "retired"]


def test_consent_is_heard_of(live: LiveShop) -> None:
    live.publish(willing='consents to "marketing" by "sms"')
    live.turn()
    said = ConsentChange(
        "till:ann", "marketing", "sms", granted=True, source="api", who="t", occurred_at=live.at, recorded_at=live.at
    )
    live.shop.state.consents.add([said])
    live.turn(seconds=1)
    assert live.said() == [("willing", "entered", "event")]
    live.shop.state.consents.add([replace(said, granted=False, occurred_at=live.at, recorded_at=live.at)])
    live.turn(seconds=1)
    live.turn(seconds=9)
    assert live.said()[1:] == [("willing", "left", "event")]


def test_an_event_that_cannot_be_read_is_set_aside_and_the_others_go_on(
    live: LiveShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.publish(viewers='did event "Product Viewed" in last 1 day')
    live.turn()
    real = live.reader._lines

    def poisoned(event: Any) -> Any:
        if event.message_id == "m2":
            raise TypeError("13812345678")
        return real(event)

    monkeypatch.setattr(live.reader, "_lines", poisoned)
    for who in ("ann", "bob", "cat"):
        live.send("Product Viewed", who)
    live.turn()
    assert live.said() == 2 * [("viewers", "entered", "event")]
    assert live.store.position() == live.log.end()
    (found,) = set_aside(live.shop.folder / LIVE_FILE)
    assert (found.part, found.place) == ("event", str(live.log.read(1, 1)[0].offsets[0]))
    assert found.reason.startswith("TypeError in test_live_turns.py, line ")
    told = next(each for each in diagnose(live.shop) if each.what == "live")
    assert told.ok is False
    assert told.found.startswith("1 events and 0 persons were set aside, last: TypeError")


def test_a_person_who_cannot_be_judged_stops_nobody_and_rings_no_more(
    live: LiveShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.publish(viewers='did event "Product Viewed" in last 1 day')
    live.turn()
    live.send("Product Viewed", "ann")
    live.send("Product Viewed", "bob")
    live.turn()
    ann, real = live.person("ann"), live_segments._ask

    def poisoned(*given: Any) -> None:
        if given[1].person.person_id == ann:
            raise ZeroDivisionError
        real(*given)

    monkeypatch.setattr(live_segments, "_ask", poisoned)
    live.turn(hours=13)
    assert live.inside("viewers") == {ann}
    assert [(each.part, each.place) for each in set_aside(live.shop.folder / LIVE_FILE)] == [("person", ann)]
    assert live.shop.state.live_segments.due(live.at, 9) == []
    monkeypatch.undo()
    live.turn(days=1)
    assert live.inside("viewers") == set()


def test_a_line_of_the_lake_is_that_of_live_state_and_an_erasure_reaches_it(live: LiveShop) -> None:
    odd = {"net_amount": Decimal("12.34"), "product_discount": 1}
    fill(live.shop, "order_line", [_loaded("ann", date(2026, 3, 9)) | odd, _loaded("bob", date(2026, 3, 9))])
    live.publish(recent="bought in last 30 days")
    live.run()
    live.turn()
    people = live.turns._people
    assert people is not None
    (person,) = people.of({"till:ann": ["till:ann"]}, lambda *_: None).values()
    at, day = microseconds(datetime(2026, 3, 9, 3, tzinfo=UTC)), date(2026, 3, 9).toordinal()
    assert person.lines == [
        Line("till", "ann2026-03-09", 1, day, at, "ann", "tea", "s", 10_000, 123_400, "store", 10_000, None, None)
    ]
    history = live.shop.folder / "history.db"
    assert b"till:ann" in history.read_bytes()
    live.log.close()  # whoever erases writes the log
    receipt = forget(live.shop, "till:ann", by="t", wait=timedelta(0))
    assert receipt.removed["history.db"] == {"parts": 1}
    assert b"till:ann" not in history.read_bytes()
    assert live.inside("recent") == {"till:bob"}
