"""Refused events taken in again after a fix, by the tracking plan of today."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from shopkeeper.app.api_key import list_keys
from shopkeeper.app.event_log import client_of
from shopkeeper.app.plan_file import read_shop_plan
from shopkeeper.app.shop import Shop, now
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.receipt import Receipt
from shopkeeper.collect.refused import settle_refused
from shopkeeper.collect.replay import RefusedMessage, refused_messages
from shopkeeper.collect.sealed import seal
from shopkeeper.storage.log import Batch, Entry, Refusal, Status

__all__ = ["replay_events"]


def replay_events(shop: Shop, *, source: str | None = None, ids: Sequence[str] = ()) -> Receipt:
    """Takes refused events in again; those that still break the rules keep waiting, and twice does no harm.

    Args:
        shop: The shop; its log must be written by a process (`shopkeeper serve`).
        source: Only of this source.
        ids: Only these.

    Raises:
        UnavailableError: No process takes events.
    """
    waiting = refused_messages(shop.duckdb, shop.vault, source=source, ids=ids)
    statuses: Counter[Status] = Counter()
    reasons: Counter[str] = Counter()
    settled: list[str] = []
    browsers = {key.source for key in list_keys(shop) if key.is_browser} - {
        key.source for key in list_keys(shop) if not key.is_browser
    }
    plan = read_shop_plan(shop.folder)

    async def send() -> None:
        log = client_of(shop)
        try:
            for each in waiting:
                door = Door(
                    each.source,
                    shop.tokens,
                    each.refused_at,
                    is_browser=each.source in browsers,
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
    settle_refused(shop.lake, shop.duckdb, shop.vault, settled, now(shop))
    accepted = statuses[Status.ACCEPTED]
    return Receipt(
        "event",
        len(waiting),
        accepted,
        0,
        len(settled) - accepted,
        reasons.total(),
        dict(reasons),
    )


def _batch(shop: Shop, each: RefusedMessage, door: Door) -> tuple[Entry | Refusal, Batch]:
    taken = accept([each.message], door)
    sealed = seal(taken.personal, (), shop.sealing)
    return taken.items[0], Batch(each.source, each.refused_at.timestamp(), taken.entries, (), sealed)
