"""Foreign payloads become messages that the door takes; whatever comes, none of them raises."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.errors import DataError, FaultsError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.device import device_messages
from shopkeeper.collect.door import Door
from shopkeeper.collect.ga4 import ga4_messages
from shopkeeper.collect.order_webhook import WebhookMapping, mapped_message, shopify_message
from shopkeeper.collect.orders import Days, order_lines
from shopkeeper.collect.sensors import MOST_UNPACKED, records_of, sensors_messages
from shopkeeper.schema.event import Event, Identifier
from shopkeeper.storage.keys import Key
from shopkeeper.storage.log import Entry, Refusal
from shopkeeper.storage.token import Tokens
from tests.canary import EMAILS, NAMES, PHONES

TOKENS = Tokens(Key(b"k" * 32), "CN")
NOW = datetime(2024, 6, 1, 4, tzinfo=UTC)
MILLISECONDS = int(NOW.timestamp() * 1000)
DOOR = Door("s", TOKENS, NOW)


def events(messages: list[Any]) -> list[Event]:
    taken = accept(messages, DOOR)
    assert taken.refusals == ()
    return [msgspec.json.decode(entry.body, type=Event) for entry in taken.entries]


def ids(event: Event) -> tuple[str | None, str | None]:
    return event.user_id, event.anonymous_id


def packed(value: Any) -> str:
    return base64.b64encode(gzip.compress(json.dumps(value).encode())).decode()


TRACK = {
    "type": "track",
    "event": "ViewProduct",
    "distinct_id": "cookie-1",
    "time": MILLISECONDS - 60_000,
    "_flush_time": MILLISECONDS - 50_000,
    "_track_id": 77,
    "lib": {"$lib": "MiniProgram", "$lib_version": "3.1"},
    "properties": {"$ip": "203.0.113.9", "$os": "iOS", "$url": "/p/1", "product_id": "P1", "price": 14.5},
}


def test_sensors_records_are_read_packed_or_not() -> None:
    assert records_of({"data_list": packed([TRACK, TRACK])}) == [TRACK, TRACK]
    assert records_of({"data": base64.b64encode(json.dumps(TRACK).encode()).decode()}) == [TRACK]
    assert records_of({"data": packed(TRACK).replace("+", " ")}) == [TRACK]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "not there"),
        ({"data": "§"}, "no base64"),
        ({"data": base64.b64encode(b"\x1f\x8brubbish").decode()}, "no gzip"),
        ({"data": base64.b64encode(b"{").decode()}, "no JSON"),
        ({"data": base64.b64encode(gzip.compress(b" " * (MOST_UNPACKED + 1))).decode()}, "too much"),
        ({"data": base64.b64encode(gzip.compress(b"[1]")[:-9]).decode()}, "cut off"),
    ],
)
def test_what_is_no_sensors_request_is_said(form: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        records_of(form)


def test_a_sensors_track_keeps_its_ids_time_and_context() -> None:
    (event,) = events(sensors_messages([TRACK]))
    assert ids(event) == (None, TOKENS.token("cookie", "cookie-1"))
    assert (event.name, event.product_id, event.channel) == ("ViewProduct", "P1", "mini_program")
    assert event.occurred_at == NOW - timedelta(seconds=10)
    assert event.context["ip"] == "203.0.113.0"
    assert event.context["os"] == {"name": "iOS"}
    assert event.properties == {"product_id": "P1", "price": 14.5}
    assert event.message_id == f"sa-77-{MILLISECONDS - 60_000}"


def test_sensors_sign_up_links_and_profiles_are_traits() -> None:
    records = [
        {
            "type": "track_signup",
            "event": "$SignUp",
            "distinct_id": "u1",
            "original_id": "cookie-1",
            "time": MILLISECONDS,
        },
        {
            "type": "profile_set",
            "distinct_id": "u1",
            "login_id": "u1",
            "properties": {"mobile": PHONES[0], "city": "上海"},
        },
        {"type": "profile_unset", "login_id": "u1", "properties": {"city": True}},
        {"type": "profile_increment", "login_id": "u1", "properties": {"games": 1}},
        {
            "type": "track",
            "event": "$pageview",
            "distinct_id": "u1",
            "properties": {"$is_login_id": True, "$title": "Home"},
        },
        {"type": "track", "event": "A", "anonymous_id": "c", "identities": {"$identity_mobile": PHONES[1]}},
    ]
    sign_up, profile, unset, increment, page, bound = events(sensors_messages(records))
    user, cookie = TOKENS.token("user", "u1"), TOKENS.token("cookie", "cookie-1")
    assert (sign_up.type, *ids(sign_up)) == ("identify", user, cookie)
    assert (profile.type, profile.traits) == ("identify", {"mobile": TOKENS.token("phone", PHONES[0]), "city": "上海"})
    assert (unset.type, unset.traits) == ("identify", {"city": None})
    assert (increment.name, increment.properties) == ("profile_increment", {"games": 1})
    assert (page.type, page.name, page.user_id) == ("page", "Home", user)
    assert bound.identifiers == (Identifier("phone", TOKENS.token("phone", PHONES[1])),)
    (refused,) = accept(sensors_messages([{"type": "item_set", "distinct_id": "1"}]), DOOR).items
    assert isinstance(refused, Refusal)
    assert refused.reason == "unknown_type"


def test_a_ga4_purchase_becomes_order_lines() -> None:
    items = [
        {"item_id": "P1", "item_name": "Milk", "price": 9, "discount": 1, "quantity": 2},
        {"item_id": "P2", "price": 5},
    ]
    purchase = {"name": "purchase", "params": {"transaction_id": "T1", "value": 23, "currency": "CNY", "items": items}}
    (event,) = events(ga4_messages({"client_id": "c.1", "user_id": "u1", "events": [purchase]}))
    assert (event.name, event.value) == ("Order Completed", Decimal(23))
    rows = order_lines(event, Days("Asia/Shanghai"))
    assert [
        (row["order_id"], row["product_id"], row["gross_amount"], row["product_discount"], row["net_amount"])
        for row in rows
    ] == [
        ("T1", "P1", 20, 2, 18),
        ("T1", "P2", 5, 0, 5),
    ]


@pytest.mark.parametrize("micros", ["9" * 400, "9" * 5000, 10**400, -(10**400)])
def test_a_time_of_ga4_that_is_none_is_refused(micros: object) -> None:
    messages = ga4_messages({"client_id": "c1", "timestamp_micros": micros, "events": [{"name": "x"}]})
    (item,) = accept(messages, Door("web", TOKENS, NOW)).items
    assert isinstance(item, Refusal)
    assert item.reason in ("no_time", "number_too_large")


def test_hashes_of_ga4_without_a_key_are_left_out_wherever_they_stand() -> None:
    params = {"user_data": {"sha256_phone_number": "a" * 64}, "plan": "gold"}
    (event,) = events(ga4_messages({"client_id": "c1", "events": [{"name": "x", "params": params}]}))
    assert event.properties == {"plan": "gold"}


def test_ga4_events_are_told_apart_and_the_same_when_they_come_again() -> None:
    micros = str(int((NOW - timedelta(minutes=1)).timestamp() * 1_000_000))
    add = {"name": "add_to_cart", "params": {"items": [{"item_id": "P1", "price": 2, "quantity": 1}], "session_id": 12}}
    view = {"name": "page_view", "params": {"page_title": "Home", "page_location": "https://x.cn/"}}
    body = {
        "client_id": "c.1",
        "timestamp_micros": micros,
        "user_properties": {"tier": {"value": "gold"}},
        "user_data": {"sha256_email_address": "0" * 64},
        "consent": {"ad_user_data": "DENIED"},
        "events": [add, add, view],
    }
    first, second, page = events(ga4_messages(body))
    assert (first.name, first.product_id, first.session_id) == ("Product Added", "P1", "12")
    assert first.occurred_at == NOW - timedelta(minutes=1)
    assert first.message_id != second.message_id
    assert [event.message_id for event in events(ga4_messages(body))] == [
        first.message_id,
        second.message_id,
        page.message_id,
    ]
    assert (page.type, page.name, page.context["page"]["url"]) == ("page", "Home", "https://x.cn/")
    assert page.context["traits"] == {"tier": "gold"}
    assert page.context["consent"] == {"ad_user_data": "DENIED"}
    assert "sha256" not in repr(page)


SHOPIFY = {
    "id": 450789469,
    "email": EMAILS[0],
    "phone": f"+86{PHONES[0]}",
    "currency": "CNY",
    "total_price": "27.00",
    "processed_at": "2024-06-01T11:00:00+08:00",
    "source_name": "web",
    "discount_codes": [{"code": "JUNE", "amount": "3.00"}],
    "customer": {"id": 207119551, "first_name": NAMES[0], "phone": PHONES[0]},
    "shipping_address": {"name": NAMES[1], "address1": "南京路", "phone": PHONES[1]},
    "line_items": [
        {"product_id": 1, "sku": "K1", "title": "Milk", "quantity": 2, "price": "10.00",
         "discount_allocations": [{"amount": "3.00"}]},
        {"sku": "K2", "title": "Bread", "quantity": 1, "price": "10.00", "total_discount": "0.00"},
    ],
}  # fmt: skip


def test_an_order_webhook_of_shopify_becomes_order_lines_once() -> None:
    created, paid = (shopify_message(topic, SHOPIFY) for topic in ("orders/create", "orders/paid"))
    (event,) = events([created])
    assert event.message_id == events([paid])[0].message_id
    assert event.user_id == TOKENS.token("user", "207119551")
    assert {(each.kind, each.token) for each in event.identifiers} == {
        ("email", TOKENS.token("email", EMAILS[0])),
        ("phone", TOKENS.token("phone", PHONES[0])),
    }
    rows = order_lines(event, Days("Asia/Shanghai"))
    assert [(row["product_id"], row["quantity"], row["net_amount"], row["coupon_code"]) for row in rows] == [
        ("1", 2, 17, "JUNE"),
        ("K2", 1, 10, "JUNE"),
    ]
    assert (rows[0]["channel"], rows[0]["ordered_at"]) == ("web", NOW - timedelta(hours=1))
    refund = {"id": 9, "order_id": 450789469, "created_at": "2024-06-01T03:30:00Z",
              "refund_line_items": [{"quantity": 1, "subtotal": 8.5, "line_item": SHOPIFY["line_items"][0]}]}  # type: ignore[index]  # fmt: skip
    (back,) = order_lines(events([shopify_message("refunds/create", refund)])[0], Days("Asia/Shanghai"))
    assert (back["order_id"], back["return_of"], back["quantity"], back["net_amount"]) == (
        "9",
        "450789469",
        -1,
        Decimal("-8.5"),
    )


MAPPING = """
event = "Order Completed"
lines = "data.items"
[fields]
order_id = "data.no"
user_id = "data.buyer.uid"
phone = "data.buyer.tel"
ordered_at = "data.times.0"
[line]
product_id = "code"
quantity = "num"
net_amount = "paid"
"""


def test_any_other_order_webhook_is_mapped_by_paths() -> None:
    mapping = WebhookMapping.from_toml(MAPPING, "till.toml")
    items = [{"code": "A", "num": 2, "paid": "3.5", "other": 1}]
    buyer = {"uid": 7, "tel": PHONES[0]}
    payload = {"data": {"no": "N1", "buyer": buyer, "times": ["2024-06-01T03:00:00Z"], "items": items}}
    (event,) = events([mapped_message(payload, mapping)])
    (row,) = order_lines(event, Days("Asia/Shanghai"))
    assert (row["order_id"], row["product_id"], row["quantity"], row["net_amount"]) == ("N1", "A", 2, Decimal("3.5"))
    assert (row["customer_id"], row["ordered_at"]) == (TOKENS.token("user", "7"), NOW - timedelta(hours=1))
    assert accept([mapped_message({}, mapping)], DOOR).refusals[0].reason == "missing_property"


def test_a_wrong_mapping_names_all_its_faults() -> None:
    text = 'lines = 3\ncolour = 1\n[fields]\norder_id = 5\n[line]\nsize = "x"'
    with pytest.raises(FaultsError) as told:
        WebhookMapping.from_toml(text, "till.toml")
    assert [fault.path for fault in told.value.faults] == ["colour", "event", "lines", "fields.order_id", "line.size"]
    with pytest.raises(FaultsError, match="is no property of it"):
        WebhookMapping.from_toml(MAPPING.replace("ordered_at", "orderd_at"), "till.toml")


def test_devices_tell_of_people_or_of_somebody() -> None:
    head = {"device_id": "D1", "store_id": "S1", "time": "2024-06-01T03:00:00Z", "sequence": 5}
    came, left = events(device_messages(head | {"kind": "counter", "in": 3, "out": 2}))
    assert [(each.name, each.properties["people"], *ids(each)) for each in (came, left)] == [
        ("Store Entered", 3, None, None),
        ("Store Left", 2, None, None),
    ]
    assert (came.store_id, came.channel, came.message_id) == ("S1", "store", "D1:5:Store Entered")
    assert device_messages(head | {"kind": "counter", "in": 0, "out": 0}) == []
    (gate,) = events(device_messages(head | {"kind": "gate", "code": "V1"}))
    assert (gate.name, gate.user_id) == ("Store Entered", TOKENS.token("member_no", "V1"))
    (near,) = events(
        device_messages(head | {"kind": "wifi", "mac": "a4:83:e7:00:00:01", "zone_id": "Z", "signal": -60})
    )
    assert (near.name, near.anonymous_id) == ("Zone Entered", TOKENS.token("cookie", "a4:83:e7:00:00:01"))
    assert near.identifiers == (Identifier("device", TOKENS.token("device", "a4:83:e7:00:00:01")),)
    (made_up,) = events(device_messages(head | {"kind": "wifi", "mac": "da:a1:19:00:00:01"}))
    assert ids(made_up) == (None, None)
    (shelf,) = events(device_messages(head | {"kind": "shelf", "shelf_id": "H", "product_id": "P", "action": "picked"}))
    assert (shelf.name, shelf.product_id) == ("Product Picked Up", "P")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([*PHONES, *EMAILS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def shaped(names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(
        st.sampled_from(names.split()), JSON | st.sampled_from(["track", "purchase", "counter", "wifi"])
    )


@given(
    st.lists(JSON | shaped("type event time distinct_id login_id properties lib identities _track_id"), max_size=3),
    JSON | st.builds(lambda head, events: head | {"events": events},
                     shaped("client_id user_id timestamp_micros user_properties consent"),
                     st.lists(JSON | shaped("name params timestamp_micros"), max_size=3)),
    JSON | shaped("id order_id email phone customer line_items discount_codes refund_line_items currency"),
    JSON | shaped("kind in out code mac zone_id store_id time sequence device_id"),
    st.sampled_from(["orders/create", "refunds/create", "orders/updated", "x"]),
)  # fmt: skip
def test_whatever_comes_becomes_messages_and_nothing_raises(
    records: list[Any], request: Any, order: Any, signal: Any, topic: str
) -> None:
    mapping = WebhookMapping.from_toml(MAPPING, "x")
    messages = [
        *sensors_messages(records),
        *ga4_messages(request),
        shopify_message(topic, order),
        mapped_message(order, mapping),
        *device_messages(signal),
    ]
    taken = accept(messages, DOOR)
    assert len(taken.items) == len(messages)
    assert [each.reason for each in taken.refusals if each.reason == "unforeseen"] == []
    for entry in taken.items:
        if isinstance(entry, Entry):
            assert [word for word in (*PHONES, *EMAILS) if word in repr(entry)] == []
