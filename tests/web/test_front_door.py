"""The pages of the front door in a real Chromium, over a shop that took events for a day."""

import re
import time

import httpx
import pytest
from playwright.sync_api import expect

from shopkeeper.app.audit import AuditRow
from shopkeeper.app.pages.refused_events import Chosen, refused_events
from shopkeeper.app.pages.sources import sources, waits
from shopkeeper.app.shop import Shop
from shopkeeper.app.traces import mark_of
from shopkeeper.base.errors import MissingError
from tests.web.conftest import Opened, post
from tests.web.door import PHONE
from tests.web.test_browser import _DRAWN, _holds_labels, _violations


@pytest.mark.browser
@pytest.mark.parametrize(("language", "theme", "width"), [("en", "light", 1280), ("zh", "dark", 390)])
def test_the_pages_of_the_front_door_are_accessible_and_fit(
    open_page: Opened, address: str, shop: Shop, shopper: str, language: str, theme: str, width: int
) -> None:
    newest = refused_events(shop, Chosen()).newest[0]
    page = open_page("/sources", language=language, theme=theme, width=width)
    for path in (
        "/sources?days=7&source=web",
        "/sources/refused",
        f"/sources/refused/{newest.refused_id}",
        f"/people/{shopper}",
    ):
        page.goto(address + path)
        for folded in page.locator("main details").all():
            folded.evaluate("each => each.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert _violations(page) == [], path


@pytest.mark.browser
def test_the_hours_drawn_are_those_of_the_log(open_page: Opened, shop: Shop, shopper: str) -> None:
    del shopper
    chart = open_page("/sources?source=web").locator("[data-chart]").evaluate(_DRAWN)
    _holds_labels(chart)
    found = sources(shop, chosen="web")
    assert len(chart["labels"]) == 24
    assert chart["series"] == [
        [hour.tally.accepted for hour in found.hours],
        [hour.tally.duplicate for hour in found.hours],
        [hour.tally.refused for hour in found.hours],
    ]


def test_what_came_adds_up_by_source_and_hour(shop: Shop, shopper: str) -> None:
    del shopper
    found = sources(shop)
    by_name = {row.name: row.tally for row in found.rows}
    # Four things of each visit are taken; the order of a public key and what is nobody's are not.
    assert (by_name["web"].accepted, by_name["web"].duplicate, by_name["web"].refused) == (36, 0, 18)
    assert (by_name["till"].accepted, by_name["till"].duplicate, by_name["till"].refused) == (9, 9, 0)
    assert found.tally.received == 72 == sum(hour.tally.received for hour in found.hours)
    assert [row.kinds for row in found.rows] == [("browser",), ("server",)]
    assert not found.takes
    with pytest.raises(MissingError):
        sources(shop, chosen="nobody")


def test_what_no_reader_has_taken_in_waits_since_it_came(shop: Shop, shopper: str) -> None:
    del shopper
    found = {each.reader: each for each in waits(shop)}
    assert (found["live"].requests, found["vault"].requests) == (0, 0)
    assert found["lake"].requests == 18  # no loader runs here
    seconds = found["lake"].seconds(shop.clock())
    assert seconds is not None
    assert 8 * 3600 < seconds < 9 * 3600


def test_refused_events_are_counted_by_reason_source_and_name(shop: Shop, shopper: str) -> None:
    del shopper
    found = refused_events(shop, Chosen(reason="no_id"))
    counted = {(group.reason, group.source, group.event): group.rows for group in found.groups}
    assert counted == {("server_only", "web", "Order Completed"): 9, ("no_id", "web", "Wxxxx xxxx"): 9}
    assert (found.total, found.waiting, len(found.newest)) == (18, 9, 9)
    assert {each.event for each in found.newest} == {"Wxxxx xxxx"}


def test_a_refused_event_is_masked_and_shown_for_a_reason_only(client: httpx.Client, shop: Shop, shopper: str) -> None:
    del shopper
    one = refused_events(shop, Chosen(reason="server_only")).newest[0]
    path = f"/sources/refused/{one.refused_id}"
    masked = client.get(path).text
    assert "ticket-" not in masked
    assert "order_id" in masked
    assert "Order Completed" in masked
    assert "make a server key" in masked
    assert post(client, f"{path}/reveal", {"reason": "x"}, form=path).status_code == 400
    before = shop.state.audit.head()[0]
    shown = post(client, f"{path}/reveal", {"reason": "the till asks"}, form=path)
    assert re.search(r"ticket-\d", shown.text)
    rows = [row for row in shop.state.audit.rows(after=before) if row.what == "refused.reveal"]
    assert [(row.target, row.detail) for row in rows] == [(one.refused_id, {"reason": "the till asks"})]


def test_what_still_breaks_the_rule_goes_on_waiting(client: httpx.Client, shop: Shop, shopper: str) -> None:
    del shopper
    form = {"waiting": "9", "reason": "no_id"}
    page = post(client, "/sources/refused/replay", form, form="/sources/refused").text
    assert "Still refused:" in page
    assert refused_events(shop, Chosen(reason="no_id")).waiting == 9
    wrong = post(client, "/sources/refused/replay", form | {"after": "yesterday"}, form="/sources/refused")
    assert wrong.status_code == 400


def test_the_stream_tells_only_what_is_new_and_masks_the_phone(client: httpx.Client, shop: Shop, shopper: str) -> None:
    begun = shop.state.audit.head()[0]
    page = client.get(f"/people/{shopper}").text
    assert "Order Completed" in page
    assert PHONE not in page
    assert "+86138****5678" in page or "138****5678" in page
    (after,) = re.findall(r"now\?after=(\d+)", page)
    before = _noted(client, shop, begun)[-1].seq
    assert client.get(f"/people/{shopper}/now?after={after}").status_code == 204
    fresh = client.get(f"/people/{shopper}/now?after={int(after) - 1}")
    assert fresh.status_code == 200
    assert fresh.text.count('class="arrived"') == 1
    assert client.get("/people/nobody/now").status_code == 404
    seen = [row.target for row in _noted(client, shop, before) if row.what == "people.read"]
    assert seen == [mark_of(shop, shopper)], "who is told that nothing came has seen nothing"


def _noted(client: httpx.Client, shop: Shop, after: int) -> list[AuditRow]:
    """The rows behind one, once a later view is among them: what waited before it has gone in with it."""
    client.get("/audit")
    until = time.monotonic() + 5
    while time.monotonic() < until:
        found = list(shop.state.audit.rows(after=after))
        if any(row.what == "audit.read" for row in found):
            return found
        time.sleep(0.02)
    raise AssertionError("the views were not noted")


@pytest.mark.browser
def test_the_stream_can_be_held_and_followed_again(open_page: Opened, shopper: str) -> None:
    page = open_page(f"/people/{shopper}")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#now")).to_contain_text("paused")
    assert page.locator("#now [hx-trigger]").count() == 0
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#now [hx-trigger]")).to_have_count(1)
