"""Sensors Data's tracking format (神策) as Segment messages, so that instrumented shops change only the address.

Reference:
    Sensors Data, 数据格式: `data` and `data_list`, base64 of JSON, gzip or not; `track`, `track_signup`, `profile_*`.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from shopkeeper.base.errors import DataError

__all__ = ["MOST_UNPACKED", "records_of", "sensors_messages"]

MOST_UNPACKED = 4 * 1024 * 1024
"""Bytes of one request after unpacking."""

_GZIP = b"\x1f\x8b"
_CHANNELS = {"js": "web", "ios": "app", "android": "app", "miniprogram": "mini_program", "harmonyos": "app"}
_VIEWS = {"$pageview": "page", "$AppViewScreen": "screen", "$MPViewScreen": "screen"}
_IDENTITIES = MappingProxyType(
    {
        "$identity_mobile": "phone",
        "$identity_email": "email",
        "$identity_mp_openid": "openid",
        "$identity_mp_unionid": "unionid",
        "$identity_android_id": "device_id",
        "$identity_idfv": "device_id",
    }
)
_CONTEXT = MappingProxyType(
    {
        "$ip": ("ip",),
        "$user_agent": ("userAgent",),
        "$app_version": ("app", "version"),
        "$app_name": ("app", "name"),
        "$app_id": ("app", "namespace"),
        "$os": ("os", "name"),
        "$os_version": ("os", "version"),
        "$manufacturer": ("device", "manufacturer"),
        "$brand": ("device", "brand"),
        "$model": ("device", "model"),
        "$device_id": ("device", "id"),
        "$screen_width": ("screen", "width"),
        "$screen_height": ("screen", "height"),
        "$network_type": ("network", "type"),
        "$carrier": ("network", "carrier"),
        "$wifi": ("network", "wifi"),
        "$country": ("location", "country"),
        "$province": ("location", "province"),
        "$city": ("location", "city"),
        "$url": ("page", "url"),
        "$url_path": ("page", "path"),
        "$title": ("page", "title"),
        "$referrer": ("page", "referrer"),
        "$utm_source": ("campaign", "source"),
        "$utm_medium": ("campaign", "medium"),
        "$utm_campaign": ("campaign", "name"),
        "$utm_term": ("campaign", "term"),
        "$utm_content": ("campaign", "content"),
        "$lib": ("library", "name"),
        "$lib_version": ("library", "version"),
        "$event_session_id": ("sessionId",),
    }
)


def records_of(form: Mapping[str, str]) -> list[Any]:
    """Reads the records of a request from its form fields.

    Args:
        form: The fields, decoded from the form: `data_list` or `data`.

    Raises:
        DataError: There is neither, or it is no base64, gzip or JSON, or too much.
    """
    for name in ("data_list", "data"):
        if form.get(name):
            found = _json(_unpacked(_bytes(form[name], name), name), name)
            return found if isinstance(found, list) else [found]
    raise _wrong("data", "is not there")


def sensors_messages(records: list[Any]) -> list[Any]:
    """Gives a Segment message for each record; what is no record stays as it is, to be refused with its reason."""
    return [_message(record) if isinstance(record, dict) else record for record in records]


def _message(record: dict[str, Any]) -> dict[str, Any]:
    kind = record.get("type")
    given = record.get("properties")
    properties = given if isinstance(given, dict) else {}
    context = _context(properties, record)
    message: dict[str, Any] = {"timestamp": record.get("time"), "sentAt": record.get("_flush_time"), "context": context}
    if isinstance(record.get("_track_id"), int) and record.get("time") is not None:
        message["messageId"] = f"sa-{record['_track_id']}-{record['time']}"
    message |= _ids(record, properties)
    own = {key: value for key, value in properties.items() if key not in _CONTEXT and key != "$is_login_id"}
    body = given if given is not None and not isinstance(given, dict) else own
    return message | _what(kind, record, body, context)


def _what(kind: object, record: dict[str, Any], body: Any, context: dict[str, Any]) -> dict[str, Any]:
    event = record.get("event")
    if kind == "track" and isinstance(event, str) and event in _VIEWS:
        name = context.get("page", {}).get("title")
        return {"type": _VIEWS[event], "name": name, "properties": body}
    if kind == "track":
        return {"type": "track", "event": event, "properties": body}
    if kind in ("track_signup", "track_id_bind"):
        return {"type": "identify", "traits": {}}
    if kind in ("profile_set", "profile_set_once", "profile_unset"):
        gone = kind == "profile_unset" and isinstance(body, dict)
        return {"type": "identify", "traits": dict.fromkeys(body) if gone else body}
    if isinstance(kind, str) and kind.startswith("profile_"):
        # An increment or a list that grows is no value: it stays what it is, an event.
        return {"type": "track", "event": kind, "properties": body}
    return {"type": kind, "event": event, "properties": body}


def _ids(record: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    user, anonymous, distinct = record.get("login_id"), record.get("anonymous_id"), record.get("distinct_id")
    if record.get("type") == "track_signup":
        user, anonymous = user or distinct, anonymous or record.get("original_id")
    elif user is None and properties.get("$is_login_id") is True:
        user = distinct
    elif user is None and anonymous is None:
        anonymous = distinct
    found = {"userId": user, "anonymousId": anonymous}
    return {name: value for name, value in found.items() if value is not None}


def _context(properties: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    lib = record.get("lib")
    found: dict[str, Any] = {}
    for source in (lib if isinstance(lib, dict) else {}, properties):
        for name, path in _CONTEXT.items():
            if name in source and source[name] not in (None, ""):
                inside = found
                for part in path[:-1]:
                    inside = inside.setdefault(part, {})
                inside[path[-1]] = source[name]
    library = found.get("library", {}).get("name")
    if isinstance(library, str) and library.lower() in _CHANNELS:
        found["channel"] = _CHANNELS[library.lower()]
    traits = dict(_traits(record.get("identities")))
    return found | ({"traits": traits} if traits else {})


def _traits(identities: object) -> Iterator[tuple[str, Any]]:
    if isinstance(identities, dict):
        for name, key in _IDENTITIES.items():
            if identities.get(name):
                yield key, identities[name]


def _bytes(text: str, name: str) -> bytes:
    # A plus sign that was not escaped in the form arrives as a blank.
    try:
        return base64.b64decode(text.strip().replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(name, "is no base64") from None


def _unpacked(packed: bytes, name: str) -> bytes:
    if not packed.startswith(_GZIP):
        return packed
    unpacking = zlib.decompressobj(wbits=31)
    try:
        found = unpacking.decompress(packed, MOST_UNPACKED)
    except zlib.error:
        raise _wrong(name, "is no gzip") from None
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise _wrong(name, "is too much, or cut off")
    return found


def _json(text: bytes, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong(name, "is no JSON") from None


def _wrong(name: str, what: str) -> DataError:
    return DataError(f"the field '{name}' {what}", next_step="send base64 of JSON, gzip or not, as the SDKs do")
