"""On real shops: live evaluation over a person's rows gives the memberships of the run, and the run's word is kept."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from shopkeeper.app.live_follow import reconcile_with_run
from shopkeeper.app.live_ground import live_set_of, shop_ground
from shopkeeper.app.pages.reading import rows, stands_at
from shopkeeper.app.run import run
from shopkeeper.app.segment import add_starters
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.clock import end_of_day, microseconds
from shopkeeper.schema.query import Query
from shopkeeper.segment.compile import members
from shopkeeper.segment.document import to_document
from shopkeeper.segment.history import Line, Person, Redemption, Scored, ten_thousandths
from shopkeeper.segment.line import parse
from shopkeeper.segment.live import live_audience
from shopkeeper.segment.starter import starters
from shopkeeper.segment.view import View
from tests.shop import fill

_DAY = date(2026, 3, 31)
_LINES = """
SELECT person.person_id, order_line.* FROM order_line
JOIN person ON person.source = order_line.source AND person.customer_id = order_line.customer_id
WHERE person.valid_to IS NULL
"""
_REDEMPTIONS = """
SELECT person.person_id, redemption.* FROM redemption
JOIN person ON person.source = redemption.source AND person.customer_id = redemption.customer_id
WHERE person.valid_to IS NULL
"""
_RULES = (
    "orders_30d >= 2 and monetary_90d > 50",
    "basket_value_90d between 10 and 30",
    "trend = 'falling' or lifecycle_fixed = 'sleeping'",
    "rfm_class in ('champions', 'loyal', 'at_risk')",
    "recency_days between 3 and 30 and tenure_days > 100",
    "bought at least 3 days in last 30 days",
    "bought kind != 'bag' at least 5 lines for at least 20 in last 60 days",
    "bought hour between 17 and 20 weekday in (5, 6) in last 90 days",
    "bought discounted = true in last 40 days then not bought discounted = true within 20 days",
    "bought in last 60 days then bought within 3 days",
    "redeemed at least 1 times",
    "not bought in last 45 days",
)


def _by_person(shop: Shop, text: str) -> dict[str, list[dict]]:
    found = defaultdict(list)
    for row in rows(shop, Query.from_sql(text, name="rows")):
        found[row["person_id"]].append(row)
    return found


def _amount(value: object) -> int | None:
    return None if value is None else ten_thousandths(value)  # type: ignore[arg-type]


def _people(shop: Shop) -> dict[str, Person]:
    lines, redeemed = _by_person(shop, _LINES), _by_person(shop, _REDEMPTIONS)
    scores = _by_person(shop, "SELECT * FROM score")
    return {
        row["person_id"]: Person(
            person_id=row["person_id"],
            profile=row,
            lines=[
                Line(
                    each["source"],
                    each["order_id"],
                    each["line_no"],
                    each["business_day"].toordinal(),
                    microseconds(each["ordered_at"]),
                    each["customer_id"],
                    each["product_id"],
                    each["store_id"],
                    ten_thousandths(each["quantity"]),
                    ten_thousandths(each["net_amount"]),
                    each["channel"],
                    _amount(each["product_discount"]),
                    _amount(each["coupon_discount"]),
                    each["payment_method"],
                )
                for each in lines[row["person_id"]]
            ],
            redemptions=[
                Redemption(each["redeemed_on"].toordinal(), each["offer_id"], each["campaign_id"])
                for each in redeemed[row["person_id"]]
            ],
            scores=[
                Scored(each["model"], each["subject"], each["as_of"].toordinal(), each["value"], each["decile"])
                for each in scores[row["person_id"]]
            ],
        )
        for row in rows(shop, Query.from_sql("SELECT * FROM profile", name="profile"))
    }


@pytest.mark.parametrize("name", ["journey", "little_chain"])
def test_live_gives_the_memberships_of_the_run(name: str, request: pytest.FixtureRequest) -> None:
    shop: Shop = request.getfixturevalue(name)
    as_of, zone = stands_at(shop, "profile"), shop.settings.chain.time_zone
    assert as_of is not None
    ground, now = shop_ground(shop), microseconds(end_of_day(as_of, zone)) - 1
    views = {who: View(person, now, ground) for who, person in _people(shop).items()}
    sizes = []
    for tree in [*(found.tree for found in starters()), *map(parse, _RULES)]:
        batch = {row["person_id"] for row in rows(shop, members(tree, as_of, ground.catalogue))}
        audience = live_audience(tree, ground)
        assert {who for who, view in views.items() if audience.holds(view)} == batch, tree
        sizes.append(len(batch))
    assert sum(0 < size < len(views) for size in sizes) > len(sizes) / 2, "most rules tell people apart"


def test_the_word_of_the_run_is_kept(tmp_path: Path) -> None:
    with init(tmp_path / "shop", {"engine.memory_limit": "1GB"}) as shop:
        add_starters(shop)
        live = live_set_of(shop)
        assert live.segments
        assert list(reconcile_with_run(shop, live, _DAY)) == []


def test_memberships_of_the_first_run_enter_the_stream(tmp_path: Path) -> None:
    lines = [
        {
            "source": "till", "order_id": f"o{who}", "line_id": "1", "customer_id": f"c{who}", "product_id": "p",
            "store_id": "s", "channel": "store", "quantity": 1, "net_amount": 10, "business_day": _DAY - timedelta(who),
            "ordered_at": datetime(2026, 3, 31, 4, tzinfo=UTC) - timedelta(who),
        }
        for who in range(6)
    ]  # fmt: skip
    clock = datetime(2026, 4, 1, 2, tzinfo=UTC)
    with init(tmp_path / "shop", {"engine.memory_limit": "1GB"}) as made:
        fill(made, "order_line", lines)
        tree = to_document(parse("recency_days <= 3"))
        made.state.segments.save("late", tree, label_en="l", label_zh="l", by="t", now=clock, published=True)
        run(made)
    with Shop.open(tmp_path / "shop", clock=lambda: clock) as shop:
        live = live_set_of(shop)
        (found,) = reconcile_with_run(shop, live, _DAY)
        assert (found.segment, found.people, found.different, found.changes) == ("late", 4, 4, 4)
        (again,) = reconcile_with_run(shop, live, _DAY)
        assert (again.different, again.changes) == (0, 0)
        entered = shop.state.live_segments.changes("late")
        assert {(each.person_id, each.kind, each.cause) for each in entered} == {
            (f"till:c{who}", "entered", "run") for who in range(4)
        }
        assert shop.state.live_segments.next_due() is None
        (turned,) = reconcile_with_run(shop, live, _DAY + timedelta(days=1))
        assert (turned.different, turned.changes, turned.looked_at) == (0, 0, 2)
        assert shop.state.live_segments.due(clock, 9) == [("late", "till:c2"), ("late", "till:c3")]
