"""The timeline of one person: everything of the person, nothing of others, newest first, page by page."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from shopkeeper.app.pages.timeline import KINDS, Basket, Entry, Redemption, Target, Touch, timeline
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import UsageError
from shopkeeper.schema.query import Query
from tests.shop import fill, record

DAY, EVE = date(2026, 3, 2), date(2026, 3, 1)


def whole(shop: Shop, person: str, kind: str | None = None) -> list[Entry]:
    entries: list[Entry] = []
    page: int | None = 0
    while page is not None:
        found = timeline(shop, person, kind=kind, page=page)
        entries += found.entries
        page = found.next_page
    return entries


def test_every_kind_of_a_person_of_the_chain_is_there_once(little_chain: Shop) -> None:
    query = Query.from_sql(
        "SELECT t.customer_id, COUNT(*) AS touches FROM touch AS t JOIN redemption AS r "
        "ON r.customer_id = t.customer_id GROUP BY t.customer_id ORDER BY COUNT(*) DESC, t.customer_id",
        name="touched",
    )
    customer = little_chain.arrow(query).to_pylist()[0]["customer_id"]
    entries = whole(little_chain, f"till:{customer}")
    counted = Counter(entry.kind for entry in entries)
    assert timeline(little_chain, f"till:{customer}").counts == counted
    for table, kind in (("basket", "basket"), ("campaign_target", "campaign"), ("touch", "touch")):
        ours = Query.from_sql(f"SELECT COUNT(*) AS n FROM {table} WHERE customer_id = $id", name="n", id=customer)
        assert counted[kind] == little_chain.arrow(ours).to_pylist()[0]["n"], kind
    used = Query.from_sql("SELECT offer_id FROM redemption WHERE customer_id = $id", name="used", id=customer)
    offers = [offer for entry in entries if isinstance(entry, Redemption) for offer in entry.offers]
    assert sorted(offers) == sorted(little_chain.arrow(used)["offer_id"].to_pylist())


def test_pages_hold_twenty_newest_first_and_each_entry_once(journey: Shop) -> None:
    query = Query.from_sql("SELECT customer_id FROM basket GROUP BY customer_id ORDER BY COUNT(*) DESC", name="most")
    person = f"complete_journey:{journey.arrow(query).to_pylist()[0]['customer_id']}"
    first = timeline(journey, person)
    entries = whole(journey, person)
    assert len(first.entries) == 20
    assert len(entries) == len(set(entries)) == sum(first.counts.values())
    assert [entry.day for entry in entries] == sorted((entry.day for entry in entries), reverse=True)


@pytest.mark.parametrize("kind", ["basket", "campaign"])
def test_one_kind_alone_is_that_of_the_whole(journey: Shop, kind: str) -> None:
    person = "complete_journey:2480"
    alone = whole(journey, person, kind)
    assert alone == [entry for entry in whole(journey, person) if entry.kind == kind]
    assert timeline(journey, person, kind=kind).counts == timeline(journey, person).counts


def test_another_kind_is_refused(journey: Shop) -> None:
    with pytest.raises(UsageError, match="'dream'") as raised:
        timeline(journey, "complete_journey:8", kind="dream")
    assert raised.value.next_step == f"one of {', '.join(KINDS)}"


def test_nobody_has_an_empty_timeline(journey: Shop) -> None:
    found = timeline(journey, "complete_journey:none")
    assert (found.entries, found.counts, found.next_page) == ((), {}, None)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One person with two records, and a stranger whose record in another source has the same customer id."""
    at = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)  # half past midnight of the next day in Shanghai
    ours = {"source": "till", "customer_id": "1"}
    basket = {"store_id": "S", "lines": 1, "all_lines": 1, "all_net": 5, "order_id": "o"}
    touch = {"occurred_at": at, "campaign_id": "C"}
    with init(tmp_path_factory.mktemp("timeline") / "shop", {"chain.time_zone": "Asia/Shanghai"}) as shop:
        fill(shop, "person", [record("till", "1", "us"), record("app", "2", "us"), record("web", "2", "stranger")])
        fill(shop, "campaign", [{"campaign_id": "C", "name": "Spring", "starts_on": DAY}])
        fill(shop, "basket", [{**ours, **basket, "business_day": DAY, "hour": 9}])
        fill(shop, "campaign_target", [{**ours, "campaign_id": "C"}])
        fill(
            shop,
            "redemption",
            [
                {**ours, "redemption_id": name, "offer_id": "F", "campaign_id": "C", "redeemed_on": DAY}
                for name in ("r1", "r2")
            ],
        )
        fill(
            shop,
            "touch",
            [
                {**touch, "touch_id": "t1", "customer_id": "1", "kind": "sent"},
                {**touch, "touch_id": "t2", "customer_id": "2", "kind": "bounced"},  # whose, nobody knows
                {**touch, "touch_id": "t3", "customer_id": "2", "person_id": "us", "kind": "opened"},
                {**touch, "touch_id": "t4", "customer_id": "1", "person_id": "stranger", "kind": "clicked"},
            ],
        )
        yield shop


def test_within_a_day_the_redemption_follows_its_basket_and_the_campaign_comes_first(small: Shop) -> None:
    entries = timeline(small, "us").entries
    assert [type(entry) for entry in entries] == [Redemption, Basket, Touch, Touch, Target]
    assert {entry.day for entry in entries} == {DAY}
    assert [entry.offers for entry in entries if isinstance(entry, Redemption)] == [("F", "F")]
    assert [entry.campaign_name for entry in entries if isinstance(entry, Target)] == ["Spring"]


def test_a_touch_of_a_customer_id_that_two_persons_have_is_nobodys(small: Shop) -> None:
    assert [entry.what for entry in whole(small, "us", "touch") if isinstance(entry, Touch)] == ["sent", "opened"]
    assert [entry.what for entry in whole(small, "stranger", "touch") if isinstance(entry, Touch)] == ["clicked"]
