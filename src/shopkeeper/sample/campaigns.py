"""Campaigns of a made-up chain: who is targeted and why, who answers, and what it truly causes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.sample.almanac import Almanac, Month
from shopkeeper.sample.goods import OCCASIONS, Goods
from shopkeeper.sample.parquet import money
from shopkeeper.sample.people import IMPULSIVE, SOURCES, Floats, People, record_ids, true_ids
from shopkeeper.sample.places import Places
from shopkeeper.sample.size import ChainSize, Language
from shopkeeper.sample.text import Ints, cut, numbered, words

__all__ = [
    "WINDOW",
    "Campaign",
    "Draw",
    "campaign_columns",
    "campaigns",
    "draw",
    "episode",
    "offer_columns",
    "offer_product_columns",
    "redeemed_orders",
    "redemption_columns",
    "response_truth_columns",
    "target_columns",
    "touch_columns",
]

WINDOW = 28
_LEAST_DAYS = 20
EPISODE_LIFT = 1.0
OFFERS = 3
_OFFER_PRODUCTS = 20
_OFFER_CENTS = (200, 300, 500)
_EPISODE_SHARE = 0.15
_TOUCH_COST_CENTS = 5
_NAMES = {
    "zh": ("早餐唤醒", "午餐加餐", "清凉饮品", "零食派对", "居家囤货"),
    "en": ("Breakfast wake-up", "Lunch extra", "Cool drinks", "Snack party", "Home stock-up"),
}


@dataclass(frozen=True)
class Campaign:
    """One campaign: 28 days from the first of a month, three offers of one occasion.

    Args:
        number: Its number, from 1.
        month: The month it runs in, as a place in `Almanac.months`.
        first: Its first day, as a place in the almanac.
        occasion: What its offers are for.
        products: The products of each offer, shape (3, up to 20).
    """

    number: int
    month: int
    first: int
    occasion: int
    products: npt.NDArray[np.int64]

    @property
    def id(self) -> str:
        """Its id."""
        return f"C{self.number:03d}"

    def offer_ids(self) -> list[str]:
        """Ids of its offers."""
        return [f"{self.id}-O{place + 1}" for place in range(OFFERS)]


@dataclass
class Draw:
    """Who was chosen for one campaign, and what came of it; every array has one place a chosen person.

    Args:
        campaign: The campaign.
        person: The chosen.
        treated: Whether contacted; the others are the holdout.
        probability: Planted chance of being chosen and contacted.
        recent: What each spent in the two months before, in currency.
        hidden: Whether the thing nobody recorded was on.
        response: Planted chance to answer when contacted and coming at all.
        answers: Whether the person will use the offer at the next visit, if contacted.
        extra: Planted extra visits if contacted.
        redeemed_order: Number of the order it was redeemed with; −1 when it was not.
        redeemed_day: That day, as a place in the almanac.
        redeemed_cents: What redeeming changed in that order's net amount, in hundredths.
    """

    campaign: Campaign
    person: Ints
    treated: npt.NDArray[np.bool_]
    probability: Floats
    recent: Floats
    hidden: npt.NDArray[np.bool_]
    response: Floats
    answers: npt.NDArray[np.bool_]
    extra: Floats
    come: Floats
    redeemed_order: Ints
    redeemed_day: Ints
    redeemed_cents: Ints
    visit_value: Floats

    @property
    def offer(self) -> Ints:
        """The offer each person gets."""
        return self.person % OFFERS


def campaigns(size: ChainSize, days: Almanac, made: Goods, rng: np.random.Generator) -> tuple[Campaign, ...]:
    """Lays the campaigns out: one every few months, from the third month with two whole months before.

    The last may still run when the data end, so that there is a campaign to plan for.
    """
    if not size.campaign_every:
        return ()
    whole = [
        place
        for place, month in enumerate(days.months)
        if month.days >= _LEAST_DAYS and days.days[month.first].day == 1
    ]
    months = [place for place in whole if place >= 2][:: size.campaign_every]
    laid = []
    for number, month in enumerate(months, 1):
        occasion = (number - 1) % (len(OCCASIONS) - 1)
        pool = np.flatnonzero((made.occasion == occasion) & (made.launched < 0) & ~made.single)[
            : OFFERS * _OFFER_PRODUCTS * 2
        ]
        each = min(_OFFER_PRODUCTS, max(1, len(pool) // OFFERS))
        products = rng.permutation(pool)[: OFFERS * each] if len(pool) >= OFFERS else np.resize(pool, OFFERS)
        laid.append(Campaign(number, month, days.months[month].first, occasion, products.reshape(OFFERS, -1)))
    return tuple(laid)


def episode(size: ChainSize, count: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whose next two months see more visits for a reason nobody recorded."""
    return (rng.random(count) < _EPISODE_SHARE) & size.hidden


def draw(
    size: ChainSize,
    campaign: Campaign,
    made: People,
    recent: Floats,
    hidden: npt.NDArray[np.bool_],
    window_mass: Floats,
    rng: np.random.Generator,
) -> Draw:
    """Chooses the targets of one campaign and plants their answers.

    Args:
        size: The knobs.
        campaign: The campaign.
        made: The persons.
        recent: What each person spent in the two months before, in currency.
        hidden: Whose month is moved by what nobody recorded.
        window_mass: Ordinary days' worth of footfall in the window of each person's life.
        rng: Where chance comes from.
    """
    # Nobody records who has left for good, so those who lately bought are chosen from, the departed among them.
    eligible = (made.birth < campaign.first) & (recent > 0)
    chance = _chance(size, recent, hidden, eligible)
    person = np.flatnonzero(eligible & (rng.random(len(chance)) < chance))
    holdout = size.holdout if size.targeting == "random" else 0.0
    treated = rng.random(len(person)) >= holdout
    response = _response(campaign, made, person)
    extra = size.effect * made.uplift[person] * made.rate[person] * window_mass[person]
    come = 1 - np.exp(-(made.rate[person] * window_mass[person] * (1 + EPISODE_LIFT * hidden[person]) + extra))
    count = len(person)
    return Draw(
        campaign,
        person,
        treated,
        chance[person] * (1 - holdout),
        recent[person],
        hidden[person],
        response,
        (rng.random(count) < response) & treated,
        extra,
        come,
        np.full(count, -1),
        np.full(count, -1),
        np.zeros(count, np.int64),
        np.zeros(count),
    )


def _chance(size: ChainSize, recent: Floats, hidden: npt.NDArray[np.bool_], eligible: npt.NDArray[np.bool_]) -> Floats:
    """Chance to be targeted: even, or a logistic curve of the standardised log of recent spend."""
    if size.targeting == "random" and not size.hidden:
        return np.full(len(recent), size.target_share)
    log = np.log1p(recent)
    standard = (log - log[eligible].mean()) / max(log[eligible].std(), 1e-9)
    score = 1.1 * standard * (size.targeting == "confounded") + 2.2 * hidden
    low, high = -12.0, 12.0
    for _ in range(40):
        middle = (low + high) / 2
        share = (1 / (1 + np.exp(-(score[eligible] + middle)))).mean()
        low, high = (middle, high) if share < size.target_share else (low, middle)
    result: Floats = 1 / (1 + np.exp(-(score + low)))
    return result


def _response(campaign: Campaign, made: People, person: Ints) -> Floats:
    """Planted chance to answer: the logistic curve of taste, style and liking for coupons."""
    fits = made.taste[person] == campaign.occasion
    score = -2.2 + 1.2 * fits + 0.6 * (made.style[person] == IMPULSIVE) + 0.8 * made.proneness[person]
    result: Floats = 1 / (1 + np.exp(-score))
    return result


def window_mass(days: Almanac, month: Month, stores: Places, made: People) -> Floats:
    """Ordinary days' worth of footfall from the month's first day until 28 days later, within each life."""
    total = np.concatenate(
        [np.zeros((4, 1)), np.cumsum(days.weight[:, month.first : month.first + WINDOW], axis=1)], axis=1
    )
    first, end = made.alive(month.first, month.first + total.shape[1] - 1)
    area = stores.area[made.home]
    mass: Floats = np.maximum(total[area, end - month.first] - total[area, first - month.first], 0)
    return mass


def campaign_columns(laid: Sequence[Campaign], days: Almanac, language: Language) -> dict[str, pa.Array]:
    """The rows of `campaign`."""
    names = _NAMES[language]
    starts = [days.days[c.first] for c in laid]
    return {
        "campaign_id": pa.array([c.id for c in laid], pa.string()),
        "name": pa.array(
            [f"{names[c.occasion]} {day:%Y-%m}" for c, day in zip(laid, starts, strict=True)], pa.string()
        ),
        "kind": pa.array([OCCASIONS[c.occasion] for c in laid], pa.string()),
        "starts_on": pa.array(starts, pa.date32()),
        "ends_on": pa.array([day + timedelta(days=WINDOW - 1) for day in starts], pa.date32()),
        "budget": money(np.full(len(laid), 2_000_000)),
    }


def offer_columns(laid: Sequence[Campaign], made: Goods, days: Almanac) -> dict[str, pa.Array]:
    """The rows of `offer`: three a campaign."""
    starts = np.repeat(days.midnight[[c.first for c in laid]] if laid else np.zeros(0, np.int64), OFFERS)
    lists = [[made.ids[p] for p in row] for c in laid for row in c.products]
    named = [sorted({made.categories[made.category[p]].name for p in row}) for c in laid for row in c.products]
    instant = pa.timestamp("us", tz="UTC")
    return {
        "offer_id": pa.array([o for c in laid for o in c.offer_ids()], pa.string()),
        "campaign_id": pa.array([c.id for c in laid for _ in range(OFFERS)], pa.string()),
        "kind": pa.array(["coupon"] * len(lists), pa.string()),
        "products": pa.array(lists, pa.list_(pa.string())),
        "categories": pa.array(named, pa.list_(pa.string())),
        "value": money(np.tile(_OFFER_CENTS, len(laid))),
        "min_spend": money(np.zeros(len(lists), np.int64)),
        "starts_at": pa.array(starts).cast(instant),
        "ends_at": pa.array(starts + WINDOW * 86_400_000_000).cast(instant),
        "stackable": pa.array([False] * len(lists), pa.bool_()),
    }


def offer_product_columns(laid: Sequence[Campaign], made: Goods) -> dict[str, pa.Array]:
    """The rows of `offer_product`."""
    pairs = [(o, made.ids[p]) for c in laid for o, row in zip(c.offer_ids(), c.products, strict=True) for p in set(row)]
    return {
        "offer_id": pa.array([pair[0] for pair in pairs], pa.string()),
        "product_id": pa.array([pair[1] for pair in pairs], pa.string()),
    }


def _joined(draws: Sequence[Draw], name: str) -> Ints:
    """One array of all draws; flags and floats keep their type."""
    joined: Ints = np.concatenate([getattr(d, name) for d in draws])
    return joined


def _of(draws: Sequence[Draw], laid: Sequence[str]) -> pa.Array:
    return cut(np.repeat(np.arange(len(draws)), [len(d.person) for d in draws]), pa.array(list(laid), pa.string()))


def target_columns(draws: Sequence[Draw], made: People, days: Almanac) -> dict[str, pa.Array]:
    """The rows of `campaign_target`: those contacted, by their first record."""
    person, treated = _joined(draws, "person"), pa.array(_joined(draws, "treated"))
    source = made.primary[person]
    day = np.repeat([days.epoch[d.campaign.first] for d in draws], [len(d.person) for d in draws]).astype(np.int32)
    every = {
        "campaign_id": _of(draws, [d.campaign.id for d in draws]),
        "customer_id": words(record_ids(person, source)),
        "source": cut(source, pa.array(SOURCES)),
        "targeted_on": pa.array(day).cast(pa.date32()),
    }
    return {name: column.filter(treated) for name, column in every.items()}


def touch_columns(draws: Sequence[Draw], made: People, days: Almanac) -> dict[str, pa.Array]:
    """The rows of `touch`: a message to each contacted, `held_out` for each of the holdout."""
    person, treated = _joined(draws, "person"), _joined(draws, "treated").astype(bool)
    source, count = made.primary[person], len(person)
    lengths = [len(d.person) for d in draws]
    at_ten = np.repeat([days.midnight[d.campaign.first] + 10 * 3_600_000_000 for d in draws], lengths)
    offers = [offer for d in draws for offer in d.campaign.offer_ids()]
    offer = _joined(draws, "offer") + np.repeat(np.arange(len(draws)) * OFFERS, lengths)
    return {
        "touch_id": words(numbered(np.full(count, b"TCH0", "S4"), np.arange(count))),
        "campaign_id": _of(draws, [d.campaign.id for d in draws]),
        "offer_id": cut(offer, pa.array(offers)),
        "customer_id": words(record_ids(person, source)),
        "channel": cut(np.where(source == 1, 1, 0), pa.array(["sms", "mini_program"])),
        "variant": cut(treated, pa.array(["holdout", "offer"])),
        "is_holdout": pa.array(~treated),
        "occurred_at": pa.array(at_ten).cast(pa.timestamp("us", tz="UTC")),
        "kind": cut(treated, pa.array(["held_out", "sent"])),
        "cost": money(np.where(treated, _TOUCH_COST_CENTS, 0)),
    }


def redemption_columns(
    draws: Sequence[Draw], made: People, days: Almanac, order_ids: npt.NDArray[np.void]
) -> dict[str, pa.Array]:
    """The rows of `redemption`.

    Args:
        draws: The campaigns' draws.
        made: The persons.
        days: The days.
        order_ids: The order's id of each redemption, in the order of the draws.
    """
    redeemed = _joined(draws, "redeemed_order").astype(np.int64) >= 0
    keep = pa.array(redeemed)
    person = _joined(draws, "person")[redeemed]
    source = made.primary[person]
    touch = touch_columns(draws, made, days)
    day = days.epoch[_joined(draws, "redeemed_day")[redeemed]]
    return {
        "redemption_id": words(numbered(np.full(len(person), b"RDM0", "S4"), np.arange(len(person)))),
        "offer_id": touch["offer_id"].filter(keep),
        "campaign_id": touch["campaign_id"].filter(keep),
        "customer_id": words(record_ids(person, source)),
        "source": cut(source, pa.array(SOURCES)),
        "redeemed_on": pa.array(day).cast(pa.date32()),
        "order_id": words(order_ids),
    }


def response_truth_columns(draws: Sequence[Draw], made: People) -> dict[str, pa.Array]:
    """One row a chosen person and campaign: what was planted, and what it came to."""
    person = _joined(draws, "person")
    source = made.primary[person]
    extra, value, response, come = (
        _joined(draws, name).astype(float) for name in ("extra", "visit_value", "response", "come")
    )
    cents = _joined(draws, "redeemed_cents").astype(float)
    treated = _joined(draws, "treated").astype(bool)
    return {
        "campaign_id": _of(draws, [d.campaign.id for d in draws]).dictionary_decode(),
        "true_person_id": true_ids(person),
        "source": pa.array(np.array(SOURCES)[source]),
        "customer_id": words(record_ids(person, source)),
        "treated": pa.array(treated),
        "target_probability": pa.array(_joined(draws, "probability")),
        "recent_spend": pa.array(_joined(draws, "recent")),
        "hidden_confounder": pa.array(_joined(draws, "hidden")),
        "response_probability": pa.array(response * come),
        "redeemed": pa.array(_joined(draws, "redeemed_order").astype(np.int64) >= 0),
        "extra_visits": pa.array(extra),
        "extra_spend": pa.array(extra * value + np.where(treated, cents / 100, 0)),
    }


def redeemed_orders(draws: Sequence[Draw]) -> npt.NDArray[np.int64]:
    """Numbers of the orders that redeemed an offer, in the order of the draws."""
    orders = np.concatenate([d.redeemed_order for d in draws])
    found: npt.NDArray[np.int64] = orders[orders >= 0]
    return found
