"""What a person does now: their newest events from live state, and what follows from them; no table is scanned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shopkeeper.app.pages.reading import rows
from shopkeeper.app.pages.seen import must_see
from shopkeeper.app.person_now import PersonNow, person_touches
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.visitor import Scope
from shopkeeper.base.clock import instant
from shopkeeper.base.errors import MissingError
from shopkeeper.base.money import MONEY_PLACES
from shopkeeper.profile.live import Touch
from shopkeeper.schema.query import Query

__all__ = ["Happened", "Stream", "stream", "stream_since"]

_SHOWN = 12
_PRODUCTS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a person.

    Args:
        at: When it happened.
        type: The Segment type.
        name: Its name, where it has one.
        channel: The channel.
        store_id: The store.
        products: What the first products it is about are called, or their ids.
        more: How many further products there are.
        about: What was searched for, the category, the coupon.
        amount: What it was worth, or what its lines add up to.
        is_new: Whether it came since the reader last looked.
    """

    at: datetime
    type: str
    name: str | None
    channel: str | None
    store_id: str | None
    products: tuple[str, ...]
    more: int
    about: str | None
    amount: Decimal | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class Stream:
    """What a person does.

    Args:
        as_of: When it was read.
        last: The offset of the newest event in the log; 0 where nothing is known.
        events: The newest events, newest first.
        now: Session, cart and the like; None for who sees some stores only, or where nothing is known.
        cart: What is in the cart: what it is called, and how many.
        views: What was looked at last.
    """

    as_of: datetime
    last: int
    events: tuple[Happened, ...]
    now: PersonNow | None = None
    cart: tuple[tuple[str, Decimal], ...] = ()
    views: tuple[str, ...] = ()


def stream(shop: Shop, person_id: str, scope: Scope | None = None) -> Stream:
    """Gives what a person did last; nothing of one of whom nothing was seen.

    What happened in the stores of a visitor of some stores is all that one sees.

    Args:
        shop: The shop.
        person_id: The person.
        scope: The visitor's stores; None for the whole chain.

    Raises:
        MissingError: The person is none of the visitor's stores.
    """
    return stream_since(shop, person_id, scope, after=None) or Stream(now(shop), 0, ())


def stream_since(shop: Shop, person_id: str, scope: Scope | None, *, after: int | None) -> Stream | None:
    """Gives what `stream` does, None where nothing came behind an offset that the reader saw last."""
    must_see(shop, person_id, scope)
    try:
        known, touches = person_touches(shop, person_id)
    except MissingError:
        return None
    seen = [touch for touch in touches if scope is None or touch.store_id in scope.stores]
    last = max((touch.offset for touch in seen), default=0)
    if after is not None and last <= after:
        return None
    newest = sorted(seen, key=lambda touch: (touch.at, touch.offset), reverse=True)[:_SHOWN]
    whole = known if scope is None else None
    views = whole.live.views[:_PRODUCTS_SHOWN] if whole else ()
    cart = whole.live.cart if whole else ()
    names = _names(shop, {*views, *(item.product_id for item in cart), *_products(newest)})
    return Stream(
        known.as_of,
        last,
        tuple(_happened(touch, names, after) for touch in newest),
        whole,
        tuple((names.get(item.product_id, item.product_id), _amount(item.quantity)) for item in cart),
        tuple(names.get(product, product) for product in views),
    )


def _happened(touch: Touch, names: dict[str, str], after: int | None) -> Happened:
    products = list(dict.fromkeys(_products([touch])))
    amount = sum(line.net_amount for line in touch.lines) if touch.lines else touch.value
    return Happened(
        instant(touch.at),
        touch.type,
        touch.name,
        touch.channel,
        touch.store_id,
        tuple(dict.fromkeys(names.get(product, product) for product in products[:_PRODUCTS_SHOWN])),
        max(0, len(products) - _PRODUCTS_SHOWN),
        touch.query or touch.coupon or (None if products else touch.category),
        None if amount is None else _amount(amount),
        is_new=after is not None and touch.offset > after,
    )


def _products(touches: Sequence[Touch]) -> Iterable[str]:
    for touch in touches:
        if touch.product_id is not None:
            yield touch.product_id
        yield from (product for product, _ in touch.items)
        yield from (line.product_id for line in touch.lines)


def _names(shop: Shop, products: set[str]) -> dict[str, str]:
    if not products:
        return {}
    query = Query.from_sql(
        "SELECT product_id, COALESCE(name, subcategory, category) AS name FROM product "
        "WHERE product_id IN $ids AND COALESCE(name, subcategory, category) IS NOT NULL",
        name="names of products",
        ids=sorted(products),
    )
    return {row["product_id"]: row["name"] for row in rows(shop, query)}


def _amount(whole: int) -> Decimal:
    return Decimal(whole).scaleb(-MONEY_PLACES)
