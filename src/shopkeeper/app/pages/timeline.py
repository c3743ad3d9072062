"""What happened with one person: baskets, redemptions, campaigns, messages, what they said; newest first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Literal

from shopkeeper.app.pages.reading import rows
from shopkeeper.app.pages.seen import must_see
from shopkeeper.app.shop import Shop
from shopkeeper.app.visitor import Scope
from shopkeeper.base.clock import zone
from shopkeeper.base.errors import UsageError
from shopkeeper.schema.query import Query

__all__ = ["KINDS", "Basket", "Entry", "Interaction", "Redemption", "Target", "Timeline", "Touch", "timeline"]

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Basket:
    """One order, or one return.

    Args:
        day: The business day.
        hour: The hour of its first line, where known.
        source: The source.
        order_id: The order.
        store_id: The store.
        store_name: Its name, where known.
        channel: The channel.
        lines: Lines bought.
        paid: What was paid, returns taken off.
        discount: Product and coupon discounts.
        with_coupon: Whether a coupon was used.
    """

    day: date
    hour: int | None
    source: str
    order_id: str
    store_id: str
    store_name: str | None
    channel: str | None
    lines: int
    paid: float
    discount: float
    with_coupon: bool
    kind: Literal["basket"] = "basket"


@dataclass(frozen=True, slots=True)
class Redemption:
    """The coupons of one campaign that were redeemed on one day.

    Args:
        day: The day.
        campaign_id: The campaign, where known.
        campaign_name: What it is called, where known.
        offers: Each coupon used, as often as it was.
    """

    day: date
    campaign_id: str | None
    campaign_name: str | None
    offers: tuple[str, ...]
    kind: Literal["redemption"] = "redemption"


@dataclass(frozen=True, slots=True)
class Target:
    """The person was chosen for a campaign.

    Args:
        day: When, or the campaign's first day where that is not known.
        campaign_id: The campaign.
        campaign_name: What it is called, where known.
        sort: The campaign's sort.
        starts_on: Its first day.
        ends_on: Its last.
    """

    day: date
    campaign_id: str
    campaign_name: str | None
    sort: str | None
    starts_on: date | None
    ends_on: date | None
    kind: Literal["campaign"] = "campaign"


@dataclass(frozen=True, slots=True)
class Touch:
    """One contact, or the lack of it for somebody held out.

    Args:
        day: The day in the shop's time zone.
        at: The instant.
        what: What happened, as the dictionary has it.
        channel: The channel.
        campaign_id: The campaign.
        campaign_name: What it is called, where known.
        offer_id: The offer.
    """

    day: date
    at: datetime
    what: str
    channel: str | None
    campaign_id: str | None
    campaign_name: str | None
    offer_id: str | None
    kind: Literal["touch"] = "touch"


@dataclass(frozen=True, slots=True)
class Interaction:
    """A review, ticket, survey answer or comment.

    Args:
        day: The day in the shop's time zone.
        at: The instant.
        what: Which of them.
        product: The product's name or id, where it is about one.
        rating: The rating given, in stars.
        text: The text without personal data.
    """

    day: date
    at: datetime
    what: str
    product: str | None
    rating: float | None
    text: str | None
    kind: Literal["interaction"] = "interaction"


Entry = Basket | Redemption | Target | Touch | Interaction


@dataclass(frozen=True, slots=True)
class Timeline:
    """One page of what happened.

    Args:
        entries: Newest first.
        counts: How many there are of each kind that the person has.
        kind: The only kind that is shown, if one was chosen.
        next_page: The page that follows; None on the last.
    """

    entries: tuple[Entry, ...]
    counts: Mapping[str, int] = field(hash=False)
    kind: str | None
    next_page: int | None


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind is read, and where its entries stand within a day (the later, the higher)."""

    sql: str
    order: str
    made: Callable[[dict[str, Any]], Entry]
    within_day: Callable[[Any], float]


_RECORDS = "person AS p ON p.source = x.source AND p.customer_id = x.customer_id AND p.valid_to IS NULL"

_BASKET = f"""
    SELECT
        x.business_day AS day,
        x.hour,
        x.source,
        x.order_id,
        x.store_id,
        s.name AS store_name,
        x.channel,
        x.all_lines AS lines,
        CAST(x.all_net AS DOUBLE) AS paid,
        CAST(COALESCE(x.product_discount, 0) + COALESCE(x.coupon_discount, 0) AS DOUBLE) AS discount,
        COALESCE(x.coupon_discount, 0) > 0 AS with_coupon
    FROM basket AS x
    JOIN {_RECORDS}
    LEFT JOIN store AS s ON s.store_id = x.store_id
    WHERE p.person_id = $person
"""
_REDEMPTION = f"""
    SELECT
        x.redeemed_on AS day,
        x.campaign_id,
        c.name AS campaign_name,
        ARRAY_AGG(x.offer_id ORDER BY x.offer_id) AS offers
    FROM redemption AS x
    JOIN {_RECORDS}
    LEFT JOIN campaign AS c ON c.campaign_id = x.campaign_id
    WHERE p.person_id = $person
    GROUP BY x.redeemed_on, x.campaign_id, c.name
"""
_CAMPAIGN = f"""
    SELECT
        COALESCE(x.targeted_on, c.starts_on) AS day,
        x.campaign_id,
        c.name AS campaign_name,
        c.kind AS sort,
        c.starts_on,
        c.ends_on
    FROM campaign_target AS x
    JOIN {_RECORDS}
    LEFT JOIN campaign AS c ON c.campaign_id = x.campaign_id
    WHERE p.person_id = $person AND COALESCE(x.targeted_on, c.starts_on) IS NOT NULL
"""
# A touch that names no person has no source either: it counts where its customer id is that of one person only.
_TOUCH = """
    SELECT x.occurred_at AS at, x.kind AS what, x.channel, x.campaign_id, c.name AS campaign_name, x.offer_id
    FROM touch AS x
    LEFT JOIN campaign AS c ON c.campaign_id = x.campaign_id
    WHERE
        x.person_id = $person
        OR (
            x.person_id IS NULL
            AND x.customer_id IN (
                SELECT p.customer_id
                FROM person AS p
                WHERE p.valid_to IS NULL AND p.customer_id IN (
                    SELECT r.customer_id FROM person AS r WHERE r.person_id = $person AND r.valid_to IS NULL
                )
                GROUP BY p.customer_id
                HAVING COUNT(DISTINCT p.person_id) = 1
            )
        )
"""
_INTERACTION = f"""
    SELECT
        x.occurred_at AS at,
        x.kind AS what,
        COALESCE(g.name, x.product_id) AS product,
        CAST(x.rating AS DOUBLE) AS rating,
        x.text_redacted AS text
    FROM interaction AS x
    JOIN {_RECORDS}
    LEFT JOIN product AS g ON g.product_id = x.product_id
    WHERE p.person_id = $person
"""

_HOURS = 24.0


def _of_instant(entry: Any) -> float:
    return float(entry.at.hour) + float(entry.at.minute) / 60


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "basket": _Kind(
            _BASKET,
            "day DESC, hour DESC NULLS LAST, order_id DESC",
            lambda row: Basket(**row),
            lambda entry: -1.0 if entry.hour is None else entry.hour,
        ),
        # What is known by its day only: a redemption follows its basket, a campaign begins before the day's baskets.
        "redemption": _Kind(
            _REDEMPTION,
            "day DESC, campaign_id DESC NULLS LAST",
            lambda row: Redemption(**{**row, "offers": tuple(row["offers"])}),
            lambda _entry: _HOURS,
        ),
        "campaign": _Kind(_CAMPAIGN, "day DESC, campaign_id DESC", lambda row: Target(**row), lambda _entry: -2.0),
        "touch": _Kind(_TOUCH, "at DESC, what DESC, offer_id DESC", lambda row: Touch(**row), _of_instant),
        "interaction": _Kind(_INTERACTION, "at DESC, what DESC", lambda row: Interaction(**row), _of_instant),
    }
)

_OF_A_STORE = frozenset({"basket", "interaction"})

KINDS = tuple(_KINDS)
"""What a timeline is made of."""


def timeline(
    shop: Shop, person_id: str, *, kind: str | None = None, page: int = 0, scope: Scope | None = None
) -> Timeline:
    """Gives twenty things that happened with a person, newest first.

    Args:
        shop: The shop.
        person_id: The person.
        kind: The only kind to show, one of `KINDS`; all by default.
        page: Which twenty, from 0.
        scope: The stores of the visitor, who sees no baskets and no feedback of others, and no redemptions, of which
            the store is not known.

    Raises:
        UsageError: There is no such kind.
        MissingError: There is no such person, or it is none of the visitor's stores.
    """
    if kind is not None and kind not in _KINDS:
        raise UsageError(f"nothing of the kind '{kind}' happens", next_step=f"one of {', '.join(KINDS)}")
    must_see(shop, person_id, scope)
    kinds = KINDS if scope is None else [name for name in KINDS if name != "redemption"]
    skipped = max(page, 0) * _SHOWN
    upto = skipped + _SHOWN
    newest = {name: _newest(shop, person_id, name, upto if kind in (None, name) else 1, scope) for name in kinds}
    counts = {name: count for name, (count, _entries) in newest.items() if count}
    chosen = [name for name in counts if kind in (None, name)]
    found = [entry for name in chosen for entry in newest[name][1]]
    found.sort(key=lambda entry: (entry.day, _KINDS[entry.kind].within_day(entry)), reverse=True)
    follow = sum(counts[name] for name in chosen) > upto
    return Timeline(tuple(found[skipped:upto]), counts, kind, max(page, 0) + 1 if follow else None)


def _newest(shop: Shop, person_id: str, name: str, upto: int, scope: Scope | None) -> tuple[int, list[Entry]]:
    """How many entries of a kind there are, and the newest of them, in one scan."""
    kind = _KINDS[name]
    here, stores = "", dict[str, Any]()
    if scope is not None and name in _OF_A_STORE:
        here, stores = " AND x.store_id IN $here", {"here": list(scope.stores)}
    query = Query.from_sql(
        f"""
        WITH found AS MATERIALIZED ({kind.sql}{here})
        SELECT f.*, n.entries
        FROM found AS f
        CROSS JOIN (SELECT COUNT(*) AS entries FROM found) AS n
        ORDER BY {kind.order}
        LIMIT $upto
        """,
        name=f"timeline {name}",
        person=person_id,
        upto=upto,
        **stores,
    )
    zone_here = zone(shop.settings.chain.time_zone)
    found = rows(shop, query)
    count = found[0]["entries"] if found else 0
    for row in found:
        del row["entries"]
        if "at" in row:
            row["at"] = row["at"].astimezone(zone_here)
            row["day"] = row["at"].date()
    return count, [kind.made(row) for row in found]
