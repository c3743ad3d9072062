import csv
import io
from typing import Any

import httpx
import pytest
import python_calamine
from hypothesis import given
from hypothesis import strategies as some
from starlette.datastructures import FormData

from shopkeeper.app.pages.builder import catalogue_of, draft_of, edited
from shopkeeper.app.shop import Shop
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.edit import to_form
from shopkeeper.web.builder_form import PREFIX, audience_fields
from shopkeeper.web.language import LANGUAGE_COOKIE
from tests.web.conftest import post

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
