"""The event paths of a running service: what is answered, what is kept, and what of it anybody could read."""

import base64
import gzip
import hmac
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from shopkeeper.app.api_key import create_key
from shopkeeper.app.hook import hook_secret
from shopkeeper.app.shop import open_shop
from shopkeeper.app.vault_keys import retire, rotate, sealed_by
from tests.canary import EMAILS, NAMES, PHONES, found_in
from tests.service import Running, running

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service") / "shop"
    with running(folder, {"SHOPKEEPER_COLLECT__LOAD_SECONDS": "1"}) as found:
        yield found


def _track(number: object, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": "u1", "messageId": f"m{number}"} | more


def test_each_message_is_told_what_became_of_it(service: Running) -> None:
    batch = [_track("a"), {"type": "track", "userId": "u1"}, _track("a"), 7]
    answer = service.post("/v1/batch", {"batch": batch})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["success"], told["accepted"], told["duplicate"], told["refused"]) == (True, 1, 1, 2)
    assert [one["status"] for one in told["results"]] == ["accepted", "refused", "duplicate", "refused"]
    again = service.post("/v1/batch", {"batch": batch}).json()
    assert (again["accepted"], again["duplicate"], again["refused"]) == (0, 2, 2)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/track", {"event": "Cart Viewed", "userId": "u1"}),
        ("/v1/t", {"event": "Cart Viewed", "anonymousId": "a1"}),
        ("/v1/identify", {"userId": "u1", "traits": {"tier": "gold"}}),
        ("/v1/i", {"userId": "u1", "traits": {"tier": "gold"}}),
        ("/v1/page", {"anonymousId": "a1", "name": "Home"}),
        ("/v1/p", {"anonymousId": "a1", "name": "Home"}),
        ("/v1/screen", {"userId": "u1", "name": "Wallet"}),
        ("/v1/s", {"userId": "u1", "name": "Wallet"}),
        ("/v1/group", {"userId": "u1", "groupId": "g1"}),
        ("/v1/g", {"userId": "u1", "groupId": "g1"}),
        ("/v1/alias", {"previousId": "a1", "userId": "u1"}),
        ("/v1/a", {"previousId": "a1", "userId": "u1"}),
    ],
)
def test_single_calls_by_long_and_short_paths(service: Running, path: str, message: dict[str, Any]) -> None:
    answer = service.post(path, message | {"messageId": f"single {path}"})
    assert answer.status_code == 200, answer.text
    assert [one["status"] for one in answer.json()["results"]] == ["accepted"]


def test_the_key_comes_by_basic_bearer_body_or_query(service: Running) -> None:
    url, key = f"{service.url}/v1/track", service.server_key
    ways: list[dict[str, Any]] = [
        {"json": _track("basic"), "auth": (key, "")},
        {"json": _track("bearer"), "headers": {"authorization": f"Bearer {key}"}},
        {"json": _track("body") | {"writeKey": key}},
        {"json": _track("query"), "params": {"writeKey": key}},
    ]
    for way in ways:
        answer = httpx.post(url, **way)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1), way


@pytest.mark.parametrize("key", ["", "sk_server_wrong", "\u00e9", "x" * 5000])
def test_an_unknown_key_keeps_nothing(service: Running, key: str) -> None:
    before = len(service.events())
    headers = JSON | {"authorization": b"Basic " + base64.b64encode(f"{key}:".encode())}
    answer = httpx.post(f"{service.url}/v1/track", json=_track("unknown"), headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert len(service.events()) == before


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[1]", {}, 400),
        (b"{}", {}, 400),
        (b'{"batch": []}', {}, 400),
        (b'{"batch": 1}', {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"batch": ' + b"[" * 50_000, {}, 400),
        (b"x" * 600_000, {}, 413),
        (gzip.compress(b"x" * 50_000_000, mtime=0), {"content-encoding": "gzip"}, 413),
        (b"\x1f\x8b nonsense", {"content-encoding": "gzip"}, 400),
        (gzip.compress(b'{"batch": []}', mtime=0)[:-6], {"content-encoding": "gzip"}, 400),
        (b"{}", {"content-encoding": "br"}, 415),
        (b"{}", {"content-type": "image/png"}, 415),
        (b'{"batch": [' + b"1," * 2_500 + b"1]}", {}, 413),
    ],
)
def test_what_is_no_request_is_refused_whole(
    service: Running, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = httpx.post(
        f"{service.url}/v1/batch", content=content, headers=JSON | headers, auth=(service.server_key, "")
    )
    assert answer.status_code == status, answer.text
    assert answer.json()["success"] is False


def test_a_request_of_nothing_but_phones_is_kept(service: Running) -> None:
    """It becomes nine times as long: each is a token, and a raw value for the vault."""
    numbers = iter(range(13_800_000_000, 13_900_000_000))
    batch = [
        _track(f"p{place}", properties={"t": " ".join(str(next(numbers)) for _ in range(490))}) for place in range(80)
    ]
    answer = httpx.post(f"{service.url}/v1/batch", json={"batch": batch}, auth=(service.server_key, ""), timeout=30)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 80)


def test_packed_bodies_and_bodies_of_beacons_are_taken(service: Running) -> None:
    packed = gzip.compress(json.dumps({"batch": [_track("packed")]}).encode())
    headers = JSON | {"content-encoding": "gzip"}
    answer = httpx.post(f"{service.url}/v1/batch", content=packed, headers=headers, auth=(service.server_key, ""))
    assert answer.json()["accepted"] == 1
    beacon = json.dumps({"batch": [_track("beacon")], "writeKey": service.browser_key})
    answer = httpx.post(f"{service.url}/v1/b", content=beacon, headers={"content-type": "text/plain;charset=UTF-8"})
    assert answer.json()["accepted"] == 1


def test_a_browser_of_another_origin_may_send_and_ask(service: Running) -> None:
    asked = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    answer = httpx.options(f"{service.url}/v1/t", headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert "content-type" in answer.headers["access-control-allow-headers"]
    settings = httpx.get(f"{service.url}/v1/projects/{service.browser_key}/settings")
    own = settings.json()["integrations"]["Segment.io"]
    assert (own["apiKey"], own["apiHost"]) == (service.browser_key, f"{service.host}/v1")
    assert httpx.get(f"{service.url}/v1/projects/nobody/settings").status_code == 404


def test_a_browser_key_brings_no_orders(service: Running) -> None:
    order = {"event": "Order Completed", "userId": "u1", "properties": {"order_id": "o9", "products": []}}
    told = service.post("/v1/track", order, key=service.browser_key).json()
    assert (told["refused"], told["results"][0]["reason"]) == (1, "server_only")


def test_an_import_keeps_the_old_time_and_triggers_nothing(service: Running) -> None:
    old = "2021-03-04T05:06:07Z"
    assert service.post("/v1/import", {"batch": [_track("old", timestamp=old)]}).json()["accepted"] == 1
    (found,) = [event for event in service.events() if event.message_id == "mold"]
    assert (found.occurred_at, found.is_live) == (datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC), False)


def test_sensors_data_and_ga4_send_with_their_own_sdks_form(service: Running) -> None:
    record = {
        "type": "track", "event": "ViewProduct", "distinct_id": "sa-1", "time": 1_790_000_000_000, "_track_id": 7,
        "properties": {"$lib": "MiniProgram", "product_id": "p1"},
    }  # fmt: skip
    data = base64.b64encode(gzip.compress(json.dumps([record, record]).encode())).decode()
    answer = httpx.post(f"{service.url}/sa?project={service.server_key}", data={"data_list": data, "gzip": "1"})
    assert (answer.status_code, answer.json()["accepted"], answer.json()["duplicate"]) == (200, 1, 1)
    payload = {"client_id": "ga.1", "events": [{"name": "view_item", "params": {"items": [{"item_id": "p1"}]}}]}
    answer = httpx.post(f"{service.url}/mp/collect?measurement_id=G-1&api_secret={service.server_key}", json=payload)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    bad = httpx.post(f"{service.url}/sa?project={service.server_key}", data={"data": "%%%"})
    assert (bad.status_code, bad.json()["reason"]) == (400, "no_sensors_data")


def test_a_door_counter_is_a_source(service: Running) -> None:
    signal = {
        "kind": "counter", "device_id": "door-1", "store_id": "s7", "time": "2026-11-28T09:00:00Z", "sequence": 1,
        "in": 3, "out": 1,
    }  # fmt: skip
    told = service.post("/v1/devices", [signal, signal]).json()
    assert (told["accepted"], told["duplicate"], told["refused"]) == (2, 2, 0)
    found = [event for event in service.events() if event.store_id == "s7"]
    assert sorted(str(event.name) for event in found) == ["Store Entered", "Store Left"]


def test_a_webhook_counts_when_it_is_signed_and_once(service: Running) -> None:
    with open_shop(service.folder) as shop:
        key, _ = create_key(shop, ["collect"], source="orders")
        secret = base64.b64decode(hook_secret(shop, key.id).removeprefix("whsec_"))
    order = {
        "type": "track", "event": "Order Completed", "userId": "u1",
        "properties": {"order_id": "w1", "products": [{"product_id": "p1", "price": 2, "quantity": 1}]},
    }  # fmt: skip
    body = json.dumps(order).encode()
    stamp = str(int(time.time()))

    def sent(body: bytes, stamp: str = stamp, address: str = key.id) -> httpx.Response:
        signed = hmac.digest(secret, f"hook-1.{stamp}.".encode() + body, "sha256")
        headers = {
            "webhook-id": "hook-1",
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }
        return httpx.post(f"{service.url}/hooks/{address}", content=body, headers=headers)

    assert [sent(body).json()["results"][0]["status"] for _ in range(2)] == ["accepted", "duplicate"]
    assert sent(body, stamp=str(int(time.time()) - 3_600)).status_code == 401
    assert sent(body, address="key_nobody").status_code == 401
    assert httpx.post(f"{service.url}/hooks/{key.id}", content=body).status_code == 401
    assert sent(b"no json").status_code == 400
    assert sent(json.dumps({"batch": [1] * 2_501}).encode()).status_code == 413


def test_a_slow_or_vanishing_client_disturbs_nobody(service: Running) -> None:
    host, port = service.host.split(":")
    head = f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"  # noqa: F541 - as the others
    open_ones = [socket.create_connection((host, int(port))) for _ in range(50)]
    for each in open_ones:
        each.sendall(head.encode() + b'{"batch"')
    assert service.post("/v1/track", _track("beside the slow")).json()["accepted"] == 1
    for each in open_ones:
        each.close()
    assert service.post("/v1/track", _track("after the slow")).json()["accepted"] == 1


def test_nothing_personal_is_anywhere_but_sealed(service: Running) -> None:
    """Planted in well-formed, malformed, oversized and wrongly typed messages; then every file is looked through."""
    phone, email, name = PHONES[0], EMAILS[0], NAMES[0]
    planted: list[Any] = [
        {"type": "identify", "userId": email, "traits": {"phone": phone, "email": email, "name": name}},
        {
            "type": "identify",
            "userId": f"tel:{PHONES[1]}",
            "traits": {"phone": [PHONES[1]], "name": {"first": NAMES[1]}},
        },
        _track("planted 1", userId=PHONES[2], properties={"note": f"call {PHONES[2]} or {EMAILS[1]}", EMAILS[0]: 1}),
        _track("planted 2", event=f"Called {PHONES[3]}", context={"traits": {"phone": PHONES[3], "name": NAMES[2]}}),
        {"type": "track", "userId": 13812345678, "event": phone},
        {"type": phone, "userId": phone, "messageId": email},
        _track(email, properties={"x": [{"deep": [phone]}]}, anonymousId=email),
        f"{phone} {email} {name}",
        [phone],
        _track("large", properties={"text": (phone + " ") * 4_000}),
        {"type": "group", "userId": phone, "groupId": email, "traits": {"name": name}},
        {"type": "alias", "previousId": email, "userId": phone},
    ]
    answer = service.post("/v1/batch", {"batch": planted})
    assert answer.json()["accepted"] >= 6
    assert answer.json()["refused"] >= 4
    assert not [word for word in (phone, email, name) if word in json.dumps(answer.json()["results"][4:])]
    httpx.post(f"{service.url}/v1/batch", content=f'{{"batch": [{phone} {email}'.encode(), headers=JSON,
               auth=(service.server_key, ""))  # fmt: skip
    _wait_until_loaded(service)
    assert found_in(service.folder) == []
    (service.folder / "control.txt").write_text(phone)
    assert found_in(service.folder) != []
    (service.folder / "control.txt").unlink()


def _wait_until_loaded(service: Running, within: float = 30.0) -> None:
    events = {(event.source, event.message_id) for event in service.events()}
    until = time.monotonic() + within
    while time.monotonic() < until:
        if _in_lake(service.folder) >= events:
            return
        time.sleep(0.3)
    raise AssertionError("the loader did not load")


def _in_lake(folder: Path) -> set[tuple[str, str]]:
    with open_shop(folder) as shop:
        return set(shop.query("SELECT source, message_id FROM event").fetchall())


def test_the_vaults_key_rotates_while_events_come_and_nothing_of_anybody_is_lost(service: Running) -> None:
    """Raw identifiers come with every event; the service runs on with the new key and never hears of a restart."""
    ended, sent = threading.Event(), 0

    def send() -> None:
        nonlocal sent
        while not ended.is_set():
            message = {"traits": {"phone": f"1390000{sent:04}"}, "userId": f"rotated-{sent}"}
            assert service.post("/v1/identify", message).json()["accepted"] == 1
            sent += 1

    sender = threading.Thread(target=send)
    with open_shop(service.folder) as shop:
        old = shop.sealing.key_id
        sender.start()
        done = rotate(shop)
        time.sleep(0.5)  # some come after it
        ended.set()
        sender.join()
        phones = [shop.tokens.token("phone", f"+861390000{number:04}") for number in range(sent)]
        until = time.monotonic() + 20
        while (needed := sealed_by(shop).keys() - {done.key_id}) or len(shop.vault.reveal_many(phones)) < sent:
            assert time.monotonic() < until, needed
            time.sleep(0.1)
        file = service.folder / "keys" / "vault.key"
        os.utime(file, (file.stat().st_mtime - 120,) * 2)
        assert retire(shop).retired == (old,)
    assert sent > 5
    message = {"traits": {"phone": "13911112222"}, "userId": "after"}
    assert service.post("/v1/identify", message).json()["accepted"] == 1
    with open_shop(service.folder) as shop:
        token = shop.tokens.token("phone", "+8613911112222")
        until = time.monotonic() + 20
        while not shop.vault.reveal_many([token]):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert shop.vault.reveal_many(phones) == {
            token: f"+861390000{number:04}" for number, token in enumerate(phones)
        }
