"""Taking events in: whose key it is, what becomes of each message, and the answer once all of it is durable."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from shopkeeper.app.api_key import COLLECT
from shopkeeper.app.event_log import client_of
from shopkeeper.app.hook import hook_messages
from shopkeeper.app.plan_file import PlanFile
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import ForbiddenError
from shopkeeper.collect.accept import Desk
from shopkeeper.collect.clean import Cleaner
from shopkeeper.collect.door import Door
from shopkeeper.collect.plan import Plan
from shopkeeper.collect.sealed import seal
from shopkeeper.storage.log import Batch, Entry, Outcome, Status
from shopkeeper.storage.state.api_keys import ApiKey, looks_like_key

__all__ = ["Answer", "Reception", "Result", "Sender", "reception_of"]

_KEY_SECONDS = timedelta(seconds=5)
"""A revoked key may still be taken for so long."""
_MOST_KEYS = 10_000
_MESSAGES_AT_ONCE = 20
"""Taken in about a millisecond; then others of the same loop have their turn, who read a person."""
_WORDS = {Status.ACCEPTED: "accepted", Status.DUPLICATE: "duplicate", Status.DIFFERENT: "duplicate"}


class Keeps(Protocol):
    """Where batches go: a client of the process that writes the log."""

    async def append(self, batch: Batch) -> Outcome:
        """Has a batch kept and returns once it is durable."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: what the key says.

    Args:
        key_id: The key.
        source: The source of its events.
        is_browser: Whether anybody may read the key.
        user_kind: What its user ids are.
    """

    key_id: str
    source: str
    is_browser: bool
    user_kind: str


class Result(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What became of one message.

    Args:
        message_id: Its id, made up where it came without one; null for a refused one.
        status: `accepted`, `duplicate` or `refused`.
        reason: Why it was refused, or `other_content` for a known id with other content.
        path: Where the fault is.
        refused_id: What a refused one is listed under.
    """

    message_id: str | None
    status: str
    reason: str | None = None
    path: str | None = None
    refused_id: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What became of a request; the three numbers add up to its messages."""

    success: bool
    accepted: int
    duplicate: int
    refused: int
    results: tuple[Result, ...]


class Reception:
    """Takes the events of one shop in, inside one event loop.

    Args:
        shop: The shop: its keys, tokens, tracking plan and settings.
        log: Where batches go.
        plan: Gives the tracking plan of the moment.
    """

    def __init__(self, shop: Shop, log: Keeps, plan: Callable[[], Plan]) -> None:
        self._shop = shop
        self._log = log
        self._plan = plan
        self._cleaner = Cleaner(shop.tokens)
        self._known: dict[bytes, tuple[Sender | None, datetime]] = {}
        self._used: dict[str, datetime] = {}

    async def sender(self, secret: str, *, now: datetime) -> Sender:
        """Gives who sends with a key.

        Raises:
            ForbiddenError: No such key holds, or it may not collect; the message does not tell which.
        """
        mark = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        found = self._known.get(mark)
        if found is None or found[1] <= now:
            key = None
            if looks_like_key(secret):
                key = await asyncio.to_thread(self._shop.state.api_keys.find, secret, now=now)
            found = _sender(key), now + _KEY_SECONDS
            if len(self._known) >= _MOST_KEYS:
                self._known.clear()
            self._known[mark] = found
            await self._note_use(found[0], now)
        if found[0] is None:
            raise ForbiddenError("the write key is not known", next_step="shopkeeper key list")
        return found[0]

    async def webhook(
        self, key_id: str, headers: Mapping[str, str], raw: bytes, *, now: datetime
    ) -> tuple[Sender, list[Any]]:
        """Gives who sends a webhook, and its messages.

        Args:
            key_id: The key whose address was called.
            headers: The headers, in lower case.
            raw: The body as it came.
            now: The present instant.

        Raises:
            ForbiddenError: There is no such key, or the webhook is not signed by its source.
            DataError: The body is no JSON.
        """
        key = await asyncio.to_thread(self._shop.state.api_keys.get, key_id, now=now)
        sender = _sender(key)
        if sender is None:
            raise ForbiddenError("the webhook is not signed by its source", next_step="shopkeeper key list")
        messages = await asyncio.to_thread(
            hook_messages, self._shop, sender.key_id, sender.source, headers, raw, now=now
        )
        await self._note_use(sender, now)
        return sender, messages

    async def take(self, sender: Sender, messages: Sequence[Any], *, now: datetime, is_live: bool = True) -> Answer:
        """Takes the messages of one request in; when it returns, all of them are durable.

        Args:
            sender: Who sends.
            messages: Decoded messages, any JSON values.
            now: When they came.
            is_live: Whether they may trigger anything.

        Raises:
            UnavailableError: The log cannot take them now; nothing was kept, or its keeping is not known: sending the
                same again is safe.
            StorageError: The log failed.
        """
        door = Door(
            sender.source,
            self._shop.tokens,
            now,
            is_browser=sender.is_browser,
            user_kind=sender.user_kind,
            plan=self._plan(),
            currency=self._shop.settings.chain.currency,
            is_live=is_live,
            cleaner=self._cleaner,
        )
        desk = Desk(door)
        for start in range(0, len(messages), _MESSAGES_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            desk.take(messages[start : start + _MESSAGES_AT_ONCE])
        taken = desk.taken()
        sealed = seal(taken.personal, taken.bodies, self._shop.sealing)
        batch = Batch(sender.source, now.timestamp(), taken.entries, taken.refusals, sealed)
        outcome = await self._log.append(batch)
        return _answer(taken.items, outcome.statuses)

    async def _note_use(self, sender: Sender | None, now: datetime) -> None:
        if sender is None or now - self._used.get(sender.key_id, now - timedelta(hours=1)) < timedelta(minutes=1):
            return
        self._used[sender.key_id] = now
        await asyncio.to_thread(self._shop.state.api_keys.used, {sender.key_id: now})


class _Timed:
    """Sends to the log, and tells how long it took until a batch was durable."""

    def __init__(self, log: Keeps, timed: Callable[[float], None]) -> None:
        self._log = log
        self._timed = timed

    async def append(self, batch: Batch) -> Outcome:
        """Has a batch kept and returns once it is durable."""
        began = time.perf_counter()
        outcome = await self._log.append(batch)
        self._timed(time.perf_counter() - began)
        return outcome


def reception_of(shop: Shop, *, timed: Callable[[float], None] = lambda _: None) -> Reception:
    """Opens the reception of a shop: it follows its tracking plan, and sends to the process that writes its log.

    Args:
        shop: The shop.
        timed: Told how many seconds each batch took until it was durable.

    Raises:
        FaultsError: The tracking plan is wrong.
    """
    return Reception(shop, _Timed(client_of(shop), timed), PlanFile(shop.folder).plan)


def _sender(key: ApiKey | None) -> Sender | None:
    if key is None or COLLECT not in key.scopes or key.source is None:
        return None
    return Sender(key.id, key.source, key.is_browser, key.user_kind)


def _answer(items: Sequence[Any], statuses: bytes) -> Answer:
    results: list[Result] = []
    kept = iter(statuses)
    for item in items:
        if isinstance(item, Entry):
            status = Status(next(kept))
            reason = "other_content" if status is Status.DIFFERENT else None
            results.append(Result(item.message_id, _WORDS[status], reason))
        else:
            results.append(Result(None, "refused", item.reason, item.path or None, item.refused_id))
    accepted = statuses.count(Status.ACCEPTED)
    refused = len(items) - len(statuses)
    return Answer(True, accepted, len(statuses) - accepted, refused, tuple(results))  # noqa: FBT003 - Segment's word
