"""One person as live state knows them now: their records, folded; no table of the lake is opened."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.clock import business_day, end_of_day, instant, microseconds, zone
from shopkeeper.base.errors import MissingError
from shopkeeper.base.money import MONEY_PLACES
from shopkeeper.profile.live import LiveState, Touch, decode_live, join
from shopkeeper.profile.live_view import LiveView, live_view
from shopkeeper.storage.live import LiveStore

__all__ = ["PersonNow", "live_document", "person_now", "person_touches", "record_parts"]


class PersonNow(msgspec.Struct, frozen=True):
    """One person's live part.

    Args:
        person_id: The person; another than asked for where that one was merged into it.
        records: The records that live state has of them.
        position: The position of the log that it holds.
        as_of: The instant it is as of.
        live: What is known.
    """

    person_id: str
    records: tuple[str, ...]
    position: int
    as_of: datetime
    live: LiveView


def person_now(shop: Shop, person_id: str) -> PersonNow:
    """Gives a person's live part.

    Args:
        shop: The shop.
        person_id: The person, or one that became part of another.

    Raises:
        MissingError: Live state knows nothing of them.
    """
    at = now(shop)
    who, position, found = _records(shop, person_id)
    return PersonNow(who, tuple(sorted(found)), position, at, _view(shop, _joined(found), at))


def person_touches(shop: Shop, person_id: str) -> tuple[PersonNow, tuple[Touch, ...]]:
    """Gives a person's live part and every touch that it is made of, the oldest first.

    Raises:
        MissingError: Live state knows nothing of them.
    """
    at = now(shop)
    who, position, found = _records(shop, person_id)
    state = _joined(found)
    known = PersonNow(who, tuple(sorted(found)), position, at, _view(shop, state, at))
    return known, tuple(touch for touch in state.touches() if touch.at <= microseconds(at))


def _records(shop: Shop, person_id: str) -> tuple[str, int, dict[str, bytes]]:
    who = shop.state.identifiers.person(person_id)
    records = shop.state.identifiers.records(who)
    store = LiveStore(shop.folder / LIVE_FILE, reads_only=True)
    try:
        position, found = store.person(records)
    finally:
        store.close()
    if not found:
        raise MissingError(f"nothing has been seen of {person_id} lately", next_step="shopkeeper person show ID")
    return who, position, found


def _joined(found: Mapping[str, bytes]) -> LiveState:
    return join(decode_live(blob) for blob in found.values())


def _view(shop: Shop, state: LiveState, at: datetime) -> LiveView:
    chain = shop.settings.chain
    wall = at.astimezone(zone(chain.time_zone)).date()
    return live_view(
        state,
        microseconds(at),
        microseconds(end_of_day(wall.fromordinal(wall.toordinal() - 1), chain.time_zone)),
        business_day(at, chain.time_zone, chain.cutover_hour).toordinal(),
    )


def live_document(found: PersonNow) -> dict[str, Any]:
    """A person's live part as people and programs read it: instants, days, amounts in the shop's currency.

    Frequency and monetary value come from the lines that live state holds; the profile counts those up to its own day
    too, so the two are shown side by side and never added.
    """
    live, rfm = found.live, found.live.rfm
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
        "last_order_on": None if rfm.last_order_on is None else date.fromordinal(rfm.last_order_on),
        "recency_days": rfm.recency_days,
        "orders": {f"{days}d": number for days, number in rfm.orders.items()},
        "monetary": {f"{days}d": _amount(total) for days, total in rfm.monetary.items()},
    }


def record_parts(record_id: str) -> tuple[str, str]:
    """Source and customer id of a record."""
    source, _, customer_id = record_id.partition(":")
    return source.replace("%3A", ":").replace("%25", "%"), customer_id


def _amount(whole: int) -> Decimal:
    return Decimal(whole).scaleb(-MONEY_PLACES)
