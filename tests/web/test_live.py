"""What a person does is on their page at once: events sent to a running service, read through the API's own shape."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from segment import analytics as segment

from shopkeeper.app.api_key import create_key
from shopkeeper.app.event_replay import Chosen, replay_events, replay_some
from shopkeeper.app.load import load
from shopkeeper.app.pages.refused_events import refused_events
from shopkeeper.app.person_now import PersonNow, live_document, person_now, record_parts
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, open_shop
from shopkeeper.app.traces import mark_of
from shopkeeper.app.web_hooks import add_shop_hook
from shopkeeper.base.errors import MissingError
from shopkeeper.base.ids import new_id
from shopkeeper.segment.document import to_document
from shopkeeper.segment.line import parse
from tests.service import Running, running
from tests.storage.test_web_hook import Receiver
from tests.web.conftest import token

_PATIENCE = 60.0
_SOON = 5.0  # about a quarter of a second when the machine is quiet
_LOOPBACK = "SHOPKEEPER_WEB__HOOKS_TO_LOOPBACK"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("live") / "shop", {_LOOPBACK: "true"}) as found:
        yield found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def _once(service: Running, person: str, wanted: int) -> PersonNow:
    with open_shop(service.folder) as shop:
        began = time.monotonic()
        while True:
            try:
                found = person_now(shop, person)
            except MissingError:
                found = None
            if found is not None and sum(found.live.today.values()) >= wanted:
                return found
            assert time.monotonic() - began < _PATIENCE
            time.sleep(0.02)


def _track(event: str, number: int, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "messageId": f"live{number}"} | more


def test_browsing_signing_in_and_buying_are_on_one_page(service: Running) -> None:
    tea = {"product_id": "tea", "price": 9.9, "quantity": 2}
    batch = [
        _track("Product Viewed", 1, anonymousId="b1", properties={"product_id": "tea"}),
        _track("Product Added", 2, anonymousId="b1", properties=tea),
        {
            "type": "identify",
            "messageId": "live3",
            "anonymousId": "b1",
            "userId": "ann",
            "traits": {"phone": "13812345678"},
        },
    ]
    answer = service.post("/v1/batch", {"batch": batch * 2}).json()
    assert (answer["accepted"], answer["duplicate"]) == (3, 3)
    with open_shop(service.folder) as shop:
        user, phone = shop.tokens.token("user", "ann"), shop.tokens.token("phone", "13812345678")
    source = "app"
    found = live_document(_once(service, f"{source}:{user}", 3))
    assert (found["views"], found["cart"][0]["product_id"], found["today"]["identify"]) == (["tea"], "tea", 1)
    order = {"order_id": "o1", "products": [tea]}
    service.post("/v1/batch", {"batch": [_track("Order Completed", 4, userId="13812345678", properties=order)]})
    bought = _once(service, f"{source}:{phone}", 4)
    assert bought.person_id == f"{source}:{user}"
    assert {record_parts(record)[0] for record in bought.records} == {source}
    assert len(bought.records) == 3
    shown = live_document(bought)
    assert shown["cart"] == []
    assert [(line.order_id, line.quantity, line.net_amount) for line in bought.lines] == [("o1", 20_000, 198_000)]


def test_refused_orders_come_in_after_the_source_got_a_server_key(service: Running) -> None:
    product = {"product_id": "tea", "price": 9.9, "quantity": 1}
    orders = [
        _track("Order Completed", 100 + each, userId="kim", properties={"order_id": f"k{each}", "products": [product]})
        for each in range(5)
    ]
    told = service.post("/v1/batch", {"batch": orders}, key=service.browser_key).json()
    assert (told["accepted"], told["refused"]) == (0, 5)
    with open_shop(service.folder) as shop:
        _until(lambda: refused_events(shop, Chosen()).total == 5)
        chosen = Chosen(source="web", reason="server_only", event="Order Completed")
        still = replay_some(shop, chosen, most=2, by="tester")
        assert (still.receipt.received, still.receipt.refused) == (2, 2), "a browser key may not send orders"
        create_key(shop, ["collect"], source="web", by="tester")
        parts = [replay_some(shop, chosen, most=2, by="tester")]
        parts.append(replay_some(shop, chosen, after=parts[-1].last, most=2, by="tester"))
        assert [(part.receipt.stored, part.last is None) for part in parts] == [(2, False), (2, False)]
        with _signed_in(service, shop) as client:
            form = {"waiting": "1", "reason": "server_only", "csrf": token(client, "/sources/refused")}
            page = client.post("/sources/refused/replay", data=form, headers={"origin": service.url}).text
            assert "All came in" in page
            assert "No event was refused" in client.get("/sources/refused").text
            shown = client.get("/sources?source=web").text
            assert "up to date" in shown
        assert replay_events(shop).received == 0
        rows = [row.detail for row in shop.state.audit.rows() if row.what == "events.replay"]
        assert [(row["taken"], row["refused"]) for row in rows] == [(0, 2), (2, 0), (2, 0), (1, 0)]
        kim = f"web:{shop.tokens.token('user', 'kim')}"
        assert len({line.order_id for line in _once(service, kim, 5).lines}) == 5


def _signed_in(service: Running, shop: Shop) -> httpx.Client:
    user = shop.state.users.add(new_id("admin"), "correct horse battery", "admin", now=shop.clock())
    session, _ = shop.state.sessions.start(user.id, now=shop.clock())
    return httpx.Client(base_url=service.url, cookies={"shopkeeper_session": session}, timeout=60)


def test_the_api_gives_the_live_part_of_one_whom_no_run_has_seen(service: Running) -> None:
    service.post("/v1/batch", {"batch": [_track("Products Searched", 9, userId="bob", properties={"query": "oat"})]})
    with open_shop(service.folder) as shop:
        bob = f"app:{shop.tokens.token('user', 'bob')}"
        user = shop.state.users.add("eve", "correct horse battery", "admin", now=shop.clock())
        session, _ = shop.state.sessions.start(user.id, now=shop.clock())
    assert _once(service, bob, 1).person_id == bob
    with httpx.Client(base_url=service.url, cookies={"shopkeeper_session": session}, timeout=60) as client:
        answer = client.get(f"/api/v1/persons/{bob}")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["person_id"], found["as_of"], found["traits"]) == (bob, None, {})
        assert [(each["source"], each["method"]) for each in found["records"]] == [("app", "live")]
        assert (found["live"]["searches"], found["live"]["today"]) == (["oat"], {"Products Searched": 1})
        assert found["live"]["log_position"] > 0
        assert client.get("/api/v1/persons/app:nobody").status_code == 404
        headers = {"origin": service.url, "x-csrf-token": token(client, "/people")}
        question = {"kind": "user", "value": "bob"}
        answer = client.post("/api/v1/persons/lookup", json=question, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"person_ids": [bob]}), answer.text
        nobody = client.post("/api/v1/persons/lookup", json={"kind": "phone", "value": "13700000000"}, headers=headers)
        assert nobody.status_code == 404
        assert "13700000000" not in nobody.text
    with open_shop(service.folder) as shop:
        rows = [row for row in shop.state.audit.rows() if row.what == "person.lookup"]
        mark = mark_of(shop, bob)
    assert [(row.target, row.detail) for row in rows] == [
        (mark, {"kind": "user", "found": 1}),
        ("nobody", {"kind": "phone", "found": 0}),
    ]


TILL = """
table = "order_line"
source = "till"
[columns]
order_id = "receipt"
customer_id = "member"
store_id = "store"
product_id = "item"
ordered_at = "time"
quantity = "qty"
net_amount = "paid"
[identifiers]
phone = "phone"
card = "card"
"""
TICKETS = """receipt,member,phone,card,store,item,time,qty,paid
R1,Z7,13812340007,8800-7,s1,tea,2026-01-05 10:00,1,9.90
R2,Z7,13812340007,8800-7,s1,milk,2026-01-06 10:00,2,12.00
R3,Z8,13812340008,8800-8,s1,milk,2026-01-06 11:00,1,6.00
"""


def test_a_till_file_and_the_app_are_on_one_page(service: Running, tmp_path: Path) -> None:
    (tmp_path / "till.toml").write_text(TILL, encoding="utf-8")
    (tmp_path / "tickets.csv").write_text(TICKETS, encoding="utf-8")
    with open_shop(service.folder) as shop:
        loaded = load(
            shop, "order_line", [str(tmp_path / "tickets.csv")], source="till", mapping=tmp_path / "till.toml"
        )
        assert loaded.stored == 3
        zoe = f"app:{shop.tokens.token('user', 'zoe')}"
    person = "till:Z7"
    batch = [
        {"type": "identify", "messageId": "z1", "userId": "zoe", "traits": {"phone": "13812340007"}},
        _track("Product Viewed", 21, userId="zoe", properties={"product_id": "tea"}),
    ]
    assert service.post("/v1/batch", {"batch": batch}).json()["accepted"] == 2
    assert _once(service, person, 2).records == (zoe,)
    with open_shop(service.folder) as shop:
        run(shop, until="profile")
        user = shop.state.users.add("mia", "correct horse battery", "admin", now=shop.clock())
        session, _ = shop.state.sessions.start(user.id, now=shop.clock())
    with httpx.Client(base_url=service.url, cookies={"shopkeeper_session": session}, timeout=60) as client:
        found = client.get(f"/api/v1/persons/{person}").json()
        assert (found["person_id"], found["traits"]["orders_ever"]) == (person, 2)
        assert sorted(each["source"] for each in found["records"]) == ["app", "till"]
        assert (found["live"]["views"], found["live"]["records"]) == (["tea"], [zoe])
        by_other_name = client.get(f"/api/v1/persons/{zoe}").json()
        assert (by_other_name["person_id"], by_other_name["traits"]) == (person, found["traits"])
        question = {"kind": "phone", "value": "138 1234 0007"}
        headers = {"origin": service.url, "x-csrf-token": token(client, "/people")}
        answer = client.post("/api/v1/persons/lookup", json=question, headers=headers)
        assert answer.json() == {"person_ids": [person]}
        shown = client.get(f"/people/{person}")
        assert "R1" in shown.text
        assert zoe.partition(":")[2] in shown.text
        moved = client.get(f"/people/{zoe}")
        assert (moved.status_code, moved.headers["location"]) == (303, f"/people/{person}")


def test_the_sdk_a_till_file_an_order_webhook_and_a_door_meet_on_one_page(service: Running, tmp_path: Path) -> None:
    (tmp_path / "till.toml").write_text(f'{TILL}member_no = "member"\n', encoding="utf-8")
    ticket = "R9,Y7,13812340017,8800-9,s1,tea,2026-01-05 10:00,1,9.90\n"
    (tmp_path / "tickets.csv").write_text(TICKETS.partition("\n")[0] + "\n" + ticket, encoding="utf-8")
    with open_shop(service.folder) as shop:
        files, mapping = [str(tmp_path / "tickets.csv")], tmp_path / "till.toml"
        played = [load(shop, "order_line", files, source="till", mapping=mapping) for _ in range(2)]
        assert [(receipt.stored, receipt.duplicate) for receipt in played] == [(1, 0), (0, 1)]
        run(shop, until="profile")
        orders, _ = create_key(shop, ["collect"], source="web-shop")
        (shop.folder / "keys" / "webhook-web-shop.secret").write_text("shown by the web shop", encoding="utf-8")
        _, gate_key = create_key(shop, ["collect"], source="gates")
        user = shop.state.users.add("ned", "correct horse battery", "admin", now=shop.clock())
        session, _ = shop.state.sessions.start(user.id, now=shop.clock())

    client = segment.Client(service.server_key, host=service.url, max_retries=2)
    client.identify("yan", {"phone": "13812340017"})
    client.track("yan", "Product Viewed", {"product_id": "pu-erh"})
    client.shutdown()
    line = {"product_id": 1, "sku": "pu-erh", "title": "Pu-erh", "quantity": 2, "price": "30.00"}
    order = json.dumps({"id": 5001, "phone": "+86 138 1234 0017", "line_items": [line]}).encode()
    signature = base64.b64encode(hmac.digest(b"shown by the web shop", order, "sha256")).decode()
    headers = {"x-shopify-topic": "orders/paid", "x-shopify-webhook-id": "w1", "x-shopify-hmac-sha256": signature}
    told = httpx.post(f"{service.url}/hooks/{orders.id}", content=order, headers=headers)
    assert told.json()["results"][0]["status"] == "accepted", told.text
    entered = {"kind": "gate", "device_id": "gate-1", "store_id": "s1", "sequence": 1, "code": "Y7", "direction": "in"}
    assert service.post("/v1/devices", [entered], key=gate_key).json()["accepted"] == 1

    found = _once(service, "till:Y7", 4)
    assert (found.person_id, [line.order_id for line in found.lines]) == ("till:Y7", ["5001"])
    assert found.live.today == {"identify": 1, "Product Viewed": 1, "Order Completed": 1, "Store Entered": 1}
    assert {record_parts(record)[0] for record in found.records} == {"app", "web-shop", "gates"}
    with httpx.Client(base_url=service.url, cookies={"shopkeeper_session": session}, timeout=60) as browser:
        document = browser.get("/api/v1/persons/till:Y7").json()
        assert (document["traits"]["orders_ever"], document["live"]["views"]) == (1, ["pu-erh"])
        shown = browser.get("/people/till:Y7").text
    for said in ("R9", "pu-erh", "Order Completed", "CN¥60.00", "Store Entered"):
        assert said in shown


def _until(holds: Callable[[], Any]) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < _PATIENCE
        time.sleep(0.02)
    return time.monotonic() - began


def _sent(service: Running, event: str, user: str, **properties: Any) -> None:
    message = {"event": event, "userId": user, "messageId": f"{event}{user}", "properties": properties}
    assert service.post("/v1/track", message).status_code == 200


def test_an_event_is_a_change_at_once(service: Running, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_LOOPBACK, "true")
    rules = {
        "viewers": "did event \"Product Viewed\" product = 'oolong' in last 1 day",
        "buyers": 'bought product = "oolong" in last 1 day',
    }
    with open_shop(service.folder) as shop:
        for name, rule in rules.items():
            labels = {"label_en": name, "label_zh": name}
            shop.state.segments.save(name, to_document(parse(rule)), **labels, by="t", now=shop.clock(), published=True)
        secret = base64.b64decode(
            add_shop_hook(shop, "crm", f"http://127.0.0.1:{receiver.port}/x", []).removeprefix("whsec_")
        )
        user = shop.state.users.add("kim", "correct horse battery", "admin", now=shop.clock())
        session, _ = shop.state.sessions.start(user.id, now=shop.clock())

        changes = shop.state.live_segments.changes

        # The worker hears of what was published when it next looks.
        _until((service.folder / "history.db").exists)
        _sent(service, "Product Viewed", "warm", product_id="oolong")
        _until(lambda: len(changes("viewers")) == 1)
        _sent(service, "Product Viewed", "ann", product_id="milk")
        _sent(service, "Product Viewed", "bob", product_id="oolong")
        assert _until(lambda: len(changes("viewers")) == 2) < _SOON
        order = {"order_id": "o1", "products": [{"product_id": "oolong", "price": 9.9}]}
        _sent(service, "Order Completed", "bob", **order)
        assert _until(lambda: len(changes("buyers")) == 1) < _SOON
        bob = f"app:{shop.tokens.token('user', 'bob')}"
        (bought,) = changes("buyers")
        assert (bought.person_id, bought.kind, bought.cause) == (bob, "entered", "event")
    _until(lambda: len(receiver.got) == 3)
    _, headers, body = receiver.got[-1]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert json.loads(body)["data"]["person_id"] == bob
    with httpx.Client(base_url=service.url, cookies={"shopkeeper_session": session}, timeout=60) as client:
        found = client.get("/api/v1/segments/buyers/changes").json()
        assert [(each["person_id"], each["kind"]) for each in found["changes"]] == [(bob, "entered")]
        again = client.get("/api/v1/segments/buyers/changes", params={"after": found["cursor"]}).json()
        assert again == {"changes": [], "cursor": found["cursor"]}

        def sizes() -> dict[str, int | None]:
            return {each["name"]: each["live_people"] for each in client.get("/api/v1/segments").json()}

        wanted = {"viewers": 2, "buyers": 1}
        _until(lambda: sizes() == wanted)
        for language, words in (("en", "2 live, "), ("zh", "实时 2 人")):
            client.cookies.set("shopkeeper_language", language)
            assert words in client.get("/segments").text
        assert "实时人数" in client.get("/segments/viewers").text
