"""A person leaves live state: their records, their identifiers, and their places in segments that run live."""

from collections.abc import Mapping
from contextlib import closing

from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.shop import Shop
from shopkeeper.identity.link import record_id
from shopkeeper.privacy.reach import Traces
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.live_history import HISTORY_FILE, LiveHistory
from shopkeeper.storage.live_lock import live_lock

__all__ = ["forget_history", "forget_live", "forget_map"]


def forget_live(shop: Shop, traces: Traces) -> Mapping[str, int]:
    """Takes a person's records out of live state; their bytes are overwritten."""
    file = shop.folder / LIVE_FILE
    with live_lock(file), closing(LiveStore(file)) as live:
        return {"records": live.forget(traces.tokens, traces.person_ids)}


def forget_history(shop: Shop, traces: Traces) -> Mapping[str, int]:
    """Takes a person out of what segments that run live know of the last run; their bytes are overwritten."""
    with closing(LiveHistory(shop.folder / HISTORY_FILE)) as history:
        return {"parts": history.forget(traces.person_ids)}


def forget_map(shop: Shop, traces: Traces) -> Mapping[str, int]:
    """Takes a person's identifiers out of the map, and the person out of the segments that run live."""
    identifiers = shop.state.identifiers
    named = {*(record_id(*record) for record in traces.records), *traces.person_ids}
    with identifiers.alone():
        gone = identifiers.forget(traces.tokens, sorted(named))
    return {
        "identifiers": gone,
        "live_segments": shop.state.live_segments.erase(traces.person_ids),
    }
