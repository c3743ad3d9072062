"""The morning report adds up: to the order lines, from level to level, to targets; and keeps its promised shape."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.app.morning import make_morning_report
from shopkeeper.app.organisation import CHAIN, Organisation, Unit, organisation
from shopkeeper.app.report import Measure, Report, report
from shopkeeper.app.report_document import report_document
from shopkeeper.app.report_words import next_sentence
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import DataError, MissingError
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table
from shopkeeper.storage import warehouse
from tests.shop import fill

SUMMED = ("sales", "tickets")


def _rows(shop: Shop, text: str, **named: Any) -> list[dict[str, Any]]:
    return shop.arrow(Query.from_sql(text, **named)).to_pylist()


def _measures(found: Report) -> dict[str, Measure]:
    return {measure.name: measure for measure in found.morning.measures}


def _from_lines(shop: Shop, day: date, store: str | None = None) -> dict[str, Any]:
    """The same day straight from the order lines, in words other than the product's."""
    where = " AND store_id = $store" if store else ""
    named = {"day": day} | ({"store": store} if store else {})
    (row,) = _rows(
        shop,
        f"""
        WITH of_day AS (SELECT * FROM order_line WHERE business_day = $day{where}),
             bought AS (SELECT DISTINCT source, order_id, store_id, customer_id FROM of_day WHERE quantity > 0)
        SELECT CAST((SELECT SUM(net_amount) FROM of_day) AS DOUBLE) AS sales,
               (SELECT COUNT(*) FROM bought) AS tickets,
               (SELECT COUNT(*) FROM bought WHERE customer_id IS NOT NULL) AS member_tickets,
               CAST((SELECT SUM(net_amount) FROM of_day WHERE customer_id IS NOT NULL) AS DOUBLE) AS member_sales,
               CAST((SELECT SUM(net_amount - CAST(unit_cost * quantity AS DECIMAL(18, 4))) FROM of_day
                     WHERE unit_cost IS NOT NULL) AS DOUBLE) AS margin
        """,
        **named,
    )
    return row


@pytest.mark.parametrize("which", ["journey", "little_chain"])
def test_the_chain_adds_up_to_the_order_lines(which: str, request: pytest.FixtureRequest) -> None:
    shop: Shop = request.getfixturevalue(which)
    found, day = report(shop), shop.last_day()
    here, lines = _measures(found), _from_lines(shop, day)
    assert found.morning.as_of == day
    assert here["sales"].value == pytest.approx(lines["sales"])
    assert here["tickets"].value == lines["tickets"]
    assert here["average_ticket"].value == pytest.approx(lines["sales"] / lines["tickets"])
    assert here["member_sales_share"].value == pytest.approx(lines["member_sales"] / lines["sales"])
    assert here["member_ticket_share"].value == pytest.approx(lines["member_tickets"] / lines["tickets"])
    before = _from_lines(shop, day - timedelta(days=7))
    assert here["sales"].last_week == pytest.approx(before["sales"])
    year_before = _from_lines(shop, found.morning.span.last_year.day)
    assert here["tickets"].last_year == year_before["tickets"]


def test_gross_margin_is_of_lines_whose_cost_is_known(little_chain: Shop, journey: Shop) -> None:
    lines = _from_lines(little_chain, little_chain.last_day())
    margin = _measures(report(little_chain))["gross_margin"].value
    assert margin == pytest.approx(lines["margin"] / lines["sales"])
    assert _measures(report(journey))["gross_margin"].value is None


def test_each_store_adds_up_to_its_lines(little_chain: Shop) -> None:
    day = little_chain.last_day()
    stores = _rows(little_chain, "SELECT DISTINCT store_id FROM order_line WHERE business_day = $day", day=day)
    assert len(stores) > 3
    for row in stores:
        here = _measures(report(little_chain, level=row["store_id"]))
        lines = _from_lines(little_chain, day, row["store_id"])
        assert here["sales"].value == pytest.approx(lines["sales"]), row
        assert here["tickets"].value == lines["tickets"], row


def _levels(shop: Shop) -> list[str]:
    organised = organisation(shop, shop.last_day())
    return [unit.id for unit in organised.units.values() if unit.kind != "store" and organised.children(unit)]


def test_what_stands_under_a_level_adds_up_to_it(little_chain: Shop) -> None:
    levels = _levels(little_chain)
    assert {"chain", "R01", "A01"} <= set(levels)
    for level in levels:
        page = report(little_chain, level=level).morning
        whole = {measure.name: measure for measure in page.measures}
        for name in SUMMED:
            parts = [child["measures"][name].value for child in page.children]
            added = sum(value for value in parts if value is not None)
            assert (whole[name].value or 0.0) == pytest.approx(added), (level, name)
        ticket = whole["average_ticket"].value
        if ticket is not None:
            lowest = min(c["measures"]["average_ticket"].value or ticket for c in page.children)
            highest = max(c["measures"]["average_ticket"].value or ticket for c in page.children)
            assert lowest - 1e-9 <= ticket <= highest + 1e-9


def test_a_store_that_moved_counts_where_it_stands_on_the_day(little_chain: Shop) -> None:
    moved = _rows(
        little_chain, "SELECT org_unit_id, parent_id FROM org_unit WHERE kind = 'store' AND NOT valid_to IS NULL"
    )
    assert moved
    for row in moved:
        organised = organisation(little_chain, little_chain.last_day())
        assert row["org_unit_id"] not in organised.stores_under(organised.unit(row["parent_id"]))


def test_targets_are_the_sum_of_the_stores(little_chain: Shop) -> None:
    day = little_chain.last_day()
    (row,) = _rows(
        little_chain, "SELECT CAST(SUM(value) AS DOUBLE) AS goal FROM target WHERE business_day = $day", day=day
    )
    assert _measures(report(little_chain))["sales"].target == pytest.approx(row["goal"])
    regions = [report(little_chain, level=region) for region in ("R01", "R02")]
    assert sum(_measures(each)["sales"].target or 0.0 for each in regions) == pytest.approx(row["goal"])


@pytest.mark.parametrize("which", ["journey", "little_chain"])
def test_redemptions_of_the_stores_add_up_to_the_chain(which: str, request: pytest.FixtureRequest) -> None:
    shop: Shop = request.getfixturevalue(which)
    (busiest,) = _rows(
        shop,
        "SELECT redeemed_on, COUNT(*) AS n FROM redemption GROUP BY redeemed_on ORDER BY n DESC, redeemed_on LIMIT 1",
    )
    day = busiest["redeemed_on"]
    stores = _rows(shop, "SELECT DISTINCT store_id FROM order_line WHERE business_day = $day", day=day)
    found = [_measures(report(shop, as_of=day, level=row["store_id"]))["redemptions"].value for row in stores]
    assert _measures(report(shop, as_of=day))["redemptions"].value == busiest["n"]
    assert sum(value or 0.0 for value in found) == busiest["n"]


def test_a_redemption_in_one_of_two_stores_of_a_day_is_of_none(tmp_path: Path) -> None:
    """What no order names is not guessed; the chain has it all the same."""
    day = date(2026, 3, 2)
    with init(tmp_path / "shop") as shop:
        lines = [("a", "s1", "o1"), ("a", "s2", "o2"), ("b", "s1", "o3")]
        fill(
            shop,
            "order_line",
            [
                {
                    "source": "t",
                    "customer_id": who,
                    "store_id": store,
                    "order_id": order,
                    "line_no": 1,
                    "product_id": "p",
                }
                | {"business_day": day, "quantity": 1, "net_amount": 2, "gross_amount": 2}
                for who, store, order in lines
            ],
        )
        used = [("r1", "a", None), ("r2", "a", "o2"), ("r3", "b", None)]
        fill(
            shop,
            "redemption",
            [
                {"redemption_id": one, "offer_id": "x", "source": "t", "customer_id": who, "order_id": order}
                | {"redeemed_on": day}
                for one, who, order in used
            ],
        )
        run(shop, ("product_fact", "basket", "store_day", "department_day"))
        found = {level: _measures(report(shop, level=level))["redemptions"].value for level in ("chain", "s1", "s2")}
    assert found == {"chain": 3, "s1": 1, "s2": 1}


def test_a_new_member_who_visits_two_stores_is_one(journey: Shop) -> None:
    first = date(2017, 1, 1)  # everybody who comes on the first day of the data is new to them
    (row,) = _rows(
        journey,
        "SELECT COUNT(DISTINCT customer_id) AS n FROM order_line WHERE business_day = $day AND quantity > 0",
        day=first,
    )
    assert _measures(report(journey, as_of=first))["new_members"].value == row["n"]


def test_the_store_whose_lines_are_missing_is_named_late(little_chain: Shop) -> None:
    days = _rows(little_chain, "SELECT store_id, MAX(business_day) AS last FROM order_line GROUP BY store_id")
    silent = {row["store_id"] for row in days if row["last"] < little_chain.last_day()}
    late = set(report(little_chain).morning.late)
    assert late
    assert late <= silent
    assert {"key": "late_stores", "n": len(late), "where": "/data"} in report(little_chain).next


def test_a_day_in_the_past_is_told_as_it_was(little_chain: Shop) -> None:
    day = little_chain.last_day() - timedelta(days=30)
    found = report(little_chain, as_of=day)
    assert found.morning.as_of == day
    assert _measures(found)["sales"].value == pytest.approx(_from_lines(little_chain, day)["sales"])


def test_people_and_lifecycle_are_those_of_the_profile(journey: Shop) -> None:
    found = report(journey)
    (row,) = _rows(journey, "SELECT COUNT(*) AS n FROM profile")
    assert found.people == row["n"] == sum(found.lifecycle.values())
    assert set(found.lifecycle) <= {"prospect", "new", "active", "sleeping", "lapsed"}


def test_campaigns_tell_targeted_and_redeemers(journey: Shop) -> None:
    found = {campaign["campaign_id"]: campaign for campaign in report(journey).campaigns}
    counted = _rows(
        journey,
        "SELECT campaign_id, COUNT(DISTINCT customer_id) AS redeemers FROM redemption GROUP BY campaign_id",
    )
    assert counted
    for row in counted:
        campaign = found[row["campaign_id"]]
        assert campaign["redeemers"] == row["redeemers"]
        assert campaign["response"] == pytest.approx(row["redeemers"] / campaign["targeted"])


def test_a_level_without_stores_has_no_sales(little_chain: Shop, tmp_path: Path) -> None:
    """It must not show the whole chain's."""
    with init(tmp_path / "shop", {"chain.country": "CN"}) as shop:
        for name in ("order_line", "store", "org_unit"):
            columns = ", ".join(table(name).column_names)
            rows = little_chain.arrow(Query.from_sql(f"SELECT {columns} FROM {name}"))
            if name == "org_unit":
                nowhere = [
                    {"org_unit_id": "R09", "parent_id": "CHAIN", "kind": "region", "valid_from": date(2015, 1, 1)}
                ]
                empty = rows.schema.empty_table().from_pylist(nowhere, schema=rows.schema)
                warehouse.append_rows(shop.lake, shop.duckdb, name, empty)
            warehouse.append_rows(shop.lake, shop.duckdb, name, rows)
        run(shop, ("product_fact", "store_day", "department_day"))
        assert _measures(report(shop))["sales"].value
        assert _measures(report(shop, level="R09"))["sales"].value is None


def test_an_unknown_level_names_the_known(little_chain: Shop) -> None:
    with pytest.raises(MissingError, match="R01"):
        report(little_chain, level="nowhere")
    with pytest.raises(MissingError, match="did you mean 'R01'"):
        report(little_chain, level="R1")


def test_a_level_may_be_named(little_chain: Shop) -> None:
    named = organisation(little_chain, little_chain.last_day()).unit("R01").name
    assert named
    assert report(little_chain, level=named).morning.level == "R01"


def test_two_levels_of_one_name_ask_for_the_id() -> None:
    units = {one: Unit(one, "area", "East", CHAIN) for one in ("A1", "A2")}
    with pytest.raises(MissingError, match="2 levels are called 'East'") as raised:
        Organisation(units, {}).unit("East")
    assert "A1 East, A2 East" in str(raised.value)


def test_what_stands_by_itself_says_when(little_chain: Shop) -> None:
    day = little_chain.last_day()
    found = report(little_chain, as_of=day - timedelta(days=30))
    assert found.stands_at == dict.fromkeys(("profile", "segment_member", "offer_plan", "effect"), day)
    document = report_document(little_chain, found)
    assert document["stands_at"]["profile"] == day
    assert {campaign["effect_as_of"] for campaign in document["campaigns"]} <= {day, None}


def test_segments_are_named_in_the_readers_language(journey: Shop) -> None:
    english, chinese = report(journey).names, report(journey, language="zh").names
    assert (english["champions"], chinese["champions"]) == ("Champions", "核心高价值会员")


def test_comparable_stores_are_marked(little_chain: Shop) -> None:
    day = little_chain.last_day()
    since = {
        row["store_id"]: row["comparable_from"]
        for row in _rows(little_chain, "SELECT store_id, comparable_from FROM store WHERE NOT comparable_from IS NULL")
    }
    children = [
        child for level in _levels(little_chain) for child in report(little_chain, level=level).morning.children
    ]
    marked = {child["id"]: child["comparable"] for child in children if child["kind"] == "store"}
    assert True in marked.values()
    assert marked == {store: store in since and since[store] <= day for store in marked}


def test_a_day_that_is_not_over_is_refused(journey: Shop) -> None:
    for later in (0, 1):
        with pytest.raises(DataError, match="not over"):
            report(journey, as_of=journey.today() + timedelta(days=later))


def test_a_day_before_all_data_is_refused_and_computes_nothing(journey: Shop) -> None:
    with pytest.raises(DataError, match="order lines: 2017-01-01 to 2017-12-31"):
        report(journey, as_of=date(2016, 12, 31))
    with pytest.raises(DataError, match="no data by 2016-12-31"):
        run(journey, ("profile",), as_of=date(2016, 12, 31))


@pytest.fixture(params=["journey", "little_chain"])
def document(request: pytest.FixtureRequest) -> Any:
    shop: Shop = request.getfixturevalue(request.param)
    return json.loads(json.dumps(report_document(shop, report(shop)), default=str))


def test_the_document_has_the_promised_shape(document: dict[str, Any]) -> None:
    assert {"as_of", "seconds", "tables", "people", "lifecycle", "segments", "models"} <= set(document)
    assert date.fromisoformat(document["as_of"])
    assert isinstance(document["people"], int)
    assert set(document["tables"]["order_line"]) >= {"rows", "refused"}
    assert all(isinstance(n, int) for n in document["lifecycle"].values())
    for name, card in document["models"].items():
        assert {"name", "version", "trained_until", "test", "metrics", "baselines", "code_hash"} <= set(card), name
        assert {"from", "rows"} <= set(card["test"])
        assert {"auc", "average_precision", "top_tenth_rate"} <= set(card["metrics"])
        assert all(set(card["metrics"]) == set(metrics) for metrics in card["baselines"].values())


def test_the_worker_keeps_the_report_as_json(journey: Shop) -> None:
    file = make_morning_report(journey)
    assert file.name == f"{journey.last_day()}.json"
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert kept["people"] == report(journey).people


def test_a_plan_is_named_by_its_campaign_before_that_begins(tmp_path: Path) -> None:
    day = date(2026, 3, 31)
    with init(tmp_path / "shop") as shop:
        sold = {"business_day": day, "store_id": "s", "sales": 10, "member_sales": 0, "tickets": 1, "items": 1}
        fill(shop, "store_day", [sold])
        fill(shop, "campaign", [{"campaign_id": "C7", "name": "午餐加餐", "starts_on": day + timedelta(days=1)}])
        planned = {"campaign_id": "C7", "person_id": "t:a", "offer_id": "o", "as_of": day, "expected_value": 2.0}
        fill(shop, "offer_plan", [planned | {"is_holdout": False}])
        found = report(shop, as_of=day)
    assert found.campaigns == (), "it has not begun"
    (step,) = [step for step in found.next if step["key"] == "send_plan"]
    assert "午餐加餐" in next_sentence(step, "CNY", "zh")
