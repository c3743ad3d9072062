"""The tickets of one month: who comes, where, when, by which channel, and for what."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from shopkeeper.sample.almanac import Almanac, Month
from shopkeeper.sample.basket import HOURS, LINES, OCCASION
from shopkeeper.sample.campaigns import EPISODE_LIFT, OFFERS, WINDOW, Draw
from shopkeeper.sample.people import Floats, People
from shopkeeper.sample.places import Places
from shopkeeper.sample.size import ChainSize
from shopkeeper.sample.text import Ints

__all__ = ["CHANNEL_NAMES", "ORDER_SOURCES", "Tickets", "chunks", "guest_rate", "tickets", "visit_value"]

ORDER_SOURCES = ("till", "mini_program", "app", "web", "delivery")
CHANNEL_NAMES = ("store", "mini_program", "app", "web", "marketplace")
MARKETPLACE = 4
_MARKETPLACE_SHARE = 0.13
_HOME_SHARE = 0.82
_DAY_MINUTES = 2_048
_CHUNK = 220_000


@dataclass
class Tickets:
    """Tickets in the order of time; every array has one place a ticket.

    Args:
        day: Place of the business day in the month.
        minute: Minutes since that day's midnight; beyond 1,440 in stores open round the clock.
        store: Place of the store.
        person: The true person; −1 for a guest (散客).
        channel: Place in `CHANNEL_NAMES`.
        source: Place in `ORDER_SOURCES`.
        style: 0 guest, 1 impulsive, 2 rational.
        occasion: Place in `OCCASIONS`.
        lines: How many lines.
        offer: Which offer of the month's campaign is redeemed, from 1; 0 for none.
    """

    day: Ints
    minute: Ints
    store: Ints
    person: Ints
    channel: Ints
    source: Ints
    style: Ints
    occasion: Ints
    lines: Ints
    offer: Ints

    def __len__(self) -> int:
        return len(self.day)

    def taken(self, places: npt.NDArray[np.generic] | slice) -> "Tickets":
        """Some of the tickets."""
        return Tickets(**{name: column[places] for name, column in vars(self).items()})


def guest_rate(size: ChainSize, days: Almanac, stores: Places, wanted: float) -> float:
    """What makes the guests' tickets come to `wanted`: tickets a store of weight 1 sees on an ordinary day."""
    return wanted / max(float(_open_weight(days, stores, 0, size.days).sum()), 1e-9)


def _open_weight(days: Almanac, stores: Places, first: int, end: int) -> Floats:
    """Planted footfall by physical store and day."""
    area, opened = stores.area[: stores.physical], stores.opened[: stores.physical]
    weight = days.weight[area, first:end] * stores.weight[: stores.physical, None]
    result: Floats = weight * (np.arange(first, end) >= opened[:, None])
    return result


def tickets(
    month: Month,
    days: Almanac,
    stores: Places,
    made: People,
    rate: float,
    hidden: npt.NDArray[np.bool_],
    drawn: Draw | None,
    rng: np.random.Generator,
) -> Tickets:
    """Draws the tickets of a month.

    Args:
        month: The month.
        days: The days.
        stores: The places.
        made: The persons.
        rate: Guests' tickets a store of weight 1 on an ordinary day.
        hidden: Whose month is moved by what nobody recorded.
        drawn: The campaign that runs this month.
        rng: Where chance comes from.
    """
    person, day = _visits(month, days, stores, made, hidden, drawn, rng)
    guest_store, guest_day = _guests(month, days, stores, rate, rng)
    store, channel, source = _where(month, days, stores, made, person, day, rng)
    guests = len(guest_store)
    marketplace = rng.random(guests) < _MARKETPLACE_SHARE
    every_store = np.concatenate([store, guest_store]).astype(np.int32)
    every_day = np.concatenate([day, guest_day]).astype(np.int32)
    every_person = np.concatenate([person, np.full(guests, -1)]).astype(np.int32)
    style = np.concatenate([made.style[person], np.zeros(guests, np.int64)]).astype(np.int8)
    hour = _hour(month, days, stores, every_store, every_day, rng)
    minute = hour * 60 + rng.integers(0, 60, len(hour), dtype=np.int32)
    occasion = OCCASION[hour, rng.integers(0, OCCASION.shape[1], len(hour), dtype=np.int32)]
    own = rng.random(len(person), dtype=np.float32) < 0.5
    occasion[: len(person)][own] = made.taste[person[own]]
    result = Tickets(
        day=every_day,
        minute=minute,
        store=every_store,
        person=every_person,
        channel=np.concatenate([channel, np.where(marketplace, MARKETPLACE, 0)]).astype(np.int8),
        source=np.concatenate([source, np.where(marketplace, MARKETPLACE, 0)]).astype(np.int8),
        style=style,
        occasion=occasion,
        lines=LINES[style, rng.integers(0, LINES.shape[1], len(hour), dtype=np.int32)],
        offer=np.zeros(len(hour), np.int8),
    )
    # 31 days of 2,048 minutes fit 16 bits, which sort by radix.
    order = np.argsort((every_day * _DAY_MINUTES + minute).astype(np.uint16), kind="stable")
    result = result.taken(order)
    if drawn is not None:
        _mark_redeemed(result, drawn, len(made.home))
    return result


def _visits(
    month: Month,
    days: Almanac,
    stores: Places,
    made: People,
    hidden: npt.NDArray[np.bool_],
    drawn: Draw | None,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """Members' visits: Poisson with each person's rate over the days of the life; what a campaign adds comes on top."""
    total = np.concatenate([np.zeros((4, 1)), np.cumsum(days.weight[:, month.first : month.end], axis=1)], axis=1)
    first, end = made.alive(month.first, month.end)
    active = np.flatnonzero(end > first)
    counts = rng.poisson(
        made.rate[active] * _mass(total, active, first, end, stores, made, month) * (1 + EPISODE_LIFT * hidden[active])
    )
    person = np.repeat(active, counts)
    day = _days(total, person, first, end, stores, made, month, rng)
    if drawn is None:
        return person, day
    treated = drawn.person[drawn.treated]
    more = np.repeat(treated, rng.poisson(drawn.extra[drawn.treated]))
    until = np.minimum(end, month.first + WINDOW)
    more_day = _days(total, more, first, until, stores, made, month, rng)
    return np.concatenate([person, more]), np.concatenate([day, more_day])


def _mass(total: Floats, person: Ints, first: Ints, end: Ints, stores: Places, made: People, month: Month) -> Floats:
    area = stores.area[made.home[person]]
    mass: Floats = total[area, end[person] - month.first] - total[area, first[person] - month.first]
    return mass


def _days(
    total: Floats,
    person: Ints,
    first: Ints,
    end: Ints,
    stores: Places,
    made: People,
    month: Month,
    rng: np.random.Generator,
) -> Ints:
    """Draws a day of the month for each visit, by footfall, within the person's life."""
    area = stores.area[made.home[person]]
    low = total[area, first[person] - month.first]
    high = total[area, end[person] - month.first]
    point = low + rng.random(len(person)) * (high - low)
    # One sorted list for all areas: each area's sums are lifted above the one before.
    lift = total.max() + 1
    steps = (total + np.arange(len(total))[:, None] * lift).ravel()
    found: Ints = np.searchsorted(steps, point + area * lift, "right") - 1 - area * total.shape[1]
    return found


def _guests(month: Month, days: Almanac, stores: Places, rate: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Guests' tickets: Poisson by store and day."""
    counts = rng.poisson(rate * _open_weight(days, stores, month.first, month.end))
    store, day = np.indices(counts.shape)
    return np.repeat(store.ravel(), counts.ravel()), np.repeat(day.ravel(), counts.ravel())


def _where(
    month: Month, days: Almanac, stores: Places, made: People, person: Ints, day: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """Store, channel and source of members' tickets; who has no record in a channel goes to the store."""
    count = len(person)
    records = made.records[person]
    online = rng.random(count, dtype=np.float32) < made.digital[person]
    wish = np.where(online, np.digitize(rng.random(count, dtype=np.float32), [0.7, 0.9]) + 1, 0)
    only_online = records & 1 == 0
    channel = np.where((records >> wish) & 1 == 1, wish, 0)
    source = np.where((channel == 0) & only_online, made.primary[person], channel)
    store = made.home[person]
    away = np.flatnonzero(rng.random(count, dtype=np.float32) >= _HOME_SHARE)
    store = store.copy()
    store[away] = _other_store(month, days, stores, day[away], rng)
    store = np.where(channel == 2, stores.app, np.where(channel == 3, stores.app + 1, store))
    return store, channel, source


def _other_store(month: Month, days: Almanac, stores: Places, day: Ints, rng: np.random.Generator) -> Ints:
    """Draws a store that is open on each day, by footfall."""
    weight = _open_weight(days, stores, month.first, month.end).T
    sums = np.cumsum(weight, axis=1)
    share = sums / sums[:, -1:] + np.arange(len(sums))[:, None]
    found = np.searchsorted(share.ravel(), day + rng.random(len(day)), "right")
    store: Ints = np.minimum(found - day * weight.shape[1], weight.shape[1] - 1)
    return store


def _hour(
    month: Month, days: Almanac, stores: Places, store: Ints, day: Ints, rng: np.random.Generator
) -> npt.NDArray[np.int32]:
    rest = ~days.working[month.first : month.end]
    card = rng.integers(0, HOURS.shape[-1], len(store), dtype=np.int32)
    hour = HOURS[stores.area[store], rest[day].view(np.int8), stores.all_day[store].view(np.int8), card]
    return hour.astype(np.int32)


def _mark_redeemed(made: Tickets, drawn: Draw, people: int) -> None:
    """The first ticket in the window of each person who answers carries the offer."""
    answers = np.zeros(people, bool)
    answers[drawn.person[drawn.answers]] = True
    found = np.flatnonzero((made.person >= 0) & (made.day < WINDOW) & answers[np.maximum(made.person, 0)])
    _, first = np.unique(made.person[found], return_index=True)
    places = found[first]
    made.offer[places] = made.person[places] % OFFERS + 1


def chunks(sold: Tickets, first: int) -> list[tuple[Tickets, int]]:
    """Cuts a month's tickets so that a chunk has about 220,000 lines."""
    ends = np.cumsum(sold.lines, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    pieces = max(1, round(total / _CHUNK))
    cuts = np.searchsorted(ends, np.linspace(0, total, pieces + 1)[1:-1])
    edges = [0, *map(int, cuts), len(sold)]
    return [(sold.taken(slice(a, b)), first + a) for a, b in pairwise(edges) if b > a]


def visit_value(sold: Tickets, net: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Mean net amount of a visit without an offer, by style, in currency."""
    plain = (sold.person >= 0) & (sold.offer == 0)
    total = np.bincount(sold.style[plain], net[plain], minlength=3)
    count = np.bincount(sold.style[plain], minlength=3)
    value: npt.NDArray[np.float64] = total / np.maximum(count, 1) / 100
    return value
