"""The balance of active people that boards report."""

from datetime import date, timedelta

from shopkeeper.profile.cuts import LIFECYCLE_CUTS, LifecycleCuts
from shopkeeper.schema.query import Query
from shopkeeper.schema.step import step

__all__ = ["SPANS", "lifecycle_balance"]

SPANS = (7, 30, 90, 365)


@step(writes="lifecycle_balance", reads=("basket", "person", "person_habit"))
def lifecycle_balance(as_of: date, lifecycle: LifecycleCuts = LIFECYCLE_CUTS) -> Query:
    """Gives opening + new + recalled - sleeping - lapsed = closing, a home store and a span of days at a time.

    Opening and closing count people who are active or new by the fixed days. New counts everybody whose first visit
    lies within, those who sleep again by the closing too: they are taken off as sleeping. The home store is that of the
    last visit up to the closing (of two on that day, the first by name), at the opening too.

    Args:
        as_of: The closing day; the opening is the end of the day `days` before it.
        lifecycle: Its `sleeping_days` and `lapsed_days` are used.
    """
    return Query.from_file(
        __file__,
        "lifecycle_balance.sql",
        as_of=as_of,
        sleeping_days=lifecycle.sleeping_days,
        lapsed_days=lifecycle.lapsed_days,
        lifecycle_version=lifecycle.version,
        since=as_of - timedelta(days=max(SPANS) + lifecycle.sleeping_days + 1),
        open_7=as_of - timedelta(days=7),
        open_30=as_of - timedelta(days=30),
        open_90=as_of - timedelta(days=90),
        open_365=as_of - timedelta(days=365),
    )
