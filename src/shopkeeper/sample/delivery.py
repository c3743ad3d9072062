"""How on-line orders reach the buyer, and what platforms take and give."""

import numpy as np
import pyarrow as pa

from shopkeeper.sample.almanac import Almanac, Month
from shopkeeper.sample.lines import order_ids
from shopkeeper.sample.parquet import money
from shopkeeper.sample.text import Ints, cut, words
from shopkeeper.sample.tickets import MARKETPLACE, Tickets

__all__ = ["charge_columns", "fulfilment_columns"]

_MODES = ("pick_up", "instant", "next_day")
_PLATFORMS = {"zh": ("闪电送", "邻里达"), "en": ("Flashbike", "Nextdoor Now")}
_KINDS = ("commission", "delivery_fee", "platform_subsidy", "merchant_subsidy", "packing")
_MINUTE = 60_000_000


def _online(made: Tickets) -> Ints:
    return np.flatnonzero(made.channel > 0)


def fulfilment_columns(
    made: Tickets, first_number: int, month: Month, days: Almanac, platforms: tuple[str, ...], rng: np.random.Generator
) -> dict[str, pa.Array]:
    """The rows of `fulfilment` of a month's on-line orders; one in a hundred platform orders arrives late."""
    places = _online(made)
    channel, count = made.channel[places], len(places)
    mode = np.where(
        channel == MARKETPLACE, 1, np.where(channel == 1, rng.integers(0, 2, count), rng.integers(1, 3, count))
    )
    numbers = first_number + places
    paid = (
        days.midnight[month.first + made.day[places]]
        + made.minute[places].astype(np.int64) * _MINUTE
        + numbers % 60 * 1_000_000
    )
    promise = np.choose(mode, [20, 40, 1_440])
    taken = np.choose(mode, [12, 30, 1_200]) * rng.gamma(20, 1 / 20, count)
    picked = paid + (taken * 0.35 * _MINUTE).astype(np.int64)
    instant = pa.timestamp("us", tz="UTC")
    return {
        "order_id": words(order_ids(numbers)),
        "mode": cut(mode, pa.array(_MODES)),
        "platform": cut(numbers % len(platforms), pa.array(platforms), channel != MARKETPLACE),
        "paid_at": pa.array(paid).cast(instant),
        "promised_at": pa.array(paid + promise * _MINUTE).cast(instant),
        "picked_at": pa.array(picked).cast(instant),
        "delivered_at": pa.array(paid + (taken * _MINUTE).astype(np.int64)).cast(instant),
    }


def platform_names(language: str) -> tuple[str, ...]:
    """Names of the delivery platforms, made up."""
    return _PLATFORMS[language]


def charge_columns(made: Tickets, net_of_ticket: Ints, first_number: int) -> dict[str, pa.Array]:
    """The rows of `order_charge`: five for each platform order, packing for the other on-line orders."""
    places = _online(made)
    platform = places[made.channel[places] == MARKETPLACE]
    other = places[made.channel[places] != MARKETPLACE]
    net = net_of_ticket[platform]
    amounts = np.stack(
        [
            np.round(net * 0.18),
            np.full(len(net), 400),
            np.round(net * 0.04),
            np.round(net * 0.05),
            np.full(len(net), 100),
        ]
    ).T.astype(np.int64)
    numbers = first_number + np.concatenate([np.repeat(platform, len(_KINDS)), other])
    kinds = np.concatenate([np.tile(np.arange(len(_KINDS)), len(platform)), np.full(len(other), len(_KINDS) - 1)])
    return {
        "order_id": words(order_ids(numbers)),
        "kind": cut(kinds, pa.array(_KINDS)),
        "amount": money(np.concatenate([amounts.ravel(), np.full(len(other), 50, np.int64)])),
    }
