"""Signals of devices in stores as Segment messages: door counters, gates, Wi-Fi and beacons, shelves."""

import re
from typing import Any

__all__ = ["device_messages"]

_MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-]?[0-9a-fA-F]{2}){5}")
_RANDOM = frozenset("26aeAE")
_SEEN = ("signal", "dwell_seconds")
_SHELF = ("shelf_id", "aisle", "bay", "level", "product_id", "quantity", "dwell_seconds")


def device_messages(signal: Any) -> list[Any]:
    """Gives the messages of one signal.

    Args:
        signal: `{"kind", "device_id", "store_id", "time", "sequence", …}` with kind `counter` (`in`, `out`), `gate`
            (`code` of a member, `direction`), `wifi` or `beacon` (`mac` or `beacon_id`, `zone_id`), `shelf`
            (`shelf_id`, `action`). What is none of these is given back as it is, to be refused with its reason.

    Returns:
        One message for each thing it tells; two for a counter that saw people come and go.
    """
    kind = signal.get("kind") if isinstance(signal, dict) else None
    if kind == "counter":
        return _counted(signal)
    if kind == "gate":
        return [_gate(signal)]
    if kind in ("wifi", "beacon"):
        return [_near(signal)]
    if kind == "shelf":
        picked = signal.get("action") == "picked"
        return [_message(signal, "Product Picked Up" if picked else "Shelf Viewed", _some(signal, _SHELF))]
    # A device may tell of itself alone: what is a message already, such as an order, is refused whole.
    return [{"signal": signal} if isinstance(signal, dict) and "type" in signal else signal]


def _counted(signal: dict[str, Any]) -> list[Any]:
    counts = [(event, signal[key]) for key, event in (("in", "Store Entered"), ("out", "Store Left")) if key in signal]
    if not counts:
        return [_message(signal, "Store Entered", {"people": None})]
    return [_message(signal, event, {"people": people}) for event, people in counts if people != 0]


def _gate(signal: dict[str, Any]) -> Any:
    event = "Store Left" if signal.get("direction") == "out" else "Store Entered"
    code = signal.get("code")
    return _message(signal, event, {} if code is None else {"member_no": code})


def _near(signal: dict[str, Any]) -> Any:
    event = "Zone Entered" if signal.get("zone_id") is not None else "Store Entered"
    message = _message(signal, event, _some(signal, ("zone_id", *_SEEN)))
    own = signal.get("mac") or signal.get("beacon_id")
    if own is None or _is_random(own):
        return message
    return message | {"anonymousId": own, "context": message["context"] | {"device": {"id": own}}}


def _is_random(own: object) -> bool:
    """Phones make up addresses for a day (IEEE 802: the bit "locally administered"): such a one is nobody."""
    return isinstance(own, str) and _MAC.fullmatch(own) is not None and own[1] in _RANDOM


def _message(signal: dict[str, Any], event: str, properties: dict[str, Any]) -> dict[str, Any]:
    place = {"store_id": signal.get("store_id"), "entrance_id": signal.get("entrance_id")}
    device, sequence = signal.get("device_id"), signal.get("sequence")
    message = {
        "type": "track",
        "event": event,
        "timestamp": signal.get("time"),
        "properties": {name: value for name, value in (place | properties).items() if value is not None},
        "context": {"sensor": {"id": device, "kind": signal.get("kind")}},
    }
    if device is not None and sequence is not None:
        message["messageId"] = f"{device}:{sequence}:{event}"
    return message


def _some(signal: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: signal[name] for name in names if signal.get(name) is not None}
