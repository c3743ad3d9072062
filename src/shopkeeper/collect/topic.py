"""Topics of a broker: a pattern whose levels say what a payload does not, and the messages of a payload."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from shopkeeper.base.errors import UsageError
from shopkeeper.collect.device import device_messages

__all__ = ["Topic", "topic_messages"]

_NAMES = ("store_id", "device_id", "kind", "entrance_id", "zone_id", "shelf_id")
_LEVEL = re.compile(r"\{(\w+)\}")


class Topic:
    """A pattern of topics, such as `stores/{store_id}/{device_id}/{kind}`.

    Args:
        text: Levels with slashes between: a word, `{NAME}` for one of `_NAMES`, `+` for any, and `#` at the end for any
            number.

    Raises:
        UsageError: It is no such pattern.
    """

    def __init__(self, text: str) -> None:
        self._levels = text.split("/")
        named = [found[1] for level in self._levels if (found := _LEVEL.fullmatch(level))]
        wrong = [name for name in named if name not in _NAMES or named.count(name) > 1]
        wrong += [level for level in self._levels if re.search(r"[{}+#\x00]", level) and not _is_wild(level)]
        wrong += ["#"] if "#" in self._levels[:-1] else []
        if wrong or not text:
            raise UsageError(
                f"'{text}' is no topic: '{(wrong or [''])[0]}'",
                place="mqtt.topics",
                next_step=f"write levels as words, +, or {', '.join(f'{{{name}}}' for name in _NAMES)}",
            )

    @property
    def filter(self) -> str:
        """What the broker is asked for."""
        return "/".join("+" if level.startswith("{") else level for level in self._levels)

    def fields(self, topic: str) -> Mapping[str, str] | None:
        """What the levels of a topic say; None where it does not fit."""
        given, found = topic.split("/"), {}
        has_rest = self._levels[-1] == "#"
        levels = self._levels[:-1] if has_rest else self._levels
        if len(given) < len(levels) or (len(given) > len(levels) and not has_rest):
            return None
        for level, said in zip(levels, given, strict=False):
            if level.startswith("{"):
                found[level[1:-1]] = said
            elif level not in ("+", said):
                return None
        return found


def topic_messages(topics: Iterable[Topic], topic: str, payload: bytes) -> list[Any]:
    """Gives the messages of one payload; none where it is empty.

    A broker may bring a payload twice, and only its content tells that it is the same: so a signal must say its
    `sequence` or its `time`. What says neither, and what is no signal at all, is given so that it is refused and kept.

    Args:
        topics: The patterns.
        topic: Where it was published.
        payload: A signal (see `device_messages`) or several as JSON.
    """
    if not payload.strip():
        return []
    try:
        sent = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return [_unread(payload)]
    fields = next((found for each in topics if (found := each.fields(topic)) is not None), {})
    signals = sent if isinstance(sent, list) else [sent]
    return [message for signal in signals for message in device_messages(_whole(signal, fields))]


def _whole(signal: Any, fields: Mapping[str, str]) -> Any:
    if not isinstance(signal, dict):
        return signal
    made = {**fields, **signal}
    if made.get("sequence") is None and made.get("time") is None:
        made["time"] = ""  # no time at all, which is refused as such
    return made


def _unread(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(payload).decode()}"


def _is_wild(level: str) -> bool:
    return level in ("+", "#") or _LEVEL.fullmatch(level) is not None
