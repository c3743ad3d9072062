"""What a request on an event path says: which key it shows and the messages it brings, whatever format they come in."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec

from shopkeeper.base.errors import DataError, ShopkeeperError
from shopkeeper.collect.device import device_messages
from shopkeeper.collect.ga4 import ga4_messages
from shopkeeper.collect.sensors import records_of, sensors_messages

__all__ = ["EVENT_PATHS", "MOST_EVENTS", "Brought", "UnreadableError", "brought", "shown_key"]

_SINGLE = {
    "identify": "identify", "i": "identify", "track": "track", "t": "track", "page": "page", "p": "page",
    "screen": "screen", "s": "screen", "group": "group", "g": "group", "alias": "alias", "a": "alias",
}  # fmt: skip
_MANY = ("batch", "b", "import")
_SENSORS, _GA4, _DEVICES = "/sa", "/mp/collect", "/v1/devices"
EVENT_PATHS = (*(f"/v1/{name}" for name in (*_SINGLE, *_MANY)), _SENSORS, _GA4, _DEVICES)
"""The paths that take events by a write key."""

MOST_EVENTS = 2_500
"""Of one request."""
_PLAIN = (b"application/json", b"text/plain", b"application/x-www-form-urlencoded", b"")
_IDS = frozenset({"userId", "anonymousId", "previousId", "messageId"})


class UnreadableError(ShopkeeperError):
    """A request that brings no events; nothing of it is kept.

    Args:
        reason: Why, as a word.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the request cannot be read: {reason}", next_step="see docs/how-to/collect.md")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Brought:
    """What a request brings.

    Args:
        key: The write key it shows in its body or address, if any.
        messages: Segment messages, any JSON values.
        is_live: Whether they may trigger anything.
    """

    key: str | None
    messages: list[Any]
    is_live: bool = True


def brought(path: str, headers: Mapping[bytes, bytes], query: bytes, raw: bytes) -> Brought:
    """Reads what a request brings.

    Args:
        path: One of `EVENT_PATHS`.
        headers: Its headers.
        query: Its query string.
        raw: Its body, unpacked.

    Raises:
        UnreadableError: It is no such request; nothing of it can be kept.
    """
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind not in _PLAIN:
        raise UnreadableError("unknown_content_type")
    asked = {name: values[0] for name, values in parse_qs(query.decode("latin-1")).items()}
    if path == _SENSORS:
        found = Brought(asked.get("project") or asked.get("token"), _sensors(raw))
    elif path == _GA4:
        found = Brought(asked.get("api_secret"), ga4_messages(_object(raw)))
    elif path == _DEVICES:
        found = Brought(asked.get("writeKey"), _signals(raw))
    else:
        found = _segment(path.removeprefix("/v1/"), _object(raw), asked.get("writeKey"))
    if len(found.messages) > MOST_EVENTS:
        raise UnreadableError("too_many_events")
    return found


def shown_key(headers: Mapping[bytes, bytes]) -> str | None:
    """The key of the header `Authorization`, as the user of Basic or as Bearer.

    Raises:
        UnreadableError: The header cannot be read.
    """
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip().decode("latin-1")
    if scheme.lower() != b"basic":
        return None
    try:
        user = base64.b64decode(value.strip(), validate=True).partition(b":")[0]
    except binascii.Error:
        raise UnreadableError("bad_authorization") from None
    return user.decode("latin-1")


def _segment(name: str, sent: dict[str, Any], asked: str | None) -> Brought:
    own = sent.get("writeKey")
    key = own if isinstance(own, str) and own else asked
    if name in _SINGLE:
        if not (_IDS & sent.keys()):
            raise UnreadableError("no_id")
        message = {field: value for field, value in sent.items() if field != "writeKey"}
        return Brought(key, [message | {"type": _SINGLE[name]}])
    batch = sent.get("batch")
    if not isinstance(batch, list):
        raise UnreadableError("no_batch")
    if not batch:
        raise UnreadableError("empty")
    # What a batch says once for all is given to each.
    common = {field: sent[field] for field in ("sentAt", "context") if field in sent}
    if common:
        batch = [{**common, **message} if isinstance(message, dict) else message for message in batch]
    return Brought(key, batch, is_live=name != "import")


def _sensors(raw: bytes) -> list[Any]:
    try:
        fields = parse_qs(raw.decode("ascii"), strict_parsing=True, max_num_fields=20)
        return sensors_messages(records_of({name: values[0] for name, values in fields.items()}))
    except (DataError, ValueError):
        raise UnreadableError("no_sensors_data") from None


def _signals(raw: bytes) -> list[Any]:
    sent = _decoded(raw)
    return [message for signal in (sent if isinstance(sent, list) else [sent]) for message in device_messages(signal)]


def _object(raw: bytes) -> dict[str, Any]:
    sent = _decoded(raw)
    if not isinstance(sent, dict):
        raise UnreadableError("not_an_object")
    return sent


def _decoded(raw: bytes) -> Any:
    if not raw.strip():
        raise UnreadableError("empty")
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise UnreadableError("not_json") from None
