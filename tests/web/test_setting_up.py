"""Users, web hooks, consent texts and keys, as an admin sets them up in the console."""

import re
from collections.abc import Iterator
from datetime import timedelta
from random import Random

import httpx
import pytest

from shopkeeper.app.api_key import create_key
from shopkeeper.app.consent_texts import consent_texts
from shopkeeper.app.pages.refused_events import Chosen, refused_events
from shopkeeper.app.shop import Shop, init
from shopkeeper.app.user import add_user
from shopkeeper.app.web_hooks import door_of, send_due
from shopkeeper.storage.state.live_segments import NewChange, Turn
from tests.shop import PASSWORD, USER, fill
from tests.storage.test_web_hook import Receiver
from tests.web.conftest import serving
from tests.web.door import open_front_door
from tests.web.roles import asking_as, form_headers


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with init(tmp_path_factory.mktemp("setting-up") / "shop", {"web.hooks_to_loopback": True}) as made:
        add_user(made, USER, "admin", PASSWORD)
        add_user(made, "viewer", "auditor", PASSWORD)
        add_user(made, "desk", "service", PASSWORD)
        fill(made, "store", [{"store_id": "s1", "name": "West Gate"}, {"store_id": "s2"}])
        yield made


@pytest.fixture(scope="module")
def served(shop: Shop) -> Iterator[str]:
    with serving(shop) as address:
        yield address


@pytest.fixture
def admin(shop: Shop, served: str) -> Iterator[httpx.Client]:
    with asking_as(shop, served, USER) as client:
        client.headers.update(form_headers(client))
        yield client


def _shown_once(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    (secret,) = re.findall(r'id="secret">([^<]+)<', answer.text)
    return str(secret)


def test_a_user_is_added_placed_disabled_and_let_in_again(admin: httpx.Client, shop: Shop) -> None:
    form = {"name": "mei", "role": "store_manager", "branch": "", "stores": ["s1", "s2"]}
    password = _shown_once(admin.post("/users", data=form))
    mei = shop.state.users.check("mei", password)
    assert mei is not None
    assert shop.state.users.stores_of(mei.id) == ("s1", "s2")
    assert "West Gate" in admin.get("/users").text
    session, _ = shop.state.sessions.start(mei.id, now=shop.clock())
    placed = admin.post(f"/users/{mei.id}/role", data={"role": "marketer", "stores": ["s1"]})
    assert placed.headers["location"] == "/users"
    assert (shop.state.users.get(mei.id).role, shop.state.users.stores_of(mei.id)) == ("marketer", ())
    other = _shown_once(admin.post(f"/users/{mei.id}/password"))
    assert shop.state.users.check("mei", password) is None
    assert shop.state.users.check("mei", other) is not None
    assert shop.state.sessions.find(session, now=shop.clock()) is None
    admin.post(f"/users/{mei.id}/disable")
    assert shop.state.users.check("mei", other) is None
    admin.post(f"/users/{mei.id}/enable")
    assert shop.state.users.check("mei", other) is not None
    said = [row.what for row in shop.state.audit.rows() if row.target == mei.id and row.what.startswith("user.")]
    assert said == ["user.add", "user.place", "user.password", "user.disable", "user.enable"]


def test_a_role_that_sees_stores_needs_some_and_the_last_admin_stays(admin: httpx.Client, shop: Shop) -> None:
    refused = admin.post("/users", data={"name": "wu", "role": "store_manager"})
    assert (refused.status_code, "needs stores" in refused.text) == (422, True)
    last = shop.state.users.named(USER)
    for path, form in (("disable", {}), ("role", {"role": "analyst"})):
        answer = admin.post(f"/users/{last.id}/{path}", data=form)
        assert (answer.status_code, "is the last admin" in answer.text) == (422, True)
    assert shop.state.users.get(last.id).role == "admin"
    assert f"/users/{last.id}/disable" not in admin.get("/users").text


def test_a_web_hook_is_made_tried_held_back_and_removed(admin: httpx.Client, shop: Shop) -> None:
    receiver = Receiver()
    try:
        url = f"http://127.0.0.1:{receiver.port}/hook"
        assert _shown_once(admin.post("/web-hooks", data={"name": "crm", "url": url})).startswith("whsec_")
        assert "took the test message" in admin.post("/web-hooks/crm/test").text
        assert receiver.got[0][1]["webhook-signature"].startswith("v1,")
        receiver.status = 500
        assert "status 500" in admin.post("/web-hooks/crm/test").text
        receiver.status = 200
        changes = [NewChange("buyers", 1, "p1", "entered", shop.clock(), "event")]
        shop.state.live_segments.keep(Turn(changes), shop.state.web_hooks.wanted())
        admin.post("/web-hooks/crm/pause", data={"paused": "true"})
        assert "held back" in admin.get("/web-hooks").text
        assert _sent(shop) == 0
        admin.post("/web-hooks/crm/pause", data={"paused": "false"})
        assert _sent(shop) == 1
        page = admin.get("/web-hooks").text
        assert "buyers" in page
        assert "held back" not in page
        admin.post("/web-hooks/crm/remove")
        assert shop.state.web_hooks.all() == []
        refused = admin.post("/web-hooks", data={"name": "in", "url": "https://10.0.0.1:22/x"})
        assert (refused.status_code, "port 22" in refused.text) == (422, True)
    finally:
        receiver.close()


def _sent(shop: Shop) -> int:
    later = shop.clock() + timedelta(seconds=1)
    return send_due(shop.state, shop.sealing, door_of(shop), now=later, random=Random(1))  # noqa: S311 - spreads retries


def test_a_new_text_is_in_force_and_never_changes(admin: httpx.Client, shop: Shop, served: str) -> None:
    form = {
        "version": "2026-11",
        "purpose": "marketing",
        "body_en": "I agree to offers.",
        "body_zh": "我同意接收优惠。",
    }
    assert admin.post("/consent-texts", data=form).headers["location"] == "/consent-texts"
    assert admin.post("/consent-texts", data={**form, "body_en": "Other."}).status_code == 422
    assert admin.post("/consent-texts", data={**form, "version": "2026-12"}).status_code == 303
    assert admin.post("/consent-texts", data={**form, "version": "a b"}).status_code == 422
    assert admin.post("/consent-texts", data={"version": "x", "purpose": "marketing"}).status_code == 422
    assert [(each.version, each.in_force) for each in consent_texts(shop)] == [("2026-12", True), ("2026-11", False)]
    with asking_as(shop, served, "desk") as desk:
        page = desk.get("/consent-texts").text
        assert "我同意接收优惠。" in page
        assert "<textarea" not in page
        assert desk.post("/consent-texts", data=form, headers=form_headers(desk)).status_code == 403


def test_a_key_says_how_long_it_holds_and_how_its_webhooks_are_signed(admin: httpx.Client) -> None:
    made = admin.post("/keys", data={"name": "till", "scopes": "collect", "source": "till", "days": "30"})
    assert _shown_once(made).startswith("sk_server_")
    assert re.search(r"/hooks/key_\w+", made.text)
    assert re.search(r"<code>whsec_[\w+/=]+</code>", made.text)
    asking = admin.post("/keys", data={"name": "report", "scopes": ["report.read", "segments.read"]})
    assert _shown_once(asking).startswith("sk_server_")
    listed = admin.get("/keys").text
    assert "for ever" in listed
    assert admin.post("/keys", data={"name": "nothing"}).status_code == 422


def test_what_a_role_may_not_do_has_no_button(shop: Shop, served: str) -> None:
    with asking_as(shop, served, "viewer") as viewer:
        assert 'href="/upload"' not in viewer.get("/data").text
        assert 'href="/data/refused"' not in viewer.get("/data").text
        assert "<button" not in viewer.get("/data/jobs").text.partition("<main")[2]
        assert 'href="/keys' not in viewer.get("/sources").text
    with asking_as(shop, served, USER) as admin:
        assert 'href="/upload"' in admin.get("/data").text  # the positive control
        assert 'href="/keys' in admin.get("/sources").text


def test_a_replay_that_nobody_takes_says_so_and_loses_nothing(admin: httpx.Client, shop: Shop) -> None:
    open_front_door(shop, hours=1)
    create_key(shop, ["collect"], source="web", by=USER)
    answer = admin.post("/sources/refused/replay", data={"waiting": "1", "reason": "server_only"})
    assert (answer.status_code, "shopkeeper serve" in answer.text) == (503, True)
    assert refused_events(shop, Chosen(reason="server_only")).waiting == 1
