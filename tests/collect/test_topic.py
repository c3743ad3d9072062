"""Topics of a broker, and what becomes of their payloads."""

import json
from datetime import UTC, datetime

import pytest

from shopkeeper.base.errors import UsageError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.topic import Topic, topic_messages
from shopkeeper.storage.keys import Key
from shopkeeper.storage.log import Refusal
from shopkeeper.storage.token import Tokens

DOORS = Topic("stores/{store_id}/{device_id}/{kind}")


def _told(topic: str, payload: object) -> list[object]:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return topic_messages([DOORS], topic, content)


@pytest.mark.parametrize(
    ("text", "asked", "topic", "fields"),
    [
        ("stores/{store_id}/{kind}", "stores/+/+", "stores/s1/gate", {"store_id": "s1", "kind": "gate"}),
        ("stores/{store_id}/#", "stores/+/#", "stores/s1/a/b", {"store_id": "s1"}),
        ("stores/{store_id}/#", "stores/+/#", "stores/s1", {"store_id": "s1"}),
        ("+/{device_id}", "+/+", "x/d1", {"device_id": "d1"}),
        ("doors", "doors", "doors", {}),
        ("doors", "doors", "door", None),
        ("stores/{store_id}", "stores/+", "stores/s1/more", None),
        ("stores/{store_id}/{kind}", "stores/+/+", "stores/s1", None),
    ],
)
def test_a_pattern_says_what_is_asked_for_and_what_a_topic_tells(
    text: str, asked: str, topic: str, fields: dict[str, str] | None
) -> None:
    assert Topic(text).filter == asked
    assert Topic(text).fields(topic) == fields


@pytest.mark.parametrize("text", ["", "a/{phone}", "a/{kind}/{kind}", "a/#/b", "a/b+", "a/{kind", "{kind}x"])
def test_what_is_no_pattern_is_refused_with_the_words_there_are(text: str) -> None:
    with pytest.raises(UsageError, match="is no topic"):
        Topic(text)


def test_a_signal_takes_from_its_topic_what_it_does_not_say() -> None:
    (message,) = _told("stores/s1/door-1/counter", {"in": 2, "sequence": 7, "store_id": "s2"})
    assert isinstance(message, dict)
    assert message["event"] == "Store Entered"
    assert message["messageId"] == "door-1:7:Store Entered"
    assert message["properties"] == {"store_id": "s2", "people": 2}


def test_a_payload_may_be_several_signals() -> None:
    signals = [{"in": 1, "sequence": 1}, {"in": 1, "out": 2, "sequence": 2}]
    told = _told("stores/s1/door-1/counter", signals)
    assert [one["event"] for one in told if isinstance(one, dict)] == ["Store Entered", "Store Entered", "Store Left"]


def test_a_signal_that_cannot_be_told_from_its_repetition_is_given_to_be_refused() -> None:
    (message,) = _told("stores/s1/door-1/counter", {"in": 2})
    assert isinstance(message, dict)
    assert message["timestamp"] == ""
    (timed,) = _told("stores/s1/door-1/counter", {"in": 2, "time": "2026-11-28T10:00:00Z"})
    assert isinstance(timed, dict)
    assert timed["timestamp"] == "2026-11-28T10:00:00Z"


def test_what_is_no_signal_is_given_whole() -> None:
    assert _told("stores/s1/door-1/counter", b"{not json") == ["{not json"]
    assert _told("stores/s1/door-1/counter", b"\xff\xfe") == ["base64://4="]
    assert _told("stores/s1/door-1/counter", 7) == [7]
    assert _told("stores/s1/door-1/counter", b" ") == []


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "identify", "userId": "m1", "traits": {"phone": "13812345678"}, "kind": "x", "sequence": 1},
        {"type": "track", "event": "Consent Given", "userId": "m1", "kind": None, "time": 1},
    ],
)
def test_a_device_says_nothing_in_the_name_of_a_shop(payload: dict[str, object]) -> None:
    (message,) = _told("stores/s1/d1/gate", payload)
    tokens = Tokens(Key(b"k" * 32), "CN")
    (item,) = accept([message], Door("mqtt", tokens, datetime(2026, 1, 1, tzinfo=UTC))).items
    assert isinstance(item, Refusal)
    assert item.reason == "no_type"
