"""The lease of a table: one load of it at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from shopkeeper.app.shop import Shop
from shopkeeper.base.clock import system_clock
from shopkeeper.base.errors import ConflictError
from shopkeeper.base.ids import new_id

__all__ = ["loading"]

_LASTS = timedelta(minutes=5)
_RENEWED_EVERY = timedelta(seconds=30)


@contextmanager
def loading(shop: Shop, table: str, by: str) -> Iterator[Callable[[], None]]:
    """Holds the lease `load:TABLE`; a load that died gives it back after five minutes.

    Args:
        shop: The shop.
        table: The table that is loaded.
        by: Who loads, for the one who comes second.

    Yields:
        To be called now and then: prolongs the lease.

    Raises:
        ConflictError: Another load of the table is under way.
    """
    name, holder, began = f"load:{table}", new_id("load"), system_clock()
    _acquire(shop, name, holder, {"table": table, "by": by}, began)
    renewed = began

    def renew() -> None:
        nonlocal renewed
        now = system_clock()
        if now - renewed >= _RENEWED_EVERY:
            shop.state.leases.renew(name, holder, now=now, lasts=_LASTS)
            renewed = now

    try:
        yield renew
    finally:
        shop.state.leases.release(name, holder)


def _acquire(shop: Shop, name: str, holder: str, note: dict[str, str], now: datetime) -> None:
    try:
        shop.state.leases.acquire(name, holder, now=now, lasts=_LASTS, note=note)
    except ConflictError as error:
        found = next((lease for lease in shop.state.leases.live(now) if lease.name == name), None)
        if found is None:
            raise
        raise ConflictError(
            f"table {note['table']} is being loaded by {found.note['by']} since {found.acquired_at:%H:%M:%S} UTC",
            next_step="wait until that load ends and try again; one that died makes room after five minutes",
        ) from error
