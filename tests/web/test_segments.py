import csv
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
import python_calamine
from hypothesis import given
from hypothesis import strategies as some
from starlette.datastructures import FormData

from shopkeeper.app.pages.builder import catalogue_of, draft_of, edited
from shopkeeper.app.pages.person import person_page
from shopkeeper.app.pages.segments import segment_page
from shopkeeper.app.shop import Shop, init
from shopkeeper.app.user import add_user
from shopkeeper.schema.query import Query
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.edit import to_form
from shopkeeper.web.builder_form import PREFIX, audience_fields
from shopkeeper.web.language import LANGUAGE_COOKIE
from tests.shop import AS_OF, PASSWORD, USER, fill
from tests.web.conftest import new_session, post, serving

KINDS = ("trait", "did", "first", "score", "segment", "near", "consent", "all", "any")


def _fields(draft: Any) -> FormData:
    return FormData(
        [(f"{PREFIX}{path}", value) for path, value in to_form(draft).items()] + [("csrf", "x"), ("name", "y")]
    )


@given(some.lists(some.tuples(some.sampled_from(KINDS), some.integers(0, 2)), max_size=6))
def test_what_the_form_holds_is_the_draft(steps: list[tuple[str, int]]) -> None:
    draft: dict[str, Any] = {"all": []}
    for kind, place in steps:
        groups = ["", *(f"all[{n}]" for n, child in enumerate(draft["all"]) if "all" in child or "any" in child)]
        draft = edited(draft, f"add:{groups[place % len(groups)]}:{kind}")
    once = draft_of(audience_fields(_fields(draft)), Catalogue())
    twice = draft_of(audience_fields(_fields(once)), Catalogue())
    assert once == twice
    assert [_kind(child) for child in once["all"]] == [_kind(child) for child in draft["all"]]


def _kind(node: dict[str, Any]) -> str:
    return next(
        key for key in (*KINDS[:1], "did", "first", "score", "segment", "near", "consent", "all", "any") if key in node
    )


def test_several_choices_of_one_field_are_one_list(shop: Shop) -> None:
    form = FormData(
        [
            ("r.all[0].trait", "lifecycle"),
            ("r.all[0].op", "in"),
            ("r.all[0].value", "new"),
            ("r.all[0].value", "active"),
        ]
    )
    draft = draft_of(audience_fields(form), catalogue_of(shop))
    assert draft == {"all": [{"trait": "lifecycle", "op": "in", "value": ["new", "active"]}]}


def test_an_operator_that_no_longer_fits_its_trait_is_set_right(shop: Shop) -> None:
    fields = {"all[0].trait": "lifecycle", "all[0].op": ">=", "all[0].value": "5"}
    assert draft_of(fields, catalogue_of(shop))["all"][0]["op"] in ("=", "!=")


def test_saving_twice_from_the_same_page_tells_the_second_one(client: httpx.Client, shop: Shop) -> None:
    rule = {"r.all[0].trait": "orders_ever", "r.all[0].op": ">=", "r.all[0].value": "5"}
    given_fields = {**rule, "name": "twice", "label_en": "Twice", "label_zh": "两次", "original": ""}
    assert post(client, "/segments/save", given_fields, form="/segments/new").status_code == 303
    page = {**given_fields, "original": "twice", "expected": "1"}
    first = post(client, "/segments/save", {**page, "r.all[0].value": "6"}, form="/segments/new")
    second = post(client, "/segments/save", {**page, "r.all[0].value": "7"}, form="/segments/new")
    assert (first.status_code, second.status_code) == (303, 409)
    assert shop.state.segments.get("twice").tree == {"all": [{"trait": "orders_ever", "op": ">=", "value": 6}]}
    assert post(client, "/segments/twice/archive", {}, form="/segments/twice").status_code == 303


def test_a_wrong_rule_is_not_saved_and_stays_on_the_page(client: httpx.Client, shop: Shop) -> None:
    rule = {"r.all[0].trait": "orders_ever", "r.all[0].op": ">=", "r.all[0].value": "many", "name": "wrong"}
    answer = post(client, "/segments/save", rule, form="/segments/new")
    assert answer.status_code == 422
    assert 'value="many"' in answer.text
    assert "wrong" not in {each.name for each in shop.state.segments.all()}


@pytest.mark.parametrize(
    ("language", "words", "heading"),
    [
        ("en", "&#39;many&#39; is not a number", "The audience is not right yet"),
        ("zh", "&#39;many&#39; 不是数字", "人群规则还不正确"),
    ],
)
def test_faults_are_told_in_the_language_of_the_page(
    client: httpx.Client, language: str, words: str, heading: str
) -> None:
    client.cookies.set(LANGUAGE_COOKIE, language)
    rule = {"r.all[0].trait": "orders_ever", "r.all[0].op": ">=", "r.all[0].value": "many", "name": "wrong"}
    for path in ("/segments/preview", "/segments/builder", "/segments/save"):
        answer = post(client, path, rule, form="/segments/new")
        assert words in answer.text, path
        assert "all[0].value" in answer.text, path
    assert heading in answer.text


def test_a_name_that_does_not_serve_is_told_in_the_language_of_the_page(client: httpx.Client) -> None:
    client.cookies.set(LANGUAGE_COOKIE, "zh")
    answer = post(client, "/segments/save", {**RULE, "name": "a b!", "label_zh": "老客"}, form="/segments/new")
    assert answer.status_code == 422
    assert "简称最多 80 个字符" in answer.text
    assert "is no name" not in answer.text


def test_members_as_a_file_are_the_people_of_the_segment(client: httpx.Client, shop: Shop) -> None:
    text = client.get("/segments/champions/members.csv").content
    assert text.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    book = python_calamine.load_workbook(io.BytesIO(client.get("/segments/champions/members.xlsx").content))
    sheet = book.get_sheet_by_index(0).to_python()
    listed = client.get("/api/v1/persons", params={"segment": "champions", "limit": 1}).json()["total"]
    assert len(rows) == len(sheet) - 1 == listed > 0
    assert [row["person_id"] for row in rows] == [row[0] for row in sheet[1:]]
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    seen = [row for row in shop.state.audit.rows(limit=10_000) if row.what == "segment.export"]
    assert {row.detail["as"] for row in seen} >= {"csv", "xlsx"}


def test_members_come_in_no_other_form(client: httpx.Client) -> None:
    assert client.get("/segments/champions/members.exe").status_code == 400
    assert client.get("/segments/none/members.csv").status_code == 404


RULE = {"r.all[0].trait": "orders_ever", "r.all[0].op": ">=", "r.all[0].value": "5"}


def test_a_chinese_title_is_all_that_a_new_segment_needs(client: httpx.Client, shop: Shop) -> None:
    saved = [
        post(client, "/segments/save", {**RULE, "label_zh": title, "expected": "0"}, form="/segments/new")
        for title in ("老客", "常客")
    ]
    assert [answer.headers["location"] for answer in saved] == ["/segments/segment", "/segments/segment_2"]
    assert shop.state.segments.get("segment_2").label_en == "常客"
    for name in ("segment", "segment_2"):
        shop.state.segments.archive(name, by="test", now=shop.clock())


def test_a_new_segment_never_takes_the_place_of_another(client: httpx.Client, shop: Shop) -> None:
    before = shop.state.segments.get("champions")
    given_fields = {**RULE, "name": "champions", "label_en": "Mine", "expected": "0"}
    answer = post(client, "/segments/save", given_fields, form="/segments/new")
    assert answer.status_code == 409
    assert "There is a segment of this short name already" in answer.text
    assert shop.state.segments.get("champions") == before


def test_a_segment_is_of_use_before_the_next_run(client: httpx.Client, shop: Shop) -> None:
    rule = {
        "all": [{"trait": "rfm_recency", "op": ">=", "value": 4}, {"trait": "rfm_frequency", "op": ">=", "value": 4}]
    }
    shop.state.segments.save("fresh", rule, label_en="Fresh", label_zh="新", by="test", now=shop.clock())
    query = Query.from_sql(
        "SELECT COUNT(*) AS n FROM profile WHERE rfm_recency >= 4 AND rfm_frequency >= 4", name="expected"
    )
    (expected,) = shop.arrow(query).to_pylist()
    found = segment_page(shop, "fresh")
    assert (found.row.people, found.row.is_kept) == (expected["n"], False)
    assert expected["n"] > 0
    inside = {each.trait: each.inside for each in found.compared}
    assert all(value is not None for value in inside.values())
    assert client.get("/api/v1/persons", params={"segment": "fresh", "limit": 1}).json()["total"] == expected["n"]
    text = client.get("/segments/fresh/members.csv").content.decode("utf-8-sig")
    assert len(text.splitlines()) == expected["n"] + 1
    person = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))).__next__()["person_id"]
    assert ("fresh", None) in {(each.segment, each.entered_at) for each in person_page(shop, person).segments}
    assert ">Fresh</a></li>" in client.get(f"/people/{person}").text, "in it, since when is not known"
    assert segment_page(shop, "champions").row.is_kept
    assert client.get("/segments/overlap").status_code == 200
    shop.state.segments.archive("fresh", by="test", now=shop.clock())


def test_putting_away_can_be_undone_at_once_and_later(client: httpx.Client, shop: Shop) -> None:
    answer = post(client, "/segments/rising/archive", {}, form="/segments/rising")
    assert answer.headers["location"] == "/segments?away=rising"
    page = client.get("/segments?away=rising").text
    assert "Undo" in page
    assert 'href="/segments/rising"' not in page
    assert "Undo" not in client.get("/segments?away=champions").text
    assert "Take back" in client.get("/segments").text
    answer = post(client, "/segments/rising/restore", {}, form="/segments")
    assert (answer.status_code, answer.headers["location"]) == (303, "/segments/rising")
    assert shop.state.segments.get("rising").archived_at is None
    kept = [row.what for row in shop.state.audit.rows(limit=10_000) if row.what.startswith("segment.")]
    assert kept[-2:] == ["segment.archive", "segment.restore"]
    assert post(client, "/segments/rising/restore", {}, form="/segments").status_code == 404


def test_an_older_version_can_be_begun_from(client: httpx.Client, shop: Shop) -> None:
    for least in (5, 6):
        tree = {"all": [{"trait": "orders_ever", "op": ">=", "value": least}]}
        shop.state.segments.save("again", tree, label_en="Again", label_zh="再", by="test", now=shop.clock())
    page = client.get("/segments/again").text
    assert "Orders ever is at least 5" in page
    assert 'href="/segments/again/edit?version=1"' in page
    form = client.get("/segments/again/edit?version=1").text
    assert 'name="r.all[0].value" value="5"' in form
    assert 'name="expected" value="2"' in form
    assert client.get("/segments/again/edit?version=3").status_code == 404
    shop.state.segments.archive("again", by="test", now=shop.clock())


def test_stores_are_offered_by_what_they_are_called(tmp_path: Path) -> None:
    with init(tmp_path / "shop") as shop:
        add_user(shop, USER, "admin", PASSWORD)
        fill(shop, "store", [{"store_id": "S1", "name": "滨江店", "channel": "store"}])
        fill(shop, "profile", [{"person_id": "till:8", "as_of": AS_OF}])
        cookies = {"shopkeeper_session": new_session(shop)}
        rule = {"r.all[0].did": "order_line", "r.all[0].where[0].field": "store", "r.all[0].where[0].op": "="}
        with serving(shop) as address, httpx.Client(base_url=address, cookies=cookies, timeout=60) as client:
            assert client.get("/segments/new").status_code == 200
            answer = post(client, "/segments/builder", {**rule, "r.all[0].where[0].value": ""}, form="/segments/new")
    assert '<option value="S1">滨江店</option>' in answer.text
