import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.collect.accept import MOST_BYTES, accept
from shopkeeper.collect.door import Door, Taken
from shopkeeper.collect.personal import Keys
from shopkeeper.collect.plan import Plan
from shopkeeper.collect.whole import read_whole
from shopkeeper.schema.event import Event, Identifier
from shopkeeper.storage.keys import Key
from shopkeeper.storage.log import Entry, Refusal
from shopkeeper.storage.token import Tokens
from tests.canary import EMAILS, NAMES, PHONES

TOKENS = Tokens(Key(b"k" * 32), "CN")
NOW = datetime(2024, 6, 1, 4, tzinfo=UTC)
DOOR = Door("web", TOKENS, NOW)
BROWSER = Door("site", TOKENS, NOW, is_browser=True)


def track(name: str = "Product Viewed", **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, "anonymousId": "a1", "messageId": "m1"} | more


def order(**more: Any) -> dict[str, Any]:
    properties = {"order_id": "O1", "products": [{"product_id": "P1", "price": 5, "quantity": 2}]} | more
    return track("Order Completed", properties=properties)


def event_of(message: Any, door: Door = DOOR) -> Event:
    (item,) = accept([message], door).items
    assert isinstance(item, Entry), item
    return msgspec.json.decode(item.body, type=Event)


def refusal_of(message: Any, door: Door = DOOR) -> Refusal:
    (item,) = accept([message], door).items
    assert isinstance(item, Refusal), item
    return item


def raws(taken: Taken) -> set[tuple[str, str]]:
    return {(each.kind, each.raw) for each in taken.personal}


def test_the_sign_that_ends_a_text_elsewhere_is_another_one_here() -> None:
    event = event_of(track("A\0b", anonymousId="c\0", messageId="m\0", properties={"k\0": ["v\0"], "\\u0000": 1}))
    assert event.name == "A\ufffdb"
    assert event.message_id == "m\ufffd"
    assert event.anonymous_id == TOKENS.token("cookie", "c\ufffd")
    assert event.properties == {"k\ufffd": ["v\ufffd"], "\\u0000": 1}


def test_a_message_becomes_an_event_with_its_columns_filled() -> None:
    properties = {"product_id": "P1", "category": "Milk", "query": "milk", "value": 12.5, "store_id": 42}
    context = {"ip": "114.88.12.34", "sessionId": 1717, "app": {"name": "App"}, "consent": {"ads": False}}
    event = event_of(track("viewed_product", userId=" u1 ", properties=properties, context=context))
    assert event == Event(
        source="web",
        message_id="m1",
        type="track",
        occurred_at=NOW,
        received_at=NOW,
        name="Product Viewed",
        anonymous_id=TOKENS.token("cookie", "a1"),
        user_id=TOKENS.token("user", "u1"),
        session_id="1717",
        channel="app",
        store_id="42",
        product_id="P1",
        category="Milk",
        query="milk",
        value=Decimal("12.5000"),
        context=context | {"ip": "114.88.12.0"},
        properties=properties,
        is_verified=True,
    )


@pytest.mark.parametrize(
    ("user_id", "kind"),
    [
        ("u1", "user"),
        (1234, "user"),
        ("Canary.One@Example.com", "email"),
        ("13812345678", "phone"),
        (13812345678, "phone"),
        ("+8613812345678", "phone"),
        ("138 1234 5678", "phone"),
        ("13812345678901", "user"),
        ("not@an", "user"),
    ],
)
def test_a_user_id_is_of_the_kind_it_looks_like(user_id: object, kind: str) -> None:
    taken = accept([track(userId=user_id)], DOOR)
    assert event_of(track(userId=user_id)).user_id == TOKENS.token(kind, str(user_id))
    assert [each.kind for each in taken.personal] == [kind]


def test_user_ids_of_a_key_may_be_member_numbers() -> None:
    door = Door("till", TOKENS, NOW, user_kind="member_no")
    assert event_of(track(userId="V001"), door).user_id == TOKENS.token("member_no", "V001")
    assert event_of(track(userId=PHONES[0]), door).user_id == TOKENS.token("phone", PHONES[0])


@pytest.mark.parametrize("nobody", ["", " ", "null", "undefined", "0", None])
def test_what_sites_send_for_nobody_is_nobody(nobody: str | None) -> None:
    assert event_of(track(userId=nobody)).user_id is None


def test_traits_become_tokens_identifiers_and_raw_values_aside() -> None:
    traits = {
        "phone": 13812345678,
        "email": EMAILS[0].upper(),
        "firstName": NAMES[0],
        "address": {"street": "南京路 1 号", "city": "上海"},
        "openid": "o-1",
        "plan": "gold",
    }
    message = {"type": "identify", "userId": "u1", "messageId": "m", "traits": traits}
    taken = accept([message], DOOR)
    event = event_of(message)
    phone, email = TOKENS.token("phone", PHONES[0]), TOKENS.token("email", EMAILS[0])
    assert event.traits == {
        "phone": phone,
        "email": email,
        "firstName": TOKENS.token("name", NAMES[0]),
        "address": {"street": TOKENS.token("address", "南京路 1 号"), "city": "上海"},
        "openid": TOKENS.token("openid", "o-1"),
        "plan": "gold",
    }
    assert event.identifiers == (
        Identifier("phone", phone),
        Identifier("email", email),
        Identifier("openid", TOKENS.token("openid", "o-1")),
    )
    assert raws(taken) == {
        ("user", "u1"),
        ("phone", f"+86{PHONES[0]}"),
        ("email", EMAILS[0]),
        ("name", NAMES[0]),
        ("address", "南京路 1 号"),
        ("openid", "o-1"),
    }
    assert {each.subject for each in taken.personal} == {f"web|{TOKENS.token('user', 'u1')}"}


def test_traits_and_devices_in_the_context_are_read_too() -> None:
    context = {
        "traits": {"email": EMAILS[0]},
        "device": {"id": "IDFV-1", "name": f"{NAMES[0]}的 iPhone", "model": "15"},
    }
    event = event_of(track(context=context))
    assert event.context["device"]["model"] == "15"
    assert [each.kind for each in event.identifiers] == ["email", "device"]


def test_who_receives_a_parcel_is_not_who_ordered_it() -> None:
    receiver = {"name": NAMES[0], "phone": PHONES[1]}
    event = event_of(track(properties={"receiver": receiver, "virtual_phone": PHONES[2], "phone": PHONES[0]}))
    assert event.identifiers == (Identifier("phone", TOKENS.token("phone", PHONES[0])),)
    assert event.properties["receiver"]["phone"] == TOKENS.token("phone", PHONES[1])


def test_what_stands_in_free_text_is_reported_by_path_and_kind() -> None:
    taken = accept([track(properties={"note": f"ring {PHONES[0]}", "tags": ["a", EMAILS[0]]})], DOOR)
    assert [(note.path, note.what) for note in taken.notes] == [
        ("properties.note", "phone"),
        ("properties.tags[1]", "email"),
    ]
    event = msgspec.json.decode(taken.entries[0].body, type=Event)
    assert event.properties["note"] == f"ring {TOKENS.token('phone', PHONES[0])}"
    assert event.identifiers == ()


def test_an_order_number_of_eleven_digits_stays_unless_it_is_the_phone_that_comes_with_it() -> None:
    assert event_of(track(properties={"order_id": "13812345678"})).properties["order_id"] == "13812345678"
    assert event_of(track(properties={"order_id": 13812345678})).properties["order_id"] == 13812345678
    both = {"order_id": "13812345678", "phone": "138 1234 5678"}
    assert event_of(track(properties=both)).properties["order_id"] == TOKENS.token("phone", PHONES[0])
    assert (
        event_of(track(userId=PHONES[0], properties={"order_id": PHONES[0]})).properties["order_id"].startswith("ph_")
    )


@pytest.mark.parametrize(
    ("timestamp", "sent_at", "happened"),
    [
        (None, None, NOW),
        ("2024-06-01T03:00:00Z", None, NOW - timedelta(hours=1)),
        ("2024-06-01T11:00:00+08:00", None, NOW - timedelta(hours=1)),
        ("2024-06-01T03:00:00Z", "2024-06-01T03:00:10Z", NOW - timedelta(seconds=10)),
        ("1999-01-01T00:00:00Z", "1999-01-01T00:00:10Z", NOW - timedelta(seconds=10)),
        ("2031-01-01T00:00:00Z", "2031-01-01T00:00:10Z", NOW - timedelta(seconds=10)),
        ("2031-01-01T00:00:00Z", None, NOW),
        ("1970-01-01T00:00:00Z", None, NOW),
        ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", NOW),
        (1717210800, None, NOW - timedelta(hours=1)),
        (1717210800000, None, NOW - timedelta(hours=1)),
        ("2024-06-01T03:00:00Z", "rubbish", NOW - timedelta(hours=1)),
    ],
)
def test_time_is_corrected_by_the_clock_of_the_client(timestamp: object, sent_at: object, happened: datetime) -> None:
    assert event_of(track(timestamp=timestamp, sentAt=sent_at)).occurred_at == happened


def test_what_is_imported_keeps_its_time() -> None:
    old = track(timestamp="2019-01-01T00:00:00Z", sentAt="2024-06-01T03:00:00Z")
    event = event_of(old, Door("old", TOKENS, NOW, is_live=False))
    assert (event.occurred_at, event.is_live) == (datetime(2019, 1, 1, tzinfo=UTC), False)


@pytest.mark.parametrize(
    ("message", "reason", "path"),
    [
        (None, "not_an_object", ""),
        ([], "not_an_object", ""),
        ({}, "no_type", "type"),
        ({"type": "buy"}, "unknown_type", "type"),
        ({"type": ["track"]}, "unknown_type", "type"),
        (track(""), "no_name", "event"),
        (track("x" * 201), "long_name", "event"),
        ({"type": "track", "event": "A"}, "no_id", "userId"),
        ({"type": "alias", "userId": "u"}, "no_id", "previousId"),
        ({"type": "group", "userId": "u"}, "no_id", "groupId"),
        (track(userId={"id": 1}), "wrong_type", "userId"),
        (track(messageId=True), "wrong_type", "messageId"),
        (track(properties="text"), "wrong_type", "properties"),
        (track(context=[1]), "wrong_type", "context"),
        (track(timestamp="yesterday"), "no_time", "timestamp"),
        (track(properties={"a": math.nan}), "not_a_number", "properties.a"),
        (track(properties={"price": math.inf}), "not_a_number", "properties.price"),
        (track(properties={"a": 10**30}), "number_too_large", "properties.a"),
        (track(properties={"a": "\ud800"}), "bad_text", ""),
        (track(properties={"a": "x" * MOST_BYTES}), "too_large", ""),
        (track(userId="u" * 600), "bad_id", "userId"),
        (order(order_id=None), "missing_property", "properties.order_id"),
        (order(products=[]), "number_of_lines", "properties.products"),
        (order(products=[{"product_id": "P", "price": "dear"}]), "wrong_type", "properties.products[0].price"),
        (order(currency="USD"), "other_currency", "properties.currency"),
        (track("Consent Given", properties={"purpose": "marketing"}), "missing_property", "properties.channel"),
    ],
)
def test_what_is_refused_says_why_and_where(message: Any, reason: str, path: str) -> None:
    refusal = refusal_of(message)
    assert (refusal.reason, refusal.path) == (reason, path)


def test_what_is_nested_too_deep_is_refused_and_kept_whole() -> None:
    for depth, reasons in ((30, {"too_deep"}), (20_000, {"too_deep"})):
        node: Any = {}
        for _ in range(depth):
            node = {"a": node}
        taken = accept([track(properties=node), track()], DOOR)
        assert [type(item) for item in taken.items] == [Refusal, Entry]
        assert taken.refusals[0].reason in reasons
        ((_, body),) = taken.bodies
        assert body.count(b'{"a":') == depth


@pytest.mark.parametrize(
    "name", ["Order Completed", "Completed Order", "Coupon Issued", "Coupon Redeemed", "Points Spent", "Consent Given"]
)
def test_a_browser_key_sends_no_orders_coupons_points_or_consent(name: str) -> None:
    assert refusal_of(track(name), BROWSER).reason == "server_only"


def test_a_browser_key_is_believed_less() -> None:
    event = event_of({"type": "identify", "userId": "u1", "traits": {"phone": PHONES[0]}}, BROWSER)
    assert (event.is_verified, event.channel) == (False, "web")
    assert (
        refusal_of({"type": "track", "event": "Store Entered", "properties": {"store_id": "1"}}, BROWSER).path
        == "userId"
    )


def test_an_alias_may_come_from_a_cookie_or_from_a_user() -> None:
    event = event_of({"type": "alias", "userId": "u2", "previousId": "a1"})
    assert event.previous_id == TOKENS.token("user", "a1")
    assert event.identifiers == (Identifier("cookie", TOKENS.token("cookie", "a1")),)


def test_ids_of_users_among_properties_are_tokens_too() -> None:
    properties = event_of(track(properties={"user_id": "u1", "customerId": 7, "client_id": "c"})).properties
    assert properties == {
        "user_id": TOKENS.token("user", "u1"),
        "customerId": TOKENS.token("user", "7"),
        "client_id": TOKENS.token("cookie", "c"),
    }


def test_the_ids_of_browsers_do_not_make_an_event_suspect() -> None:
    message_id = "ajs-next-1717210800000-550e8400-e29b-41d4-a716-446655440000"
    assert event_of(track(messageId=message_id)).message_id == message_id
    hidden = event_of(track(messageId=f"m-{PHONES[0]}")).message_id
    assert hidden.startswith("m_")
    assert event_of(track(messageId=f"m-{PHONES[0]}")).message_id == hidden


def test_a_receipt_may_be_nobodys_or_a_members() -> None:
    line = {"order_id": "R1", "line_no": 1, "product_id": "P", "quantity": 1, "net_amount": 3}
    nobody = event_of({"type": "track", "event": "Receipt Line", "properties": line})
    assert (nobody.user_id, nobody.anonymous_id) == (None, None)
    member = event_of(
        {"type": "track", "event": "Receipt Line", "properties": line | {"phone": PHONES[0], "member_no": "V1"}}
    )
    assert member.user_id == TOKENS.token("member_no", "V1")


def test_the_plan_allows_warns_and_refuses() -> None:
    plan = Plan.from_toml(
        """
unknown_events = "warn"
[events."Viewed Product"]
unknown = "warn"
required = ["product_id"]
[events."Product Viewed".properties]
product_id = "string"
""".replace("Product Viewed", "Viewed Product")
    )
    door = Door("web", TOKENS, NOW, plan=plan)
    assert refusal_of(track(properties={"product_id": 7}), door).reason == "wrong_type"
    assert refusal_of(track(properties={}), door).reason == "missing_property"
    taken = accept([track(properties={"product_id": "7", "colour": "red"}), track("Other")], door)
    assert [(note.place, note.what, note.path) for note in taken.notes] == [
        (0, "unplanned_property", "properties.colour"),
        (1, "unplanned_event", "event"),
    ]


def test_a_message_without_an_id_has_the_same_one_when_it_comes_again() -> None:
    def sent(at: str, product: str) -> Entry:
        message = track(properties={"product_id": product}, sentAt=at, _metadata={"retryCount": at})
        del message["messageId"]
        return accept([message], DOOR).entries[0]

    first, again, other = sent("2024-06-01T03:00:00Z", "1"), sent("2024-06-01T03:00:09Z", "1"), sent("", "2")
    assert (first.message_id, first.payload_hash) == (again.message_id, again.payload_hash)
    assert first.message_id != other.message_id
    assert first.payload_hash != other.payload_hash


def test_a_hash_tells_nothing_to_who_has_no_key() -> None:
    other = Door("web", Tokens(Key(b"z" * 32), "CN"), NOW)
    message = track(properties={"phone": PHONES[0]})
    assert accept([message], DOOR).entries[0].payload_hash != accept([message], other).entries[0].payload_hash


@pytest.mark.parametrize(
    ("address", "cut"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3::4", "2001:db8:1::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("[2001:db8::1%eth0]", "2001:db8::"),
        ("203.0.113.77, 10.0.0.1", ""),
        (PHONES[0], ""),
    ],
)
def test_addresses_are_cut(address: str, cut: str) -> None:
    assert event_of(track(context={"ip": address})).context["ip"] == cut


def test_what_people_wrote_is_in_the_vault_and_redacted_in_the_event() -> None:
    text = f"好喝！联系 {PHONES[0]}"
    message = track("Product Reviewed", properties={"product_id": "P", "review_body": text})
    properties = event_of(message).properties
    assert properties["review_body"] == f"好喝！联系 {TOKENS.token('phone', PHONES[0])}"
    assert ("text", text.replace("！", "!")) in raws(accept([message], DOOR))
    assert properties["review_body_token"] == TOKENS.token("text", text)


@pytest.mark.parametrize("place", range(4))
def test_poison_harms_only_itself(place: int) -> None:
    good = [track(messageId=f"m{number}") for number in range(3)]
    alone = accept(good, DOOR)
    for poison in (None, {"type": math.nan}, track(properties={1: 2}), track(properties={"a": object()}), "\ud800"):
        taken = accept([*good[:place], poison, *good[place:]], DOOR)
        assert taken.entries == alone.entries
        assert isinstance(taken.items[place], Refusal)
        assert len(taken.bodies) == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from([*PHONES, *EMAILS, "track", "Order Completed"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "type", "event", "name", "userId", "anonymousId", "previousId", "groupId", "messageId", "timestamp", "sentAt",
    "properties", "traits", "context", "channel", "category",
]  # fmt: skip
MESSAGE = st.dictionaries(st.sampled_from(FIELDS), JSON) | st.builds(
    lambda kind, name, more: {"type": kind, "event": name, "userId": "u"} | more,
    st.sampled_from(["track", "page", "screen", "identify", "group", "alias"]),
    st.sampled_from(["Order Completed", "Order Refunded", "Receipt Line", "Product Reviewed", "Consent Given", "Own"]),
    st.dictionaries(st.sampled_from(FIELDS[3:]), JSON),
)


@given(st.lists(JSON | MESSAGE, max_size=6), st.booleans())
def test_anything_is_accepted_or_refused_and_nothing_raises(messages: list[Any], is_browser: bool) -> None:
    taken = accept(messages, Door("s", TOKENS, NOW, is_browser=is_browser))
    assert len(taken.items) == len(messages) == len(taken.entries) + len(taken.refusals)
    assert [item for item in taken.refusals if item.reason == "unforeseen"] == []
    bodies = dict(taken.bodies)
    for message, item in zip(messages, taken.items, strict=True):
        if isinstance(item, Refusal):
            assert repr(read_whole(bodies[item.refused_id])) == repr(json.loads(json.dumps(message)))
        else:
            event = msgspec.json.decode(item.body, type=Event)
            assert (event.source, event.message_id) == (item.source, item.message_id)
            assert event.occurred_at <= NOW + timedelta(minutes=5)
    assert [word for word in (*PHONES, *EMAILS) if word in repr(taken.entries) + repr(taken.refusals)] == []


WORDS = [*PHONES, *EMAILS, *NAMES]


def canaries() -> list[Any]:
    phone, email, name = PHONES[0], EMAILS[0], NAMES[0]
    good = {
        "userId": phone, "anonymousId": email, "messageId": f"m-{phone}", "traits": {
            "phone": phone, "mobile": [phone, PHONES[1]], "email": {"home": email}, "name": name, "lastName": NAMES[1],
            "address": [name, {"street": name}], "note": f"{phone}/{email}", phone: 1, email: {phone: email}},
        "context": {"traits": {"name": name, "phone": int(phone)}, "device": {"id": phone, "name": name},
                    "page": {"url": f"https://x.cn/{phone}?e={email}"}, "ip": phone},
        "properties": {"customer": name, "buyer": {"name": name}, "receiver_name": name, "mobile": float(phone),
                       "text": f"{email} {phone}", "order_id": f"{phone}-1",
                       "products": [{"name": "x", "memo": phone}]},
    }  # fmt: skip
    kinds = ["track", "page", "screen", "identify", "group", "alias"]
    well = [
        good
        | {
            "type": kind,
            "event": f"Call {phone}",
            "name": email,
            "category": f"{email}/{phone}",
            "previousId": phone,
            "groupId": email,
        }
        for kind in kinds
    ]
    wrong = [
        name,
        [phone],
        {phone: name},
        {"type": name},
        {"type": email, **good},
        well[0] | {"event": [name]},
        well[0] | {"event": {phone: email}},
        well[0] | {"userId": [phone]},
        well[0] | {"userId": {name: phone}},
        well[0] | {"timestamp": phone + name},
        well[0] | {"timestamp": email},
        well[0] | {"properties": name},
        well[0] | {"properties": [phone]},
        well[0] | {"properties": {"x[13812345678]": {name: {email: math.nan}}}},
        well[0] | {"properties": {phone: math.inf, "a": "\ud800"}},
        well[0] | {"context": phone, "traits": email},
        well[0] | {"properties": {"big": (phone + name + email) * 2_000}},
        well[0] | {"messageId": {phone: email}},
        well[0] | {"event": "Order Completed", "properties": {"order_id": [phone], "products": name}},
        well[0]
        | {
            "event": "Order Completed",
            "properties": {"order_id": "1", "products": [{"product_id": "1", "price": email}]},
        },
        well[0] | {"event": name * 100},
    ]
    return [*well, *wrong]


@pytest.mark.parametrize("plan", ["", 'unknown_events = "refuse"'])
@pytest.mark.parametrize("is_browser", [False, True])
def test_nothing_personal_is_in_any_entry_or_refusal_or_report(plan: str, is_browser: bool) -> None:
    door = Door("s", TOKENS, NOW, is_browser=is_browser, plan=Plan.from_toml(plan))
    messages = canaries()
    taken = accept(messages, door)
    if not plan:
        assert [type(item) for item in taken.items[:6]] == [Entry] * 6
    assert [item for item in taken.items[6:] if isinstance(item, Entry)] == []
    said = "".join(entry.body.decode() for entry in taken.entries) + repr(
        (taken.entries, taken.refusals, taken.notes, taken)
    )
    assert [word for word in WORDS if word in said] == []
    kept = repr([(each.raw) for each in taken.personal]) + b"".join(body for _, body in taken.bodies).decode(
        "unicode-escape"
    )
    assert [word for word in WORDS[:2] + EMAILS[:1] + NAMES[:1] if word not in kept] == []


def test_a_blind_scan_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control of the canaries."""
    monkeypatch.setattr("shopkeeper.collect.scan.Scanner.suspects", lambda *_: False)
    said = "".join(entry.body.decode() for entry in accept(canaries(), DOOR).entries)
    assert PHONES[0] in said
    assert EMAILS[0] in said
    assert NAMES[0] not in said  # its key tells
    for keys in ("TRAITS", "PROPERTIES", "CONTEXT"):
        monkeypatch.setattr(f"shopkeeper.collect.personal.{keys}", Keys({}))
    assert NAMES[0] in "".join(entry.body.decode() for entry in accept(canaries(), DOOR).entries)


@pytest.mark.parametrize(
    ("part", "canary"),
    [
        ({"traits": {"address": {"city": PHONES[0], "street": "x"}}}, PHONES[0]),
        ({"traits": {"address": {"country": EMAILS[0]}}}, EMAILS[0]),
        ({"properties": {"receiver": [NAMES[0]]}}, NAMES[0]),
        ({"properties": {"customer": [[NAMES[0]], {"name": NAMES[0]}]}}, NAMES[0]),
        ({"properties": {"customer": 8612345}}, "8612345"),
        ({"properties": {"member": [8612345]}}, "8612345"),
        ({"properties": {"receiver": {"addr": NAMES[0]}}}, NAMES[0]),
        ({"context": {"ip": ["203.0.113.77"]}}, "203.0.113.77"),
        ({"context": {"ip": {"v4": "203.0.113.77"}}}, "203.0.113.77"),
        ({"context": {"ip": 3405803853}}, "3405803853"),
        ({"context": {"externalIds": ["CANARY-77"]}}, "CANARY-77"),
        ({"context": {"device": ["AA:BB:CC:DD:EE:FF"]}}, "AA:BB:CC:DD:EE:FF"),
        ({"type": "page", "name": "x" * 190 + PHONES[0]}, PHONES[0][:10]),
        ({"type": "page", "name": "x", "category": "x" * 190 + PHONES[0]}, PHONES[0][:10]),
    ],
)
def test_what_is_personal_is_a_token_in_whatever_shape_it_comes(part: dict[str, Any], canary: str) -> None:
    (item,) = accept([track("Seen") | part], DOOR).items
    assert isinstance(item, Entry), item
    assert canary.encode() not in item.body


def test_lists_where_a_person_is_expected_are_no_way_around_the_depth() -> None:
    value: Any = NAMES[0]
    for _ in range(40):
        value = [value]
    assert refusal_of(track("Seen", properties={"receiver": value})).reason == "too_deep"


@pytest.mark.parametrize("parts", [1, 20])
def test_an_event_of_nothing_but_phones_is_refused_before_it_takes_long(parts: int) -> None:
    numbers = [str(13800000000 + place) for place in range(2_000)]
    texts = {f"t{part}": " ".join(numbers[part::parts]) for part in range(parts)}
    assert refusal_of(track("Seen", properties=texts)).reason == "too_large"
