"""The lifecycle page edits cut-points as versions; members' pages say what they cover."""

import re
from pathlib import Path

import httpx
import pytest

from shopkeeper.app.cuts import newest, versions
from shopkeeper.app.pages.coverage import coverage_page, covered
from shopkeeper.app.shop import Shop, init
from shopkeeper.schema.query import Query
from shopkeeper.web.language import LANGUAGE_COOKIE
from tests.web.conftest import new_session, post, serving, token

PAGE = "/people/lifecycle"
MEMBERS_PAGES = (
    "/", "/people", PAGE, "/people/complete_journey:8", "/segments", "/segments/champions", "/segments/overlap",
    "/campaigns", "/models", "/models/response",
)  # fmt: skip


def _fields(shop: Shop, **changed: str) -> dict[str, str]:
    values = {name: str(value) for name, value in newest(shop, "lifecycle").settings.model_dump().items()}
    return {**values, "kind": "lifecycle", "expected": str(newest(shop, "lifecycle").number), **changed}


def _stage(shop: Shop, where: str) -> int:
    (row,) = shop.arrow(Query.from_sql(f"SELECT count(*) AS n FROM profile WHERE {where}")).to_pylist()
    return int(row["n"])


def test_the_balance_on_the_page_is_that_of_the_lake(client: httpx.Client, shop: Shop) -> None:
    closing = _stage(shop, "lifecycle_fixed IN ('active', 'new')")
    answer = client.get(PAGE, params={"days": "90"})
    (whole,) = re.findall(r'<th scope="row">All stores</th>(.*?)</tr>', answer.text, re.DOTALL)
    opening, new, recalled, sleeping, lapsed, shown = map(
        int, (cell.replace(",", "") for cell in re.findall(r"<strong>([\d,]+)</strong>", whole))
    )
    assert opening + new + recalled - sleeping - lapsed == shown == closing
    assert "version 1" in answer.text
    assert client.get(PAGE, params={"days": "8"}).status_code == 400


def test_preview_changes_nothing_save_makes_a_version_and_back_another(client: httpx.Client, shop: Shop) -> None:
    asked = post(client, f"{PAGE}/preview", _fields(shop, sleeping_days="30", lapsed_days="60"), form=PAGE)
    assert asked.status_code == 200
    assert re.search(r"[\d,]+ of [\d,]+ people would move", asked.text)
    assert [each.number for each in versions(shop, "lifecycle")] == [1]

    saved = post(client, f"{PAGE}/save", _fields(shop, sleeping_days="30", lapsed_days="60"), form=PAGE)
    assert saved.status_code == 303
    second = newest(shop, "lifecycle")
    assert (second.number, second.set_by) == (2, "tester")
    assert second.changed == {"sleeping_days": (90, 30), "lapsed_days": (180, 60)}
    shown = client.get(PAGE).text
    assert "People still carry other cut-points" in shown
    assert "90 → 30" in shown

    late = post(client, f"{PAGE}/save", _fields(shop, expected="1", sleeping_days="40"), form=PAGE)
    assert late.status_code == 409
    client.cookies.set(LANGUAGE_COOKIE, "zh")
    late = post(client, f"{PAGE}/save", _fields(shop, expected="1", sleeping_days="40"), form=PAGE)
    assert "其间已有人保存了别的分界点。请查看后再保存。" in late.text
    client.cookies.delete(LANGUAGE_COOKIE)
    back = post(client, f"{PAGE}/back", {"kind": "lifecycle", "version": "1"}, form=PAGE)
    assert back.status_code == 303
    assert newest(shop, "lifecycle").label == versions(shop, "lifecycle")[-1].label
    assert "People still carry other cut-points" not in client.get(PAGE).text


def test_before_the_first_profile_the_preview_says_so(tmp_path: Path) -> None:
    with init(tmp_path / "new") as shop:
        shop.state.users.add("ada", "a long enough password", "admin", now=shop.clock())
        with serving(shop) as address, httpx.Client(base_url=address, timeout=60) as client:
            client.cookies.set("shopkeeper_session", new_session(shop))
            data = _fields(shop) | {"csrf": token(client, PAGE)}
            asked = client.post(f"{PAGE}/preview", data=data, headers={"origin": address, "hx-request": "true"})
            assert asked.status_code == 200, "htmx drops what failed"
            assert "Nobody has a profile yet" in asked.text
            assert "<html" not in asked.text
            plain = client.post(f"{PAGE}/preview", data=data, headers={"origin": address})
            assert plain.status_code == 404
            assert "Nobody has a profile yet" in plain.text


@pytest.mark.parametrize(("language", "words"), [("en", "is 10, not more than 50"), ("zh", "是 10，应为大于 50")])
def test_wrong_cut_points_are_told_in_the_language_and_stay_in_the_form(
    client: httpx.Client, shop: Shop, language: str, words: str
) -> None:
    client.cookies.set(LANGUAGE_COOKIE, language)
    fields = _fields(shop, sleeping_days="50", lapsed_days="10")
    for action in ("preview", "save"):
        answer = post(client, f"{PAGE}/{action}", fields, form=PAGE)
        assert answer.status_code == 422
        assert words in answer.text
        assert re.search(r'name="lapsed_days"[^>]* value="10"', answer.text)


@pytest.mark.parametrize(("language", "words"), [("en", "must be at most 36500"), ("zh", "应不大于 36500")])
def test_a_cut_point_too_far_away_is_refused_in_the_language(
    client: httpx.Client, shop: Shop, language: str, words: str
) -> None:
    client.cookies.set(LANGUAGE_COOKIE, language)
    answer = post(client, f"{PAGE}/save", _fields(shop, sleeping_days="999999", lapsed_days="9999999"), form=PAGE)
    assert answer.status_code == 422
    assert answer.text.count(words) == 2
    assert "Input should" not in answer.text


def test_points_of_rfm_are_four_inputs_each(client: httpx.Client, shop: Shop) -> None:
    shown = client.get(PAGE).text
    for name, values in newest(shop, "rfm").settings.model_dump().items():
        found = re.findall(rf'name="{name}"[^>]* value="(\d+)"', shown)
        assert found == [str(value) for value in values]
    origin = str(client.base_url).rstrip("/")
    token = re.search(r'name="csrf" value="(\w+)"', shown)
    assert token is not None
    fields = [("kind", "rfm"), ("csrf", token[1]), *(("recency_cuts", each) for each in ("9", "30", "60", "50"))]
    content = "&".join(f"{name}={value}" for name, value in fields)
    headers = {"origin": origin, "content-type": "application/x-www-form-urlencoded", "hx-request": "true"}
    answer = client.post(f"{PAGE}/preview", content=content, headers=headers)
    assert "rfm.recency_cuts" in answer.text
    assert "<html" not in answer.text, "htmx gets the moves alone"
    assert post(client, f"{PAGE}/save", {"kind": "other"}, form=PAGE).status_code == 404


@pytest.mark.parametrize("path", MEMBERS_PAGES)
@pytest.mark.parametrize(("language", "kinds"), [("en", "Tobacco, Services"), ("zh", "烟草、服务")])
def test_every_page_about_members_says_what_it_covers_and_leaves_out(
    client: httpx.Client, shop: Shop, path: str, language: str, kinds: str
) -> None:
    client.cookies.set(LANGUAGE_COOKIE, language)
    part = covered(shop)
    assert part.sales is not None
    text = client.get(path).text
    (note,) = re.findall(r'<p class="note members-note">(.*?)</p>', text, re.DOTALL)
    assert f"{part.sales:.1%}" in note
    assert f"{part.tickets:.1%}" in note
    assert 'href="/people/coverage"' in note
    assert kinds in note


def test_coverage_adds_up_by_store_channel_and_hour(client: httpx.Client, shop: Shop) -> None:
    found = coverage_page(shop)
    assert found is not None
    part = covered(shop)
    assert (found.whole.sales_share, found.whole.ticket_share) == (
        pytest.approx(part.sales),
        pytest.approx(part.tickets),
    )
    for group in ("channel", "hour"):
        shares = found.by[group]  # type: ignore[index]
        assert sum(each.tickets for each in shares) == found.whole.tickets
        assert sum(each.sales for each in shares) == pytest.approx(found.whole.sales)
    assert found.of >= len(found.by["store_id"]) > 0
    assert client.get("/people/coverage", params={"days": "28"}).status_code == 200
    assert client.get("/people/coverage", params={"days": "29"}).status_code == 400
