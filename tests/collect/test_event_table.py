"""Events of the log as rows of the lake, and back."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from shopkeeper.collect.event_table import Logged, cleared_body, event_rows, logged_rows
from shopkeeper.schema.event import Event, Identifier

AT = datetime(2026, 3, 1, 4, 5, 6, 789, tzinfo=UTC)
PHONE, MAIL = f"ph_{'1' * 24}", f"em_{'2' * 24}"
WHOLE = Event(
    source="web",
    message_id="m1",
    type="track",
    name="Order Completed",
    occurred_at=AT,
    received_at=AT,
    sent_at=AT,
    anonymous_id=f"ck_{'3' * 24}",
    user_id=f"us_{'4' * 24}",
    previous_id=f"us_{'5' * 24}",
    value=Decimal("9.9"),
    traits={"age": 31, "likes": ["茶", 0.1]},
    properties={"z": {"b": None, "a": 3.5}, "products": [{"price": "9.90"}], "big": 2**60},
    identifiers=(Identifier("phone", PHONE), Identifier("email", MAIL)),
    is_verified=True,
)
LEAST = Event(source="web", message_id="m2", type="page", occurred_at=AT, received_at=AT)


def test_an_event_comes_back_from_its_row_as_it_was() -> None:
    logged = [Logged(WHOLE, 4097, b"h" * 16), Logged(LEAST, 8192, b"i" * 16)]
    assert logged_rows(event_rows(logged).to_pylist()) == logged


def test_a_row_of_before_there_were_identifiers_says_nothing_of_them() -> None:
    (row,) = event_rows([Logged(WHOLE, 4097, b"h" * 16)]).to_pylist()
    (old,) = logged_rows([row | {"identifiers": None, "is_verified": None}])
    assert (old.event.identifiers, old.event.is_verified) == ((), False)
    (erased,) = logged_rows([row | {"identifiers": row["identifiers"].replace(PHONE, "erased")}])
    assert erased.event.identifiers == (Identifier("email", MAIL),)


def test_who_was_erased_leaves_what_others_said() -> None:
    body = msgspec.json.encode(msgspec.structs.replace(WHOLE, properties={"for": PHONE, "text": f"see {MAIL}"}))
    assert cleared_body(body, {str(WHOLE.user_id)}) is None
    assert cleared_body(body, {str(WHOLE.anonymous_id)}) is None
    left = cleared_body(body, {PHONE, str(WHOLE.previous_id)})
    assert left is not None
    event = msgspec.json.decode(left, type=Event)
    assert event.properties == {"for": "erased", "text": f"see {MAIL}"}
    assert event.identifiers == (Identifier("email", MAIL),)
    assert event.previous_id is None
    assert len(left) < len(body)
