"""What a person does is on their page at once: events sent to a running service, read through the API's own shape."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shopkeeper.app.person_now import PersonNow, live_document, person_now, record_parts
from shopkeeper.app.shop import open_shop
from shopkeeper.app.traces import mark_of
from shopkeeper.base.errors import MissingError
from tests.service import Running, running
from tests.web.conftest import token

_PATIENCE = 20.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("live") / "shop", {}) as found:
        yield found


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
    assert (shown["cart"], shown["orders"]["30d"], str(shown["monetary"]["30d"])) == ([], 1, "19.8000")


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
