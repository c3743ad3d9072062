"""Refused events taken in again after a fix, by the tracking plan of today."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shopkeeper.app.api_key import list_keys
from shopkeeper.app.event_log import client_of
from shopkeeper.app.plan_file import read_shop_plan
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import ConflictError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.receipt import Receipt
from shopkeeper.collect.refused import settle_refused
from shopkeeper.collect.replay import Chosen, Place, RefusedMessage, some_refused
from shopkeeper.collect.sealed import seal
from shopkeeper.storage.log import Batch, Entry, Refusal, Status

__all__ = ["Chosen", "Place", "Replayed", "replay_events", "replay_some"]

_AT_ONCE = 1_000
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of some refused events.

    Args:
        receipt: The counts.
        last: Where to go on; None when all were tried.
    """

    receipt: Receipt
    last: Place | None


def replay_events(shop: Shop, *, source: str | None = None, ids: Sequence[str] = ()) -> Receipt:
    """Takes refused events in again; those that still break the rules keep waiting, and twice does no harm.

    Args:
        shop: The shop; its log must be written by a process (`shopkeeper serve`).
        source: Only of this source.
        ids: Only these.

    Raises:
        UnavailableError: No process takes events.
    """
    chosen = Chosen(source=source, ids=ids)
    parts = [replay_some(shop, chosen)]
    while parts[-1].last is not None:
        parts.append(replay_some(shop, chosen, after=parts[-1].last))
    return _together(part.receipt for part in parts)


def replay_some(
    shop: Shop, chosen: Chosen, *, after: Place | None = None, most: int = _AT_ONCE, by: str | None = None
) -> Replayed:
    """Takes the next of the refused events in again, as `replay_events` does.

    Args:
        shop: The shop.
        chosen: Which of them.
        after: Behind this place.
        most: At most so many.
        by: Who asks for it; leaves an audit row.

    Raises:
        UnavailableError: No process takes events.
        ConflictError: What came in could not be marked since others kept writing; another replay marks it.
    """
    found = some_refused(shop.duckdb, shop.vault, chosen, after=after, most=most)
    statuses: Counter[Status] = Counter()
    reasons: Counter[str] = Counter()
    settled: list[str] = []
    keys = list_keys(shop)
    browsers = {key.source for key in keys if key.is_browser} - {key.source for key in keys if not key.is_browser}
    # Of several keys the newest says what user ids are, and one that was revoked only where no other does.
    by_weight = sorted(keys, key=lambda key: (key.revoked_at is None, key.created_at))
    kinds = {key.source: key.user_kind for key in by_weight}
    plan = read_shop_plan(shop.folder)

    async def send() -> None:
        log = client_of(shop)
        try:
            for each in found.messages:
                door = Door(
                    each.source,
                    shop.tokens,
                    each.refused_at,
                    is_browser=each.source in browsers,
                    user_kind=kinds.get(each.source, "user"),
                    plan=plan,
                    currency=shop.settings.chain.currency,
                    is_live=False,
                )
                item, batch = _batch(shop, each, door)
                if isinstance(item, Refusal):
                    reasons[item.reason] += 1
                    continue
                outcome = await log.append(batch)
                statuses[Status(outcome.statuses[0])] += 1
                settled.append(each.refused_id)
        finally:
            await log.close()

    # In a thread of its own: whoever calls may have an event loop running.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(send())).result()
    _settle(shop, settled)
    accepted = statuses[Status.ACCEPTED]
    receipt = Receipt(
        "event",
        len(found.messages),
        accepted,
        0,
        len(settled) - accepted,
        reasons.total(),
        dict(reasons),
    )
    if by is not None and found.messages:
        counts = {"taken": receipt.stored, "duplicate": receipt.duplicate, "refused": receipt.refused}
        shop.state.audit.append(by, "events.replay", chosen.reason or "event", now=now(shop), detail=counts)
    return Replayed(receipt, found.last)


def _settle(shop: Shop, settled: Sequence[str]) -> None:
    """Marks what came in; the worker may be adding to the list at the same time."""
    for left in reversed(range(_TRIES)):
        try:
            settle_refused(shop.lake, shop.duckdb, shop.vault, settled, now(shop))
        except ConflictError:
            if not left:
                raise
        else:
            return


def _together(receipts: Iterable[Receipt]) -> Receipt:
    parts = list(receipts)
    reasons: Counter[str] = Counter()
    for part in parts:
        reasons.update(part.reasons)
    return Receipt(
        "event",
        sum(part.received for part in parts),
        sum(part.stored for part in parts),
        0,
        sum(part.duplicate for part in parts),
        reasons.total(),
        dict(reasons),
    )


def _batch(shop: Shop, each: RefusedMessage, door: Door) -> tuple[Entry | Refusal, Batch]:
    taken = accept([each.message], door)
    sealed = seal(taken.personal, (), shop.sealing)
    return taken.items[0], Batch(each.source, each.refused_at.timestamp(), taken.entries, (), sealed)
