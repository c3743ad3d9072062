"""A running service: an event is a change of a segment at once: in the stream, on a web hook, on pages."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from shopkeeper.app.shop import open_shop
from shopkeeper.app.web_hooks import add_shop_hook
from shopkeeper.segment.document import to_document
from shopkeeper.segment.line import parse
from tests.service import Running, running
from tests.storage.test_web_hook import Receiver

_LOOPBACK = "SHOPKEEPER_WEB__HOOKS_TO_LOOPBACK"
_PATIENCE = 20.0
_SOON = 5.0  # about a quarter of a second when the machine is quiet


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("live") / "shop", {_LOOPBACK: "true"}) as found:
        yield found


def _until(holds: Callable[[], Any], within: float = _PATIENCE) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within
        time.sleep(0.02)
    return time.monotonic() - began


def _track(service: Running, event: str, user: str, **properties: Any) -> None:
    message = {"event": event, "userId": user, "messageId": f"{event}{user}", "properties": properties}
    assert service.post("/v1/track", message).status_code == 200


def test_an_event_is_a_change_at_once(service: Running, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_LOOPBACK, "true")
    rules = {
        "viewers": "did event \"Product Viewed\" product = 'tea' in last 1 day",
        "buyers": "bought in last 1 day",
    }
    with open_shop(service.folder) as shop:
        for name, rule in rules.items():
            labels = {"label_en": name, "label_zh": name}
            shop.state.segments.save(name, to_document(parse(rule)), **labels, by="t", now=shop.clock(), published=True)
        secret = base64.b64decode(
            add_shop_hook(shop, "crm", f"http://127.0.0.1:{receiver.port}/x", []).removeprefix("whsec_")
        )
        user = shop.state.users.add("eve", "correct horse battery", "admin", now=shop.clock())
        session, _ = shop.state.sessions.start(user.id, now=shop.clock())

        changes = shop.state.live_segments.changes

        # The worker hears of what was published when it next looks.
        _until((service.folder / "history.db").exists)
        _track(service, "Product Viewed", "warm", product_id="tea")
        _until(lambda: len(changes("viewers")) == 1)
        _track(service, "Product Viewed", "ann", product_id="milk")
        _track(service, "Product Viewed", "bob", product_id="tea")
        assert _until(lambda: len(changes("viewers")) == 2) < _SOON
        order = {"order_id": "o1", "products": [{"product_id": "tea", "price": 9.9}]}
        _track(service, "Order Completed", "bob", **order)
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
