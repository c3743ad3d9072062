from datetime import date, timedelta

import pyarrow as pa
import pytest

from shopkeeper.base.errors import DataError
from shopkeeper.learn import response
from shopkeeper.learn.lookahead import assert_no_lookahead, known_by
from shopkeeper.schema.query import Query
from tests.learn.toy_campaigns import START, campaigns
from tests.toy import Toy

KEYS = ("campaign_id", "person_id")


@pytest.fixture(scope="module")
def toy() -> Toy:
    return campaigns()


def of(table: pa.Table, campaign: str) -> pa.Table:
    return table.filter(pa.compute.equal(table["campaign_id"], campaign))


def test_features_know_nothing_of_what_came_after(toy: Toy) -> None:
    eve = START - timedelta(days=1)
    later = response.features(date(2017, 8, 31))
    for day in (START, date(2017, 7, 1)):
        eve = day - timedelta(days=1)
        cut = toy.cut(known_by(eve))
        name = "new" if day == START else "later"
        assert_no_lookahead(of(toy.run(later), name), of(cut.run(response.features(eve)), name), KEYS)


def test_a_planted_leak_is_caught(toy: Toy) -> None:
    text = """
        SELECT t.campaign_id, t.customer_id AS person_id, COUNT(*) AS visits, MIN(r.redeemed_on) AS redeemed_on
        FROM campaign_target AS t
        JOIN order_line AS l ON l.source = t.source AND l.customer_id = t.customer_id
        LEFT JOIN redemption AS r ON r.campaign_id = t.campaign_id AND r.customer_id = t.customer_id
        WHERE t.campaign_id = 'new'
        GROUP BY t.campaign_id, t.customer_id
    """
    leaking = Query.from_sql(text)
    cut = toy.cut(known_by(START - timedelta(days=1)))
    with pytest.raises(DataError, match="look-ahead: visits, redeemed_on changed"):
        assert_no_lookahead(toy.run(leaking), cut.run(leaking), KEYS)


def test_a_row_that_only_later_data_give_is_caught(toy: Toy) -> None:
    leaking = Query.from_sql("SELECT campaign_id, customer_id AS person_id FROM redemption")
    cut = toy.cut(known_by(START - timedelta(days=1)))
    with pytest.raises(DataError, match="3 rows are there only with or only without later data"):
        assert_no_lookahead(toy.run(leaking), cut.run(leaking), KEYS)


def test_the_features_of_a_toy_are_seen_by_eye(toy: Toy) -> None:
    found = of(toy.run(response.features(START - timedelta(days=1))), "new").sort_by("person_id").to_pylist()
    assert [row["person_id"] for row in found] == ["pa", "pb", "pc"]
    first, second = found[0], found[1]
    assert first["history_days"] == 151
    assert first["recency_days"] == 1  # the last visit before the first of June: every third day, the 31st of May
    assert first["redemptions"] == 1  # only the old campaign's; the new one's lies ahead
    assert second["redemptions"] == 0
    assert first["redemption_recency_days"] == 88
    assert first["own_products"] == 1
    assert first["own_share"] == pytest.approx(1 / 3)
    assert first["campaign_offers"] == 1
    assert second["till_coupons"] == 0 < first["till_coupons"]


def test_outcomes_stop_at_the_day(toy: Toy) -> None:
    found = toy.run(response.outcomes(date(2017, 6, 10))).to_pylist()
    assert [(row["campaign_id"], row["person_id"]) for row in found] == [("new", "pa"), ("old", "pa")]
