"""What the pages say is what the lake holds."""

import itertools
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shopkeeper.app.pages.models import wilson
from shopkeeper.app.pages.overview import overview, weeks
from shopkeeper.app.pages.people import PeopleFilter, people
from shopkeeper.app.report import report
from shopkeeper.app.schedule import Work, Worker
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.app.user import add_user
from shopkeeper.base.errors import DataError
from shopkeeper.schema.query import Query
from shopkeeper.storage.models import Models
from shopkeeper.web import create_app
from shopkeeper.web.figures import Figures
from shopkeeper.web.routes.overview import next_steps
from tests.shop import AS_OF, PASSWORD, USER, fill, record
from tests.web.conftest import in_own_loop, new_session, post, serving


def _one(shop: Shop, text: str) -> float:
    (row,) = shop.arrow(Query.from_sql(text, name="expected")).to_pylist()
    return float(next(iter(row.values())))


def test_the_overview_counts_everybody_once(shop: Shop) -> None:
    found = overview(shop)
    assert (
        sum(stage.people for stage in found.stages)
        == found.wheel.people
        == _one(shop, "SELECT COUNT(*) AS n FROM profile")
    )
    assert sum(stage.people_fixed for stage in found.stages) == found.wheel.people
    assert str(found.as_of) == "2017-12-31"


def test_four_weeks_are_those_up_to_the_day(shop: Shop) -> None:
    found = overview(shop).trade
    assert found is not None
    expected = _one(
        shop,
        "SELECT SUM(net_amount) AS n FROM order_line "
        "WHERE business_day BETWEEN DATE '2017-12-04' AND DATE '2017-12-31'",
    )
    assert found.now.sales == pytest.approx(expected)
    assert (str(found.before.first), str(found.before.last)) == ("2017-11-06", "2017-12-03")


def test_weeks_begin_on_monday_and_follow_each_other(shop: Shop) -> None:
    found = weeks(shop)
    assert {week.monday.isoweekday() for week in found} == {1}
    assert all((later.monday - week.monday).days == 7 for week, later in itertools.pairwise(found))
    assert sum(week.tickets for week in found) == _one(shop, "SELECT SUM(tickets) AS n FROM store_day")


def test_filters_add_up(shop: Shop) -> None:
    everybody = people(shop, PeopleFilter()).total
    by_stage = [
        people(shop, PeopleFilter(stage=stage)).total for stage in ("prospect", "new", "active", "sleeping", "lapsed")
    ]
    assert sum(by_stage) == everybody


def test_a_card_from_before_baselines_had_points_still_opens(
    client: httpx.Client, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {key: value for key, value in shop.models.get("response").card.items() if key != "baseline_gain"}
    older = Models(tmp_path)
    older.put("response", "older", {"model.zip": b""}, card)
    monkeypatch.setitem(shop.__dict__, "models", older)
    page = client.get("/models/response").text
    (spec,) = re.findall(r'id="chart-gain">.*?<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert [curve["name"] for curve in json.loads(spec)["curves"]] == ["The model", "Base rate (guessing)"]


def test_a_search_by_customer_id_goes_to_the_person(client: httpx.Client) -> None:
    answer = client.get("/people", params={"search": "8"})
    assert answer.headers["location"] == "/people/complete_journey:8"


def test_a_customer_id_of_two_sources_names_them(tmp_path: Path) -> None:
    with init(tmp_path / "shop") as shop:
        add_user(shop, USER, "admin", PASSWORD)
        fill(shop, "person", [record("app", "8"), record("till", "8"), record("till", "9")])
        fill(shop, "profile", [{"person_id": f"{each}", "as_of": AS_OF} for each in ("app:8", "till:8", "till:9")])
        cookies = {"shopkeeper_session": new_session(shop)}
        with serving(shop) as address, httpx.Client(base_url=address, cookies=cookies, timeout=60) as client:
            assert "Customer id 8 is in 2 sources: app, till." in client.get("/people?search=8").text
            assert client.get("/people?search=9").headers["location"] == "/people/till:9"


def test_the_data_page_tells_of_each_job_its_last_and_next_run_and_its_failures(tmp_path: Path) -> None:
    def fail() -> None:
        raise DataError("the till sent nonsense")

    began = datetime(2026, 9, 1, tzinfo=UTC)
    moments = [began]
    init(tmp_path / "shop", {"chain.time_zone": "UTC", "schedule.retries": 2}).close()
    with open_shop(tmp_path / "shop", clock=lambda: moments[0]) as shop:
        add_user(shop, USER, "admin", PASSWORD)
        worker = Worker(
            shop,
            [Work(name, do, lambda after: after + timedelta(hours=6)) for name, do in (("good", list), ("bad", fail))],
        )
        worker.plan()
        moments[0] += timedelta(hours=6)
        while worker.tick():
            pass
        cookies = {"shopkeeper_session": new_session(shop)}
        with serving(shop) as address, httpx.Client(base_url=address, cookies=cookies, timeout=60) as client:
            page = client.get("/data/jobs").text
    rows = {name: re.sub(r"<[^>]+>", " ", row) for name, row in re.findall(r"<tr><th[^>]*>(\w+)</th>(.*?)</tr>", page)}
    assert "waiting" in rows["good"]
    assert "06:00" in rows["good"]  # the last run
    assert "12:00" in rows["good"]  # the next
    assert "tries again" in rows["bad"]
    assert "the till sent nonsense" in rows["bad"]
    assert "06:01" in rows["bad"]  # the retry


@pytest.mark.parametrize(
    "path",
    [
        "/people?sort=(SELECT 1)",
        "/people?stage=' OR 1=1 --",
        "/people?cursor=WzEsMl0",
        "/report?as_of=2017-13-01",
        "/report?level=%00",
        "/models/none",
        "/models/response?version=none",
        "/data/tables/none",
        "/people/none",
        "/people/complete_journey:8/baskets/none/none",
        "/people/complete_journey:8?kind=nothing",
        "/segments/none",
    ],
)
def test_what_is_asked_wrongly_is_answered_kindly(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404)
    assert "<h1" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/people",
        "/report",
        "/campaigns",
        "/segments",
        "/segments/champions",
        "/segments/overlap",
        "/people/complete_journey:8",
        "/data/lineage",
    ],
)
def test_every_page_of_computed_figures_says_as_of_when(client: httpx.Client, path: str) -> None:
    assert re.search(r'class="as-of">.*?As of Dec 31, 2017', client.get(path).text, re.DOTALL)


def test_a_small_count_has_a_wide_interval() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(0.5, 0) == (0, 1)


def test_what_to_do_next_leads_to_the_place_itself(shop: Shop) -> None:
    found = replace(
        report(shop),
        names={"S4": "滨江店", "sleeping_but_valuable": "沉睡高价值会员"},
        next=(
            {"key": "fell", "place": "S4", "name": "滨江店", "amount": -478.9, "moved": "price", "where": "/report"},
            {"key": "fell", "place": "水果", "name": "水果", "amount": -20.0, "moved": None, "where": "/report"},
            {"key": "win_back", "n": 296, "amount": 138_254.3, "where": "/segments"},
            {"key": "send_plan", "campaign": "C7", "name": "午餐加餐", "n": 556, "amount": 402.66, "where": "/models"},
        ),
    )
    figures = Figures("zh", "CNY", "Asia/Shanghai")
    steps = next_steps(found, figures)
    assert [step["where"] for step in steps] == [
        f"/report?level=S4&as_of={found.morning.as_of}",
        "/report",
        "/segments/sleeping_but_valuable",
        "/campaigns",
    ]
    said = " ".join(step["sentence"] for step in steps)
    assert all(words in said for words in ("滨江店", "¥478.90", "¥13.83万", "午餐加餐"))
    assert next_steps(replace(found, names={}), figures)[2]["where"] == "/people?stage=sleeping"


def test_somebody_unknown_is_said_to_be_unknown_with_a_way_back(client: httpx.Client) -> None:
    page = client.get("/people/none").text
    assert "No person has this id." in page
    assert 'href="/people"' in page
    for path in ("/nowhere", "/people?segment=gone", "/people/none/baskets/till/1"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "No person has this id." not in answer.text
    gone = post(client, "/people/lifecycle/back", {"kind": "rfm", "version": "99"}, form="/people/lifecycle")
    assert gone.status_code == 404
    assert "No person has this id." not in gone.text


def test_quality_is_checked_from_the_page(client: httpx.Client) -> None:
    assert post(client, "/data/quality", {}, form="/data/quality").headers["location"] == "/data/quality"
    page = client.get("/data/quality").text
    assert "No key twice" in page
    assert "What is named is described: product_id" in page
    assert "Looked at" in page


def test_a_crash_is_answered_with_a_reference_and_says_nothing_of_itself(shop: Shop) -> None:
    def crash() -> None:
        raise RuntimeError("secret of the inside")

    app = create_app(shop)
    app.add_api_route("/crash", crash)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/crash")

    answer = in_own_loop(ask())
    assert answer.status_code == 500
    assert "secret of the inside" not in answer.text
    assert re.search(r"err_\w+", answer.text)
    assert "content-security-policy" in answer.headers
