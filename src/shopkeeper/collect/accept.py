"""Takes messages in: each becomes an event with tokens, or a refusal with a reason; never an exception."""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from shopkeeper.collect import fields, personal
from shopkeeper.collect.clean import Cleaner, Cleaning, RefusedError, identifiers_of, shown_path
from shopkeeper.collect.door import Door, Note, Personal, Taken
from shopkeeper.collect.ids import Ids
from shopkeeper.collect.mask import mask
from shopkeeper.collect.orders import order_fault
from shopkeeper.collect.times import happened_at, instant
from shopkeeper.collect.whole import whole
from shopkeeper.schema.consent import consent_fault
from shopkeeper.schema.event import Event
from shopkeeper.schema.events import TEXTS, canonical
from shopkeeper.schema.happening import Happening
from shopkeeper.storage.log import Entry, Refusal

__all__ = ["MOST_BYTES", "Desk", "accept"]

MOST_BYTES = 32 * 1024
"""Of the content of one event."""

_OUTSIDE = frozenset({"sentAt", "receivedAt", "writeKey", "_metadata"})  # these differ when a client sends it again
_TYPES = frozenset({"track", "page", "screen", "identify", "group", "alias"})
_MADE_UP = re.compile(r"[a-z\-]{0,20}(?:[0-9]{13}-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NUL = b"\\u0000"
_READ = ("event", "name", "category", "properties", "traits", "context")
_LONGEST_NAME = 200
_MEMBERS = ("member_no", "phone", "unionid", "openid", "email")
_encode = msgspec.json.Encoder(order=None).encode


def accept(messages: Sequence[Any], door: Door) -> Taken:
    """Takes the messages of one request in.

    Args:
        messages: Decoded Segment messages, each with its `type`; any JSON value may come.
        door: What they are taken against.

    Returns:
        An entry or a refusal for each, what the vault is to keep, and what was found.
    """
    desk = Desk(door)
    desk.take(messages)
    return desk.taken()


class Desk:
    """Takes the messages of one request in, piece by piece where somebody else waits for the processor.

    Args:
        door: What they are taken against.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._ids = Ids(door.tokens, door.user_kind)
        self._cleaner = door.cleaner or Cleaner(door.tokens)
        self._items: list[Entry | Refusal] = []
        self._personal: dict[tuple[str, str], Personal] = {}
        self._bodies: dict[str, bytes] = {}
        self._notes: list[Note] = []

    def take(self, messages: Iterable[Any]) -> None:
        """Takes the next messages."""
        for message in messages:
            self._items.append(self._item(len(self._items), message))

    def taken(self) -> Taken:
        """Gives what became of all that was taken."""
        return Taken(
            tuple(self._items), tuple(self._personal.values()), tuple(self._bodies.items()), tuple(self._notes)
        )

    def _item(self, place: int, message: Any) -> Entry | Refusal:
        try:
            return self._entry(place, message)
        except RefusedError as refused:
            return self._refusal(message, refused)
        except Exception:  # noqa: BLE001 - what nobody foresaw in one message must not harm the others
            return self._refusal(message, RefusedError("unforeseen"))

    def _entry(self, place: int, message: Any) -> Entry:
        if type(message) is not dict:
            raise RefusedError("not_an_object", "", message)
        content = {key: value for key, value in message.items() if key not in _OUTSIDE}
        payload = _payload(content)
        if _NUL in payload:
            message = _without_nul(message)
            payload = _payload({key: value for key, value in message.items() if key not in _OUTSIDE})
        if len(payload) > MOST_BYTES:
            raise RefusedError("too_large")
        kind = message.get("type")
        if type(kind) is not str or kind not in _TYPES:
            raise RefusedError("no_type" if kind is None else "unknown_type", "type", kind)
        # Ids are tokens anyhow; with their many digits they would have every event read word by word.
        suspected = self._cleaner.scanner.suspects(_encode([message.get(part) for part in _READ]))
        cleaning = Cleaning(suspected)
        event = self._event(kind, message, payload, cleaning)
        if cleaning.things and cleaning.names_its_person():
            cleaning = Cleaning(suspected, is_strict=True)
            event = self._event(kind, message, payload, cleaning)
        subject = f"{event.source}|{event.user_id or event.anonymous_id or event.message_id}"
        for token, (sort, raw) in cleaning.personal.items():
            self._personal[subject, token] = Personal(subject, sort, token, raw)
        self._note(place, message, event, cleaning)
        digest = self._door.tokens.content_hash(payload)
        return Entry(event.source, event.message_id, digest, _encode(event))

    def _event(self, kind: str, message: dict[str, Any], payload: bytes, cleaning: Cleaning) -> Event:
        door, ids, get = self._door, self._ids, message.get
        user = ids.user(get("userId"), "userId", cleaning)
        anonymous = ids.anonymous(get("anonymousId"), "anonymousId")
        previous = ids.user(get("previousId"), "previousId", cleaning) if "previousId" in message else None
        if kind == "alias" and previous is not None:
            ids.note_cookie(get("previousId"), cleaning)
        group = ids.user(get("groupId"), "groupId", cleaning) if "groupId" in message else None
        given = _part(message, "properties")
        name, known = self._name(kind, message, given, cleaning)
        if known is not None:
            self._check_known(known, given)
        if known is None or not known.nobodys or door.is_browser:
            _check_ids(kind, user, anonymous, previous, group)
        if kind == "track" and not door.plan.allows_all:
            self._check_plan(str(name), given)
        clean = self._cleaner.clean
        traits, context = _part(message, "traits"), _part(message, "context")
        if traits:
            traits = clean(traits, personal.TRAITS, "traits", cleaning)
        context = clean(context, personal.CONTEXT, "context", cleaning)
        properties = clean(given, personal.PROPERTIES, "properties", cleaning)
        if known is not None and known.name in TEXTS:
            properties = self._texts(TEXTS[known.name], given, properties, cleaning)
        if user is None and anonymous is None:
            user = _member(cleaning)
        message_id = ids.message(get("messageId"), payload)
        if _MADE_UP.fullmatch(message_id) is None and self._cleaner.scanner.redact(message_id)[1]:
            message_id = ids.hidden_message(message_id)
        sent_at = instant(get("sentAt"))
        return Event(
            source=door.source,
            message_id=message_id,
            type=kind,  # type: ignore[arg-type]
            occurred_at=happened_at(_timestamp(message), sent_at, door.received_at, is_live=door.is_live),
            received_at=door.received_at,
            name=name,
            anonymous_id=anonymous,
            user_id=user,
            previous_id=previous,
            group_id=group,
            sent_at=sent_at,
            session_id=fields.session_of(properties, context),
            channel=(known and known.channel) or self._channel(kind, message, properties, context),
            store_id=fields.store_of(properties, context) or door.store_id,
            product_id=fields.product_of(properties),
            category=fields.category_of(properties) or self._page_category(kind, message, cleaning),
            query=fields.query_of(properties),
            value=fields.value_of(properties, door.currency),
            traits=traits,
            context=context,
            properties=properties,
            identifiers=identifiers_of(cleaning),
            is_verified=not door.is_browser,
            is_live=door.is_live,
        )

    def _channel(
        self, kind: str, message: dict[str, Any], properties: dict[str, Any], context: dict[str, Any]
    ) -> str | None:
        found = fields.channel_of(properties, context, message.get("channel")) or self._door.channel
        if found is None:
            return "app" if kind == "screen" else "web" if self._door.is_browser or kind == "page" else None
        return found

    def _page_category(self, kind: str, message: dict[str, Any], cleaning: Cleaning) -> str | None:
        said = _text(message, "category") if kind in ("page", "screen") else None
        return self._cleaner.text(said, "category", cleaning)[:_LONGEST_NAME] if said else None

    def _name(
        self, kind: str, message: dict[str, Any], properties: dict[str, Any], cleaning: Cleaning
    ) -> tuple[str | None, Happening | None]:
        if kind == "track":
            name = message.get("event")
            if type(name) is not str or not name.strip():
                raise RefusedError("no_name", "event", name)
            if len(name) > _LONGEST_NAME:
                raise RefusedError("long_name", "event", name)
            known = canonical(name)
            if known is not None:
                return known.name, known
            name = name.strip()
            return self._cleaner.text(name, "event", cleaning), None
        if kind in ("page", "screen"):
            name = _text(message, "name") or _text(properties, "name")
            # Cut only then: half a number is no number any more, and would stay.
            return (self._cleaner.text(name, "name", cleaning)[:_LONGEST_NAME] if name else None), None
        return None, None

    def _check_known(self, known: Happening, properties: dict[str, Any]) -> None:
        if known.server_only and self._door.is_browser:
            raise RefusedError("server_only", "event", known.name)
        if known.becomes == "order_line":
            fault = order_fault(known.name, properties, self._door.currency)
            if fault is not None:
                raise RefusedError(*fault)
        elif known.becomes == "consent":
            for name in known.required:
                if not isinstance(properties.get(name), str) or not properties[name].strip():
                    raise RefusedError("missing_property", f"properties.{name}", properties.get(name))
            wrong = consent_fault(properties["purpose"].strip(), properties["channel"].strip(), None, granted=False)
            if wrong is not None:
                raise RefusedError(wrong[1], f"properties.{wrong[0]}", properties[wrong[0]])

    def _check_plan(self, name: str, properties: dict[str, Any]) -> None:
        for fault in self._door.plan.faults(name, properties):
            if fault.refuses:
                raise RefusedError(fault.reason, fault.path, fault.value)

    def _texts(
        self, names: Sequence[str], given: dict[str, Any], properties: dict[str, Any], cleaning: Cleaning
    ) -> dict[str, Any]:
        """Gives what people wrote a token each: the raw text is in the vault, the redacted one stays."""
        written = {name: given[name] for name in names if isinstance(given.get(name), str) and given[name].strip()}
        made = {f"{name}_token": self._cleaner.token("text", text, cleaning) for name, text in written.items()}
        return {**properties, **made} if made else properties

    def _note(self, place: int, message: dict[str, Any], event: Event, cleaning: Cleaning) -> None:
        self._notes += [Note(place, found.path, found.what) for found in cleaning.found]
        if event.type == "track" and not self._door.plan.allows_all:
            faults = self._door.plan.faults(event.name or "", _part(message, "properties"))
            self._notes += [Note(place, shown_path(fault.path), fault.reason) for fault in faults]

    def _refusal(self, message: Any, refused: RefusedError) -> Refusal:
        body = whole(message)
        digest = self._door.tokens.digest("refused", f"event|{self._door.source}|".encode() + body)
        refused_id = f"rf_{base64.urlsafe_b64encode(digest).decode()}"
        self._bodies[refused_id] = body
        path = shown_path(refused.path) if refused.path else ""
        return Refusal(refused_id, refused.reason, path, _masked(refused.value), self._called(message))

    def _called(self, message: Any) -> str:
        """What a refused event calls itself: a name of ours or of the plan, else the form of its own."""
        if type(message) is not dict:
            return ""
        name, kind = message.get("event"), message.get("type")
        if type(name) is not str or not name.strip():
            return kind if type(kind) is str and kind in _TYPES else ""
        written = name.strip()[:_LONGEST_NAME]
        known = canonical(written)
        if known is not None:
            return known.name
        return written if written in self._door.plan.events else _masked(written)


def _without_nul(node: Any) -> Any:
    """A value without the sign that ends a text in many a database, and is one of those that nobody reads anyhow."""
    if isinstance(node, str):
        return node.replace("\0", "\ufffd")
    if isinstance(node, dict):
        return {_without_nul(key): _without_nul(value) for key, value in node.items()}
    return [_without_nul(value) for value in node] if isinstance(node, list) else node


def _payload(content: dict[str, Any]) -> bytes:
    try:
        return _encode(content)
    except UnicodeEncodeError:
        raise RefusedError("bad_text") from None
    except RecursionError:
        raise RefusedError("too_deep") from None
    except OverflowError:
        raise RefusedError("number_too_large") from None
    except (TypeError, ValueError):
        raise RefusedError("no_json") from None


def _part(message: dict[str, Any], name: str) -> dict[str, Any]:
    part = message.get(name)
    if type(part) is dict:
        return part
    if part is None:
        return {}
    raise RefusedError("wrong_type", name, part)


def _text(node: dict[str, Any], key: str) -> str | None:
    value = node.get(key)
    return value.strip() or None if isinstance(value, str) else None


def _timestamp(message: dict[str, Any]) -> Any:
    for name in ("timestamp", "originalTimestamp"):
        value = message.get(name)
        if value is not None:
            found = instant(value)
            if found is None:
                raise RefusedError("no_time", name, value)
            return found
    return None


def _check_ids(kind: str, user: str | None, anonymous: str | None, previous: str | None, group: str | None) -> None:
    if user is None and anonymous is None:
        raise RefusedError("no_id", "userId")
    if kind == "alias" and previous is None:
        raise RefusedError("no_id", "previousId")
    if kind == "group" and group is None:
        raise RefusedError("no_id", "groupId")


def _member(cleaning: Cleaning) -> str | None:
    """Whose a receipt is that names no user: the member that was scanned or gave a phone at the till."""
    by_kind = {kind: token for token, kind in reversed(cleaning.identifiers.items())}
    return next((by_kind[kind] for kind in _MEMBERS if kind in by_kind), None)


def _masked(value: object) -> str:
    if isinstance(value, str):
        return mask(value[:64]) or ""
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list):
        return "[…]"
    return "" if value is None else mask(json.dumps(value, default=lambda _: "?")[:64]) or ""
