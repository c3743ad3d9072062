"""Keeps a shop tidy: compacts files, forgets old states, trims the log, sweeps what nothing names or waits for."""

from datetime import timedelta

from shopkeeper.app.log import logger
from shopkeeper.app.log_trim import trim_log
from shopkeeper.app.pages.upload import sweep_uploads
from shopkeeper.app.retention import retain
from shopkeeper.app.shop import Shop, now
from shopkeeper.storage.compact import Policy, Upkeep, maintain

__all__ = ["Upkeep", "maintain_shop"]

_STREAM_KEPT = timedelta(days=90)
"""How long changes of segments stay for who reads them late."""


def maintain_shop(shop: Shop) -> Upkeep:
    """Compacts, expires and sweeps every table of the lake; ends what is over: sessions, leases, uploads, retention."""
    at = now(shop)
    policy = Policy(keep=timedelta(days=shop.settings.storage.keep_days))
    retain(shop, at)
    done = maintain(shop.lake, shop.duckdb, at, policy=policy, leases=shop.state.leases)
    shop.state.sessions.sweep(now=at)
    shop.state.live_segments.trim(at - _STREAM_KEPT)
    shop.state.leases.sweep(before=at - timedelta(days=1))
    sweep_uploads(shop, at)
    # Last: a log that cannot be written now is trimmed the next time.
    if trimmed := trim_log(shop, at):
        logger("upkeep").info("the log was trimmed", batches=trimmed)
    return done
