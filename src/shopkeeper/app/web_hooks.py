"""Web hooks of segment changes: made, and sent from the outbox until each message was taken or given up."""

import base64
import json
import os
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import MissingError, StorageError, UnavailableError, UsageError
from shopkeeper.base.ids import new_id
from shopkeeper.storage.sealing import Sealing
from shopkeeper.storage.state.live_segments import Change
from shopkeeper.storage.state.store import State
from shopkeeper.storage.state.web_hooks import Delivery, Hook, Waiting
from shopkeeper.storage.web_hook import Door, signature

__all__ = [
    "ATTEMPTS",
    "add_hook",
    "add_shop_hook",
    "door_of",
    "hook_deliveries",
    "list_hooks",
    "message_of",
    "pause_hook",
    "remove_hook",
    "reseal_hooks",
    "send_due",
    "send_test",
    "wait_after",
]

ATTEMPTS = 14
"""How often a message is tried: the last time some ten hours after the first."""
_FIRST, _LONGEST = timedelta(seconds=5), timedelta(hours=2)
_SECRET_BYTES = 32
_AT_ONCE = 100
_SLOW_SECONDS = 1.0
_LONGEST_NAME = 100
_PAUSED = "web_hooks.paused"


def door_of(shop: Shop) -> Door:
    """The way out that the settings allow."""
    return Door(allow_loopback=shop.settings.web.hooks_to_loopback)


def add_hook(
    state: State, sealing: Sealing, door: Door, name: str, url: str, segments: Sequence[str], *, by: str, now: datetime
) -> str:
    """Makes a web hook that hears of segment changes from now on.

    Returns:
        Its secret (`whsec_…`), shown this once: receivers check signatures with it.

    Raises:
        AlreadyThereError: There is one of the name.
        MissingError: There is no segment of a name.
        UsageError: The address may not be spoken to.
    """
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise UsageError("a web hook needs a name", next_step=f"say what it is for in {_LONGEST_NAME} characters")
    door.check(url)
    for segment in segments:
        state.segments.get(segment)
    secret = os.urandom(_SECRET_BYTES)
    sealed = base64.b64encode(sealing.wrap(secret, _owner(name))).decode()
    state.web_hooks.add(Hook(name, url, tuple(segments), sealing.key_id, sealed, by, now))
    state.audit.append(by, "web_hook.add", name, now=now, detail={"segments": list(segments)})
    return "whsec_" + base64.b64encode(secret).decode()


def add_shop_hook(shop: Shop, name: str, url: str, segments: Sequence[str], *, by: str = "cli") -> str:
    """Makes a web hook of a shop; arguments, answer and errors as of `add_hook`."""
    return add_hook(shop.state, shop.sealing, door_of(shop), name, url, segments, by=by, now=now(shop))


def reseal_hooks(state: State, sealing: Sealing) -> int:
    """Wraps the secrets of web hooks with the vault key in use, and says how many."""
    resealed = 0
    for hook in state.web_hooks.all():
        if hook.secret_key_id != sealing.key_id:
            owner = _owner(hook.name)
            clear = sealing.unwrap(hook.secret_key_id, base64.b64decode(hook.sealed_secret), owner)
            sealed = base64.b64encode(sealing.wrap(clear, owner)).decode()
            state.web_hooks.reseal(hook.name, hook.secret_key_id, sealing.key_id, sealed)
            resealed += 1
    return resealed


def list_hooks(shop: Shop) -> list[dict[str, Any]]:
    """Gives the web hooks, each with how many messages wait, were sent and were given up."""
    counts = shop.state.web_hooks.counts()
    paused = _paused(shop.state)
    return [
        {
            "name": hook.name,
            "url": hook.url,
            "segments": list(hook.segments),
            "paused": hook.name in paused,
            **{state.replace(" ", "_"): counts.get((hook.name, state), 0) for state in ("waiting", "sent", "given up")},
        }
        for hook in shop.state.web_hooks.all()
    ]


def remove_hook(shop: Shop, name: str, *, by: str = "cli") -> None:
    """Removes a web hook and what waits for it.

    Raises:
        MissingError: There is none.
    """
    shop.state.web_hooks.remove(name)
    _set_paused(shop, _paused(shop.state) - {name}, by)
    shop.state.audit.append(by, "web_hook.remove", name, now=now(shop), detail={})


def pause_hook(shop: Shop, name: str, *, paused: bool, by: str = "cli") -> None:
    """Holds back what a web hook would be sent, or lets it go again: changes go on gathering and none is lost.

    Raises:
        MissingError: There is none.
    """
    _hook(shop, name)
    others = _paused(shop.state) - {name}
    _set_paused(shop, others | {name} if paused else others, by)
    shop.state.audit.append(by, "web_hook.pause" if paused else "web_hook.resume", name, now=now(shop), detail={})


def hook_deliveries(shop: Shop, name: str, most: int = 20) -> list[Delivery]:
    """Gives the newest messages of a web hook, the newest first, with what became of them."""
    return shop.state.web_hooks.recent(name, most)


def send_test(shop: Shop, name: str, *, by: str = "cli") -> str | None:
    """Sends a signed message of type `test` at once; gives None when it was taken, else why not.

    Raises:
        MissingError: There is no such web hook, or the key of its secret is gone.
    """
    hook, at = _hook(shop, name), now(shop)
    body = {"type": "test", "timestamp": at.isoformat(), "data": {"webhook": name}}
    answer = None
    try:
        _post(hook, new_id("test"), json.dumps(body).encode(), shop.sealing, door_of(shop), at)
    except (UnavailableError, UsageError) as error:
        answer = error.own
    shop.state.audit.append(by, "web_hook.test", name, now=at, detail={"taken": answer is None})
    return answer


def message_of(change: Change) -> tuple[str, bytes]:
    """The id and body of the message that says a change: the same whenever it is sent, so that a receiver knows it."""
    data = {
        "segment": change.segment,
        "version": change.version,
        "person_id": change.person_id,
        "seq": change.seq,
        "cause": change.cause,
    }
    body = {"type": f"segment.{change.kind}", "timestamp": change.occurred_at.isoformat(), "data": data}
    return f"chg_{change.seq}", json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def wait_after(failures: int, random: Random) -> timedelta:
    """How long to wait after so many failures in a row: twice as long each time, and between half and all of it."""
    return min(_FIRST * (1 << min(failures - 1, 20)), _LONGEST) * random.uniform(0.5, 1.0)


def send_due(state: State, sealing: Sealing, door: Door, *, now: datetime, random: Random) -> int:
    """Sends what the outbox has due; a message that was sent and not noted, by a kill, is sent again with the same id.

    Of a web hook that does not answer only the first message is tried, and one that answers slowly has its next one
    sent after those of the others.

    Args:
        state: The state store.
        sealing: Opens the secrets.
        door: The way out.
        now: The present instant, which is signed.
        random: Spreads the retries.

    Returns:
        How many were taken.
    """
    hooks = {hook.name: hook for hook in state.web_hooks.all()}
    silent: set[str] = set()
    taken = 0
    for message in state.web_hooks.due(now, _AT_ONCE, but=_paused(state)):
        if message.webhook not in hooks or message.webhook in silent or not state.web_hooks.is_waiting(message):
            continue
        began = time.monotonic()
        try:
            _send(hooks[message.webhook], message, sealing, door, now)
        except UnavailableError as error:
            silent.add(message.webhook)
            _failed(state, message, error.own, now, random)
        except (UsageError, MissingError, StorageError) as error:
            # Trying again helps none of these: the address is forbidden, or the secret is gone.
            state.web_hooks.give_up(message, error.own)
        else:
            state.web_hooks.sent(message)
            taken += 1
        if time.monotonic() - began > _SLOW_SECONDS:
            silent.add(message.webhook)
    return taken


def _send(hook: Hook, message: Waiting, sealing: Sealing, door: Door, now: datetime) -> None:
    message_id, body = message_of(message.change)
    _post(hook, message_id, body, sealing, door, now)


def _post(hook: Hook, message_id: str, body: bytes, sealing: Sealing, door: Door, now: datetime) -> None:
    secret = sealing.unwrap(hook.secret_key_id, base64.b64decode(hook.sealed_secret), _owner(hook.name))
    timestamp = int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "user-agent": "Shopkeeper",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }
    door.send(hook.url, headers, body)


def _failed(state: State, message: Waiting, answer: str, now: datetime, random: Random) -> None:
    failures = message.attempts + 1
    if failures >= ATTEMPTS:
        state.web_hooks.give_up(message, answer)
    else:
        state.web_hooks.again(message, answer, now + wait_after(failures, random))


def _hook(shop: Shop, name: str) -> Hook:
    for hook in shop.state.web_hooks.all():
        if hook.name == name:
            return hook
    raise MissingError(f"there is no web hook '{name}'", next_step="shopkeeper hook list")


def _paused(state: State) -> frozenset[str]:
    setting = state.settings.get(_PAUSED)
    return frozenset(setting.value if setting is not None else ())


def _set_paused(shop: Shop, names: frozenset[str], by: str) -> None:
    if names != _paused(shop.state):
        shop.state.settings.put(_PAUSED, sorted(names), by=by, now=now(shop))


def _owner(name: str) -> bytes:
    return f"webhook|{name}".encode()
