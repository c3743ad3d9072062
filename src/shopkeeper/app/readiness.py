"""Whether the service can do its work: each thing it needs, and what is wrong with it, as a word."""

import shutil
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Literal

from shopkeeper.app.event_log import waiting
from shopkeeper.app.heartbeat import beats
from shopkeeper.app.shop import Shop
from shopkeeper.app.sign_in import state_answers
from shopkeeper.base.errors import ShopkeeperError

__all__ = ["OK", "Needed", "readiness"]

Needed = Literal["state", "lake", "log", "worker", "loader", "mqtt", "disk"]
OK = "ok"

_LEAST_FREE = 256 * 2**20
_FAILURES = 3
"""So many failures in a row, and a reader counts as one that does not get on."""


def readiness(shop: Shop, of: Collection[Needed] = ()) -> dict[str, str]:
    """Looks at what the service needs.

    Args:
        shop: The shop.
        of: What is looked at; everything by default.

    Returns:
        `ok`, or a word for what is wrong, of each: nothing of the shop is told.
    """
    checks: Mapping[Needed, Callable[[Shop], str]] = {
        "state": _state,
        "lake": _lake,
        "log": _log,
        "worker": partial(_reading, part="worker"),
        "loader": partial(_reading, part="loader"),
        "mqtt": _mqtt,
        "disk": _disk,
    }
    return {name: _tried(check, shop) for name, check in checks.items() if _is_asked(shop, name, of)}


def _is_asked(shop: Shop, name: Needed, of: Collection[Needed]) -> bool:
    if name == "mqtt" and not shop.settings.mqtt.url:
        return False
    return not of or name in of


def _tried(check: Callable[[Shop], str], shop: Shop) -> str:
    try:
        return check(shop)
    except (ShopkeeperError, OSError) as error:
        return type(error).__name__


def _state(shop: Shop) -> str:
    state_answers(shop)
    return OK


def _lake(shop: Shop) -> str:
    shop.lake.tables()
    return OK


def _log(shop: Shop) -> str:
    waiting(shop)
    return OK


def _reading(shop: Shop, part: str) -> str:
    found = beats(shop, shop.clock(), part)
    if not found:
        return "no_heartbeat"
    readers = found[0].note.get("readers", {})
    failing = sorted(name for name, said in readers.items() if said["failures"] >= _FAILURES)
    return f"failing_{failing[0]}" if failing else OK


def _mqtt(shop: Shop) -> str:
    found = beats(shop, shop.clock(), "mqtt")
    if not found:
        return "no_heartbeat"
    return OK if found[0].note.get("connected") else "no_broker"


def _disk(shop: Shop) -> str:
    return OK if shutil.disk_usage(shop.folder).free >= _LEAST_FREE else "full"
