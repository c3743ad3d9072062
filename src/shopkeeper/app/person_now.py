"""One person as live state knows them now: their records, folded; no table of the lake is opened."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.clock import business_day, end_of_day, instant, microseconds, zone
from shopkeeper.base.errors import MissingError
from shopkeeper.base.money import MONEY_PLACES
from shopkeeper.profile.live import Line, Touch, decode_live, join
from shopkeeper.profile.live_view import LiveView, lines_of, live_view
from shopkeeper.storage.live import LiveStore

__all__ = ["PersonNow", "folded", "live_document", "person_now", "person_touches", "record_parts"]


class PersonNow(msgspec.Struct, frozen=True):
    """One person's live part.

    Args:
        person_id: The person; another than asked for where that one was merged into it.
        records: The records that live state has of them.
        position: The position of the log that it holds.
        as_of: The instant it is as of.
        live: What is known.
        lines: The order lines that live state holds of them, each once.
    """

    person_id: str
    records: tuple[str, ...]
    position: int
    as_of: datetime
    live: LiveView
    lines: tuple[Line, ...] = ()


def person_now(shop: Shop, person_id: str) -> PersonNow:
    """Gives a person's live part.

    Args:
        shop: The shop.
        person_id: The person, or one that became part of another.

    Raises:
        MissingError: Live state knows nothing of them.
    """
    return person_touches(shop, person_id)[0]


def person_touches(shop: Shop, person_id: str) -> tuple[PersonNow, tuple[Touch, ...]]:
    """Gives a person's live part and every touch that it is made of, the oldest first.

    Raises:
        MissingError: Live state knows nothing of them.
    """
    who, records = shop.state.identifiers.fold(person_id)
    store = LiveStore(shop.folder / LIVE_FILE, reads_only=True)
    try:
        found = folded(shop, store, who, records)
    finally:
        store.close()
    if found is None:
        raise MissingError(f"nothing has been seen of {person_id} lately", next_step="shopkeeper person show ID")
    return found


def folded(
    shop: Shop, store: LiveStore, who: str, records: Sequence[str]
) -> tuple[PersonNow, tuple[Touch, ...]] | None:
    """Folds a person's records as of now, with the touches; None where live state knows none of them.

    Args:
        shop: The shop.
        store: Its live state.
        who: The person.
        records: Their records.
    """
    position, found = store.person(records)
    if not found:
        return None
    at, chain = now(shop), shop.settings.chain
    wall = at.astimezone(zone(chain.time_zone)).date()
    state = join(decode_live(blob) for blob in found.values())
    until = microseconds(at)
    view = live_view(
        state,
        until,
        microseconds(end_of_day(wall.fromordinal(wall.toordinal() - 1), chain.time_zone)),
        business_day(at, chain.time_zone, chain.cutover_hour).toordinal(),
    )
    touches = tuple(touch for touch in state.touches() if touch.at <= until)
    return PersonNow(who, tuple(sorted(found)), position, at, view, tuple(lines_of(touches))), touches


def live_document(found: PersonNow) -> dict[str, Any]:
    """A person's live part as people and programs read it: instants, quantities as amounts.

    What they bought is not in it: live state alone holds some orders only, and the totals are those of `app/person.py`.
    """
    live = found.live
    session = live.session
    return {
        "as_of": found.as_of,
        "log_position": found.position,
        "records": list(found.records),
        "last_seen_at": None if live.last_seen_at is None else instant(live.last_seen_at),
        "last_seen_by_channel": {name: instant(at) for name, at in live.last_seen_by_channel.items()},
        "last_seen_by_store": {name: instant(at) for name, at in live.last_seen_by_store.items()},
        "session": None
        if session is None
        else {
            "session_id": session.session_id,
            "began_at": instant(session.began_at),
            "last_at": instant(session.last_at),
            "events": session.events,
            "is_open": session.is_open,
        },
        "views": list(live.views),
        "searches": list(live.searches),
        "cart": [{"product_id": each.product_id, "quantity": _amount(each.quantity)} for each in live.cart],
        "favourites": list(live.favourites),
        "coupons": [
            {
                "coupon_id": each.coupon_id,
                "issued_at": instant(each.issued_at),
                "ends_at": None if each.until is None else instant(each.until),
            }
            for each in live.coupons
        ],
        "today": live.today,
    }


def record_parts(record_id: str) -> tuple[str, str]:
    """Source and customer id of a record."""
    source, _, customer_id = record_id.partition(":")
    return source.replace("%3A", ":").replace("%25", "%"), customer_id


def _amount(whole: int) -> Decimal:
    return Decimal(whole).scaleb(-MONEY_PLACES)
