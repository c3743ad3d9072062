"""The people of a made-up chain: true persons, how they live and leave, and the records sources have of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.sample.almanac import Almanac
from shopkeeper.sample.basket import MEAN_LINES
from shopkeeper.sample.goods import OCCASIONS
from shopkeeper.sample.places import Places
from shopkeeper.sample.size import ChainSize
from shopkeeper.sample.text import Ints, cut, numbered, words

__all__ = [
    "IMPULSIVE",
    "RATIONAL",
    "SOURCES",
    "People",
    "customer_columns",
    "people",
    "person_truth_columns",
    "record_ids",
    "true_ids",
]

Floats = npt.NDArray[np.float64]

SOURCES = ("till", "mini_program", "app", "web")
IMPULSIVE, RATIONAL = 1, 2
_PREFIX = np.array([b"CT00", b"CM00", b"CA00", b"CW00"], "S4")
_STEP = np.array([38_710_529, 61_803_397, 27_182_819, 57_721_567], np.int64)
_SHIFT = np.array([14_142_135, 17_320_508, 22_360_679, 26_457_513], np.int64)
_FIRST_BIT = np.array([0, *((number & -number).bit_length() - 1 for number in range(1, 16))])
_NUMBERS = 100_000_000
_ACQUISITION = ("store", "mini_program", "promotion", "referral")


@dataclass(frozen=True)
class People:
    """The true persons.

    Args:
        home: The store each lives near.
        style: 1 impulsive, 2 rational.
        rate: Visits on an ordinary day while alive.
        birth: First day as a customer, as a place in the almanac; before the first day it is negative.
        hazard: Planted chance of leaving for good on a day.
        death: First day on which the person no longer comes.
        taste: The occasion (place in `OCCASIONS`) every second ticket is for.
        digital: Share of tickets bought on-line.
        proneness: Liking for coupons, mean 0 and deviation 1.
        uplift: How much more than others a campaign moves the person, mean about 1.
        records: Which sources have a record, one bit each in the order of `SOURCES`.
        acquisition: How the person came.
    """

    home: Ints
    style: Ints
    rate: Floats
    birth: Ints
    hazard: Floats
    death: Ints
    taste: Ints
    digital: Floats
    proneness: Floats
    uplift: Floats
    records: Ints
    acquisition: Ints

    @property
    def primary(self) -> Ints:
        """The source of each person's first record."""
        return _FIRST_BIT[self.records]

    def alive(self, first: int, end: int) -> tuple[Ints, Ints]:
        """First day and day after the last on which each person comes, within a span."""
        return np.clip(self.birth, first, end), np.clip(self.death, first, end)


def people(size: ChainSize, days: Almanac, stores: Places, rng: np.random.Generator) -> People:
    """Makes the persons: gamma visit rates, exponential lifetimes, so that churn follows from the planted hazard."""
    count = size.people
    home = rng.choice(stores.physical, count, p=stores.weight[: stores.physical] / stores.weight.sum())
    style = np.where(rng.random(count) < 0.45, IMPULSIVE, RATIONAL)
    rate = rng.gamma(1.3, 1.0, count) + 0.05
    acquisition = rng.choice(len(_ACQUISITION), count, p=[0.5, 0.25, 0.18, 0.07])
    hazard = _hazard(rate, style, acquisition, rng)
    before = rng.random(count) < 0.6
    birth = np.where(before, -rng.integers(1, 900, count), rng.integers(0, size.days, count))
    birth = np.maximum(birth, stores.opened[home])
    # A life is memoryless: who is here on the first day has the same life ahead as who comes later.
    death = np.maximum(birth, 0) + np.ceil(rng.exponential(1 / hazard)).astype(np.int64)
    records = _records(size, acquisition, rng)
    taste = rng.choice(len(OCCASIONS), count, p=[0.22, 0.22, 0.22, 0.18, 0.1, 0.06])
    made = People(
        home=home,
        style=style,
        rate=rate,
        birth=birth,
        hazard=hazard,
        death=death,
        taste=taste,
        digital=rng.beta(1.0, 4.0, count) + np.where(style == IMPULSIVE, 0.08, 0.0),
        proneness=rng.normal(size=count),
        uplift=np.where(style == IMPULSIVE, 1.3, 0.75) * rng.gamma(8, 1 / 8, count),
        records=records,
        acquisition=acquisition,
    )
    made.rate[:] = rate * _rate_scale(size, days, stores, made)
    return made


def _hazard(rate: Floats, style: Ints, acquisition: Ints, rng: np.random.Generator) -> Floats:
    """Chance of leaving on a day: higher for who came for a promotion, comes seldom or buys on impulse."""
    log = np.log(1 / 600) + 0.9 * (acquisition == 2) - 0.35 * np.log(rate) + 0.35 * (style == IMPULSIVE)
    result: Floats = np.exp(log + rng.normal(0, 0.4, len(rate)))
    return result


def _records(size: ChainSize, acquisition: Ints, rng: np.random.Generator) -> Ints:
    """Bits of the sources that know a person."""
    count = len(acquisition)
    if size.sources == "one":
        return np.left_shift(1, rng.choice(len(SOURCES), count, p=[0.7, 0.2, 0.07, 0.03]))
    share = np.array([0.82, 0.55, 0.22, 0.12])
    drawn = rng.random((count, len(SOURCES))) < share
    drawn[:, 0] |= ~drawn.any(axis=1)
    drawn[:, 1] |= acquisition == 1
    result: Ints = (drawn << np.arange(len(SOURCES))).sum(axis=1)
    return result


def _rate_scale(size: ChainSize, days: Almanac, stores: Places, made: People) -> float:
    """What makes the members' expected tickets come to their share of the lines."""
    total = np.concatenate([np.zeros((4, 1)), np.cumsum(days.weight, axis=1)], axis=1)
    first, end = made.alive(0, size.days)
    area = stores.area[made.home]
    visits = made.rate * np.maximum(total[area, end] - total[area, first], 0)
    lines = (visits * MEAN_LINES[made.style]).sum() / visits.sum()
    wanted = size.lines / (size.guest_share * MEAN_LINES[0] + (1 - size.guest_share) * lines)
    return float(wanted * (1 - size.guest_share) / visits.sum())


def record_ids(person: Ints, source: Ints) -> npt.NDArray[np.void]:
    """Customer ids of persons in sources; the numbers of one person in two sources have nothing in common."""
    numbers = (person.astype(np.int64) * _STEP[source] + _SHIFT[source]) % _NUMBERS
    return numbered(_PREFIX[source], numbers)


def true_ids(person: Ints) -> pa.Array:
    """Ids of the true persons, for the truth tables."""
    return words(numbered(np.full(len(person), b"TRUE", "S4"), person))


def record_pairs(made: People) -> tuple[Ints, Ints]:
    """Person and source of every customer record, by person."""
    person, source = np.nonzero((made.records[:, None] >> np.arange(len(SOURCES))) & 1)
    return person, source


def registered(made: People, person: Ints, source: Ints, days: Almanac) -> pa.Array:
    """When each record was made: some time on the person's first day, so that no order is of a day before it."""
    minute = 480 + (person * 37 + source * 11) % 780
    instant = days.midnight[0] + (made.birth[person].astype(np.int64) * 1_440 + minute) * 60_000_000
    return pa.array(instant).cast(pa.timestamp("us", tz="UTC"))


def customer_columns(made: People, days: Almanac, stores: Places, rng: np.random.Generator) -> dict[str, pa.Array]:
    """The rows of `customer`: one record a person and source; members of the till know birth year and gender less."""
    person, source = record_pairs(made)
    count = len(person)
    female = rng.random(len(made.home)) < 0.54
    birth_year = 2026 - np.clip(rng.gamma(6, 5.5, len(made.home)) + 16, 16, 85).astype(np.int64)
    home = made.home[person]
    cities = pa.array([c[0] for c in stores.cities])
    tier = np.digitize(made.rate[person] * 30, np.quantile(made.rate * 30, [0.6, 0.9]))
    unknown = rng.random(count) < np.where(source == 0, 0.5, 0.2)
    return {
        "source": cut(source, pa.array(SOURCES)),
        "customer_id": words(record_ids(person, source)),
        "registered_at": registered(made, person, source, days),
        "gender": cut(female[person], pa.array(["male", "female"]), unknown),
        "birth_year": pa.array(birth_year[person], mask=unknown),
        "region": cut(stores.region[home], pa.array(stores.regions)),
        "city": cut(stores.city[home], cities),
        "acquisition_channel": cut(made.acquisition[person], pa.array(_ACQUISITION)),
        "tier": cut(tier, pa.array(["member", "silver", "gold"])),
    }


def person_truth_columns(made: People, days: Almanac, stores: Places) -> dict[str, pa.Array]:
    """One row a true person: everything that was planted in it."""
    last = len(days.days)
    first = np.datetime64(days.days[0])
    return {
        "true_person_id": true_ids(np.arange(len(made.home))),
        "home_store_id": pa.array(np.array(stores.ids)[made.home]),
        "buying_style": pa.array(np.where(made.style == IMPULSIVE, "impulsive", "rational")),
        "visits_a_day": pa.array(made.rate),
        "churn_hazard": pa.array(made.hazard),
        "first_day": pa.array(first + made.birth.astype("timedelta64[D]")),
        "churned_on": pa.array(first + np.minimum(made.death, last).astype("timedelta64[D]"), mask=made.death >= last),
        "taste": pa.array(np.array(OCCASIONS)[made.taste]),
        "digital_share": pa.array(made.digital),
        "coupon_proneness": pa.array(made.proneness),
        "campaign_uplift": pa.array(made.uplift),
    }
