"""Retention (保存期限): what is kept no longer than the shop says."""

from datetime import UTC, datetime, timedelta

from shopkeeper.app.shop import Shop
from shopkeeper.storage.erase import Erasing, erase_rows

__all__ = ["retain"]


def retain(shop: Shop, at: datetime) -> dict[str, int]:
    """Destroys refused rows and events that are older than the settings allow, and says how many of each.

    Args:
        shop: The shop; `privacy.keep_refused_days` and `privacy.keep_event_days` say how long, 0 for ever.
        at: The present instant.
    """
    kept, done = shop.settings.privacy, {}
    if kept.keep_refused_days:
        border = at - timedelta(days=kept.keep_refused_days)
        done["refused"] = shop.vault.drop_bodies(before=border)
        empty = {"state": "'erased'", "masked_value": "NULL", "body_key": "NULL", "others": "NULL"}
        old = Erasing("refused", f"state = 'open' AND refused_at < {_instant(border)}", empty)
        erase_rows(shop.lake, shop.duckdb, old, {})
    if kept.keep_event_days:
        border = at - timedelta(days=kept.keep_event_days)
        old = Erasing("event", f"occurred_at < {_instant(border)}", {})
        done["event"] = erase_rows(shop.lake, shop.duckdb, old, {})
    return done


def _instant(instant: datetime) -> str:
    return f"TIMESTAMPTZ '{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00:00'"
