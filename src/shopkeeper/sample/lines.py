"""Order lines from tickets: what is in the basket, at what price, as Arrow columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.sample.almanac import Almanac, Month
from shopkeeper.sample.basket import UNITS
from shopkeeper.sample.campaigns import Campaign
from shopkeeper.sample.goods import OCCASIONS, Goods
from shopkeeper.sample.parquet import money
from shopkeeper.sample.people import record_ids
from shopkeeper.sample.places import Places, staff_ids
from shopkeeper.sample.prices import DECK_BITS, STYLE_POWER, Decks, Prices
from shopkeeper.sample.stock import RISKY, StockOuts
from shopkeeper.sample.text import Ints, cut, numbered, words
from shopkeeper.sample.tickets import CHANNEL_NAMES, ORDER_SOURCES, Tickets

__all__ = ["PAYMENTS", "Basket", "Lines", "line_columns", "lines", "order_ids", "return_columns"]

PAYMENTS = ("wechat", "alipay", "card", "cash", "stored_value", "digital_yuan")
OFFER_CENTS = np.array([0, 200, 300, 500], np.int32)
_REGISTERS = 3
_PAYMENT = np.repeat(np.arange(6, dtype=np.int8), [118, 62, 20, 24, 22, 10])
_HABIT = np.array([0, 0.42, 0.95])
_HABITS = np.array([1, 12, 6], np.uint32)
_RETURNED = 0.004


@dataclass(frozen=True)
class Basket:
    """What lines are drawn from in one month.

    Args:
        goods: The products.
        asked: The prices.
        fresh: This month's decks.
        habits: The decks of habits.
        first_week: The week that the decks begin with.
        outs: The month's stock-outs.
        campaign: The campaign that runs.
    """

    goods: Goods
    asked: Prices
    fresh: Decks
    habits: npt.NDArray[np.int16]
    first_week: int
    outs: StockOuts
    campaign: Campaign | None


@dataclass
class Lines:
    """Order lines; every array has one place a line but `starts` and `net_of_ticket`, one a ticket.

    Args:
        ticket: Place of the ticket.
        starts: Where each ticket's lines begin.
        product: Place of the product.
        quantity: Units.
        gross, discount, coupon, net: Amounts in hundredths.
        net_of_ticket: What each ticket came to, in hundredths.
        redeemed: Tickets that redeemed an offer.
        changed: What redeeming changed in each of these tickets, in hundredths.
    """

    ticket: Ints
    starts: Ints
    product: Ints
    quantity: Ints
    gross: Ints
    discount: Ints
    coupon: Ints
    net: Ints
    net_of_ticket: Ints
    redeemed: Ints
    changed: Ints


def lines(made: Tickets, basket: Basket, week_of: Ints, rng: np.random.Generator) -> Lines:
    """Draws the lines of some tickets.

    Args:
        made: The tickets.
        basket: What to draw from.
        week_of: The week of each day of the month, counted from the first of the decks.
        rng: Where chance comes from.
    """
    count = made.lines.astype(np.int64)
    ends = np.cumsum(count)
    starts = ends - count
    total = int(ends[-1])
    ticket = np.repeat(np.arange(len(made), dtype=np.int32), count)
    # One 64-bit draw gives a line its four 16-bit chances: card, habit, acceptance, units.
    bits = rng.integers(0, 2**64, total, dtype=np.uint64).view(np.uint16).reshape(total, 4)
    week = week_of[made.day].astype(np.int32)
    product = _products(made, basket, week, ticket, bits)
    redeemed = np.flatnonzero(made.offer)
    at_line = starts[redeemed]
    before = product[at_line].copy()
    product[at_line] = _offered(made, basket, redeemed, before)
    quantity = UNITS[bits[:, 3] >> 8].astype(np.int32)
    quantity[basket.goods.single[product]] = 1
    quantity[at_line] = 1
    place = ((week + basket.first_week) * np.int32(len(basket.goods.ids)))[ticket] + product
    gross = basket.asked.shelf.ravel()[place] * quantity
    discount = basket.asked.discount.ravel()[place] * quantity
    coupon = np.zeros(total, np.int32)
    coupon[at_line] = np.minimum(OFFER_CENTS[made.offer[redeemed]], (gross - discount)[at_line])
    net = gross - discount - coupon
    old = place[at_line] - product[at_line] + before
    was = basket.asked.shelf.ravel()[old] - basket.asked.discount.ravel()[old]
    return Lines(
        ticket,
        starts,
        product,
        quantity,
        gross,
        discount,
        coupon,
        net,
        np.add.reduceat(net, starts),
        redeemed,
        net[at_line] - was,
    )


def _products(
    made: Tickets, basket: Basket, week: Ints, ticket: Ints, bits: npt.NDArray[np.uint16]
) -> npt.NDArray[np.int32]:
    """A fresh card for each line; a habit instead where the person has one and this week's price lets it stand."""
    deck = ((week * len(STYLE_POWER) + made.style) * len(OCCASIONS) + made.occasion).astype(np.int32) << DECK_BITS
    product = basket.fresh.fresh[deck[ticket] + bits[:, 0]].astype(np.int32)
    chance = (_HABIT * 65_535).astype(np.uint16)[made.style]
    tried = np.flatnonzero(bits[:, 1] < chance[ticket])
    of = ticket[tried]
    slot = (bits[tried, 3] & 0xFF).astype(np.uint32) % _HABITS[made.style[of]]
    card = ((made.person[of].astype(np.uint32) * np.uint32(16) + slot) * np.uint32(2_654_435_761)) >> np.uint32(
        32 - DECK_BITS
    )
    wanted = basket.habits[(made.occasion[of].astype(np.uint32) << np.uint32(DECK_BITS)) + card].astype(np.int32)
    products = len(basket.goods.ids)
    accept = basket.fresh.accept[(week[of] * len(STYLE_POWER) + made.style[of]) * products + wanted]
    kept = bits[tried, 2] < accept
    product[tried[kept]] = wanted[kept]
    _substitute(product, made, basket, ticket)
    result: npt.NDArray[np.int32] = product
    return result


def _substitute(product: npt.NDArray[np.int32], made: Tickets, basket: Basket, ticket: Ints) -> None:
    """What is out of stock in the store that day is not sold there: its substitute is."""
    found = np.flatnonzero(product < RISKY)
    of = ticket[found]
    out = basket.outs.missing[made.day[of], made.store[of], product[found]]
    gone = found[out]
    product[gone] = basket.outs.substitute[product[gone]]


def _offered(made: Tickets, basket: Basket, redeemed: Ints, before: Ints) -> Ints:
    """The product an offer is redeemed with: one of the offer's own."""
    if basket.campaign is None or not len(redeemed):
        return before
    products = basket.campaign.products
    offer, person = made.offer[redeemed].astype(np.int64) - 1, made.person[redeemed].astype(np.int64)
    chosen = products[offer, person // 3 % products.shape[1]]
    out = basket.outs.missing[made.day[redeemed], made.store[redeemed], np.minimum(chosen, RISKY - 1)] & (
        chosen < RISKY
    )
    result: Ints = np.where(out, basket.outs.substitute[chosen], chosen)
    return result


def order_ids(numbers: Ints) -> npt.NDArray[np.void]:
    """Order ids of ticket numbers."""
    return numbered(np.full(1, b"T000", "S4"), numbers)


@dataclass(frozen=True)
class Words:
    """The lists that columns of few values point into."""

    products: pa.Array
    stores: pa.Array
    registers: pa.Array
    cashiers: pa.Array
    sources: pa.Array
    channels: pa.Array
    payments: pa.Array

    @classmethod
    def of(cls, made: Goods, stores: Places) -> "Words":
        """The lists of one chain."""
        doors = stores.ids[: stores.physical]
        return cls(
            products=pa.array(made.ids),
            stores=pa.array(stores.ids),
            registers=pa.array([f"{store}-T{number}" for store in doors for number in range(1, _REGISTERS + 1)]),
            cashiers=pa.array(staff_ids(stores)),
            sources=pa.array(ORDER_SOURCES),
            channels=pa.array(CHANNEL_NAMES),
            payments=pa.array(PAYMENTS),
        )


def line_columns(
    made: Tickets, drawn: Lines, first_number: int, month: Month, days: Almanac, named: Words, basket: Basket
) -> dict[str, pa.Array]:
    """The rows of `order_line` for some tickets.

    Args:
        made: The tickets.
        drawn: Their lines.
        first_number: The number of the first ticket.
        month: The month.
        days: The days.
        named: The lists to point into.
        basket: What the lines were drawn from.
    """
    of, total = drawn.ticket, len(drawn.product)
    numbers = np.arange(first_number, first_number + len(made))
    member = made.person >= 0
    ids = record_ids(np.maximum(made.person, 0), np.where(member, made.source, 0))
    has_member = member[of]
    day = month.first + made.day
    instant = days.midnight[day] + made.minute.astype(np.int64) * 60_000_000 + numbers % 60 * 1_000_000
    at_door = made.channel == 0
    register = np.minimum(made.store, len(named.registers) // _REGISTERS - 1) * _REGISTERS + numbers % _REGISTERS
    cashier = (
        np.minimum(made.store, len(named.registers) // _REGISTERS - 1) * 4 + 1 + (made.day + made.minute // 480) % 3
    )
    remote = ~at_door[of]
    columns = {
        "order_id": words(_picked(order_ids(numbers), of)),
        "line_no": pa.array(np.arange(1, total + 1) - drawn.starts[of]),
        "source": cut(made.source[of], named.sources),
        "customer_id": words(_picked(ids, of[has_member]), has_member),
        "store_id": cut(made.store[of], named.stores),
        "channel": cut(made.channel[of], named.channels),
        "product_id": cut(drawn.product, named.products),
        "ordered_at": pa.array(instant[of]).view(pa.timestamp("us", tz="UTC")),
        "business_day": pa.array(days.epoch[day][of]).view(pa.date32()),
        "quantity": money(drawn.quantity * 100),
        "gross_amount": money(drawn.gross),
        "product_discount": money(drawn.discount),
        "coupon_discount": money(drawn.coupon),
        "net_amount": money(drawn.net),
        "unit_cost": money(basket.goods.cost[drawn.product]),
        "payment_method": cut(_payment(numbers, at_door)[of], named.payments),
        "register_id": cut(register[of], named.registers, remote),
        "cashier_id": cut(cashier[of], named.cashiers, remote),
    }
    if basket.campaign is not None:
        code = np.zeros(total, np.int8)
        code[drawn.starts[drawn.redeemed]] = made.offer[drawn.redeemed]
        columns["coupon_code"] = cut(np.maximum(code - 1, 0), pa.array(basket.campaign.offer_ids()), code == 0)
    return columns


def _picked(ids: npt.NDArray[np.void], places: Ints) -> npt.NDArray[np.void]:
    """Takes ids by place; as complex numbers, 16 bytes each, they are copied several times faster."""
    return ids.view(np.complex128)[places].view("V16")


def _payment(numbers: Ints, at_door: npt.NDArray[np.bool_]) -> Ints:
    """How a ticket was paid: on-line by phone only."""
    card = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(56)
    drawn = _PAYMENT[card.astype(np.int64)]
    result: Ints = np.where(at_door, drawn, drawn % 2)
    return result


@dataclass
class Returns:
    """Lines brought back to the store they came from, up to six days later, within the month."""

    columns: dict[str, pa.Array]
    store: Ints
    day: Ints
    cents: Ints
    person: Ints


def return_columns(
    made: Tickets,
    drawn: Lines,
    first_number: int,
    month: Month,
    days: Almanac,
    columns: dict[str, pa.Array],
    rng: np.random.Generator,
) -> Returns:
    """Brings some lines back: one order a line, negative; what was taken off is in the gross amount already."""
    total = len(drawn.product)
    places = np.flatnonzero((rng.random(total, dtype=np.float32) < _RETURNED) & (drawn.net > 0))
    of = drawn.ticket[places]
    day = np.minimum(made.day[of] + 1 + rng.integers(0, 6, len(places)), month.days - 1)
    kept = (day > made.day[of]) & (made.channel[of] < 2) & (days.weight[:, month.first + day].min(axis=0) > 0)
    places, of, day = places[kept], of[kept], day[kept]
    taken = {name: column.take(pa.array(places)) for name, column in columns.items()}
    count, back = len(places), -drawn.net[places]
    instant = days.midnight[month.first + day] + (600 + places % 600) * 60_000_000
    numbers = first_number + of
    taken |= {
        "order_id": words(numbered(np.full(1, b"R000", "S4"), numbers * 10 + drawn_line(drawn, places))),
        "line_no": pa.array(np.ones(count, np.int64)),
        "ordered_at": pa.array(instant).cast(pa.timestamp("us", tz="UTC")),
        "business_day": pa.array(days.epoch[month.first + day]).view(pa.date32()),
        "quantity": money(-drawn.quantity[places] * 100),
        "gross_amount": money(back),
        "product_discount": money(np.zeros(count, np.int64)),
        "coupon_discount": money(np.zeros(count, np.int64)),
        "net_amount": money(back),
        "return_of": columns["order_id"].take(pa.array(places)),
    }
    if "coupon_code" in taken:
        taken["coupon_code"] = pa.nulls(count, taken["coupon_code"].type)
    return Returns(taken, made.store[of], day, back, made.person[of])


def drawn_line(drawn: Lines, places: Ints) -> Ints:
    """The line of its ticket that each place is, from 0."""
    return places - drawn.starts[drawn.ticket[places]]
