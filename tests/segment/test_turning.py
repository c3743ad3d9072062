"""Nobody whose answer turns as days go by is left out of those who are looked at again, and few others are in."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shopkeeper.base.clock import business_day, end_of_day, microseconds
from shopkeeper.segment import turning as room
from shopkeeper.segment.line import parse
from shopkeeper.segment.live import live_audience
from shopkeeper.segment.turning import turning
from shopkeeper.segment.view import Ground, View
from tests.segment.conftest import Shop
from tests.segment.live_world import ground_of, person_of
from tests.segment.oracle import Row, World

_RULES = (
    "recency_days > 30",
    "recency_days between 5 and 9",
    "tenure_days >= 100",
    "lifecycle_fixed = 'new'",
    "lifecycle_fixed = 'sleeping'",
    "lifecycle_fixed = 'lapsed'",
    "trend = 'falling'",
    "trend in ('rising', 'steady')",
    "orders_30d >= 1",
    "monetary_90d > 5",
    "basket_value_90d > 1",
    "rfm_recency_points >= 4",
    "orders_365d = 0",
    "rfm_class = 'lost'",
    "bought in last 30 days",
    "not bought hour between 0 and 11 in last 5 days",
    "bought product = 'p1' at least 1 times in last 20 days",
    'did event "view" in last 7 days',
    "redeemed in last 14 days",
    'did event "view" in last 30 days then not bought product = "p9" within 3 days',
    'did event "view" in last 12 days then bought within 2 days',
    "bought in last 10 days then not bought within 6 days",
    "gender = 'f' and (recency_days > 12 or not redeemed in last 2 days)",
)
_AGES = (
    *range(12),
    *range(13, 40),
    *range(86, 95),
    *range(98, 103),
    *range(117, 123),
    *range(176, 186),
    *range(360, 370),
)
_DAY = 24 * 3_600_000_000


def _world(day: date, zone: str) -> World:
    """People with one line, event and redemption each, of every age that matters, at every time of day."""
    rows: dict[str, list[Row]] = {name: [] for name in ("order_line", "event", "redemption", "profile", "product")}
    rows |= {"person": [], "identifier": []}
    for age in _AGES:
        for late in (0, 5, 23):
            who, on = f"till:{age}-{late}", day - timedelta(days=age)
            at = datetime(on.year, on.month, on.day, late, 59, tzinfo=ZoneInfo(zone))
            own = {"source": "till", "customer_id": f"{age}-{late}"}
            bought = business_day(at, zone, 4)
            rows["order_line"].append(
                own | {
                    "order_id": "o", "line_no": 1, "store_id": "s", "channel": "store", "product_id": f"p{age % 2}",
                    "quantity": 1, "net_amount": 10, "coupon_discount": 0, "business_day": bought, "ordered_at": at,
                }
            )  # fmt: skip
            event = {"source": "web", "message_id": who, "type": "track", "name": "view", "product_id": None}
            rows["event"].append(
                event | {"user_id": who, "anonymous_id": None, "value": None, "occurred_at": at - timedelta(hours=1)}
            )
            rows["redemption"].append(
                own | {"redemption_id": who, "offer_id": "f", "campaign_id": "c", "redeemed_on": on, "order_id": None}
            )
            rows["person"].append(own | {"person_id": who, "method": "record", "valid_from": at, "valid_to": None})
            rows["identifier"].append(own | {"kind": "user", "token": who, "first_seen_at": at, "last_seen_at": at})
            days = dict.fromkeys(("first_purchase_on", "last_purchase_on", "first_visit_on", "last_visit_on"), bought)
            if late:
                days["first_purchase_on"] = bought - timedelta(days=400 if late == 5 else max(180 - age, 0))
            rows["profile"].append({"person_id": who, "gender": "f", "registered_at": at, **days})
    return World(day, zone, {name: found for name, found in rows.items() if found} | {"product": []})


def _moments(view: View, until: int) -> Iterator[int]:
    rows = [row.ordered_at for row in view.person.lines] + [row.occurred_at for row in view.person.events]
    points = {view.start(view.day + days) for days in range(1, 4)} | {at + n * _DAY for at in rows for n in (2, 3, 6)}
    yield until - 1
    yield from (at for point in points for at in (point - 1, point, point + 1) if view.now < at < until)


def _turn(shop: Shop, world: World, through: date, rules: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Holds every rule's turning people against those who are asked; gives how many of each there are."""
    ground = ground_of(world)
    known = {row["person_id"]: row for row in world.of("profile")}
    begins, ends = (microseconds(end_of_day(day, world.time_zone)) for day in (world.as_of, through))
    views = {who: View(person_of(world, who, row), begins - 1, ground) for who, row in known.items()}
    found = {}
    for rule in rules:
        tree = parse(rule)
        audience = live_audience(tree, ground)
        queries = turning(tree, world.as_of, through, ground)
        asked = {who for query in queries for (who,) in shop.rows(query.sql(pretty=False))}
        turned = set()
        for who, view in views.items():
            present = audience.holds(view)
            if any(audience.holds(view.at(at)) is not present for at in _moments(view, ends)):
                turned.add(who)
        assert turned <= asked, (rule, turned - asked)
        found[rule] = (len(turned), len(asked))
    return found


@pytest.mark.parametrize("days", [1, 3])
def test_whoever_turns_is_asked(shop: Shop, days: int) -> None:
    """The clocks go forward on the first of the days."""
    day = date(2026, 3, 7)
    world = _world(day, "America/New_York")
    shop.fill(world)
    rules = _RULES if days == 1 else _RULES[::3]
    found = _turn(shop, world, day + timedelta(days=days), rules)
    assert sum(turned > 0 for turned, _ in found.values()) == len(rules), "every rule turns somebody"
    assert max(asked for _, asked in found.values()) < len(world.of("profile")) / 2, "nobody is polled"


def test_a_window_that_is_a_day_off_is_found(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with one bound shifted somebody who turns is not asked."""
    world = _world(date(2026, 3, 31), "Asia/Shanghai")
    shop.fill(world)
    monkeypatch.setattr(room, "_day", lambda day, days: day + timedelta(days=days - 1))
    for rule in ("bought in last 30 days", "lifecycle_fixed = 'new'", 'did event "view" in last 7 days'):
        with pytest.raises(AssertionError, match=r"till:"):
            _turn(shop, world, date(2026, 4, 1), (rule,))


def test_only_the_days_that_matter_are_read() -> None:
    ground = Ground()
    assert turning(parse("gender = 'f'"), date(2026, 3, 1), date(2026, 3, 2), ground) == ()
    queries = turning(parse("not bought category = 'milk' in last 30 days"), date(2026, 3, 1), date(2026, 3, 2), ground)
    bounds = [query.bounds()["order_line"] for query in queries]
    assert [(each.first, each.last) for each in bounds] == [(day, day) for day in (date(2026, 3, 2), date(2026, 1, 31))]
