"""Reviews of made-up orders, in the chain's language, with planted aspect and feeling."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shopkeeper.sample.almanac import Almanac, Month
from shopkeeper.sample.lines import Lines, order_ids
from shopkeeper.sample.people import record_ids
from shopkeeper.sample.size import Language
from shopkeeper.sample.text import Ints, cut, numbered, words
from shopkeeper.sample.tickets import ORDER_SOURCES, Tickets

__all__ = ["Reviews", "join", "review_columns", "review_truth_columns", "reviews"]

ASPECTS = ("taste", "price", "delivery", "service", "freshness", "packing")
_SHARE = 0.02
_SHARE_AT_DOOR = 0.002
_MOST_A_MONTH = 20_000
_GOOD, _BAD = 1, 0
_SAID: dict[Language, dict[tuple[str, int], tuple[str, ...]]] = {
    "zh": {
        ("taste", _GOOD): ("{}味道很好，还会回购", "{}真的好吃，推荐", "口味不错，{}一直在买"),
        ("taste", _BAD): ("{}太咸了，不太好吃", "{}味道变了，没有以前好", "{}口感一般，有点失望"),
        ("price", _GOOD): ("{}做活动很划算", "价格实惠，{}比别家便宜"),
        ("price", _BAD): ("{}又涨价了，有点贵", "{}价格偏高，不值"),
        ("delivery", _GOOD): ("送得很快，{}还是热的", "配送准时，点赞"),
        ("delivery", _BAD): ("等了一个多小时，{}都凉了", "配送太慢，下次不点了"),
        ("service", _GOOD): ("店员很热情，帮我加热了{}", "服务态度好，{}也不错"),
        ("service", _BAD): ("店员爱答不理，买{}排队很久", "收银太慢，态度也差"),
        ("freshness", _GOOD): ("{}很新鲜，日期也好", "每天早上买{}，新鲜"),
        ("freshness", _BAD): ("{}不新鲜，快过期了", "{}已经变味了，希望注意保质期"),
        ("packing", _GOOD): ("包装很严实，{}没有洒", "{}包装干净"),
        ("packing", _BAD): ("包装破了，{}洒了一袋", "{}盒子压扁了"),
    },
    "en": {
        ("taste", _GOOD): ("{} tastes great, will buy again", "Really tasty {}, recommended"),
        ("taste", _BAD): ("{} is too salty", "{} does not taste as good as before"),
        ("price", _GOOD): ("Good deal on {}", "Fair price, {} is cheaper than elsewhere"),
        ("price", _BAD): ("{} got more expensive again", "{} is overpriced"),
        ("delivery", _GOOD): ("Fast delivery, {} was still hot", "On time, thank you"),
        ("delivery", _BAD): ("Waited over an hour, {} was cold", "Delivery far too slow"),
        ("service", _GOOD): ("Friendly staff warmed up my {}", "Good service"),
        ("service", _BAD): ("Rude staff, long queue for {}", "Slow at the till"),
        ("freshness", _GOOD): ("{} is always fresh", "Fresh {} every morning"),
        ("freshness", _BAD): ("{} was not fresh, nearly out of date", "{} had gone off"),
        ("packing", _GOOD): ("Well packed, nothing spilled", "{} came clean and tidy"),
        ("packing", _BAD): ("The bag broke and {} spilled", "{} came crushed"),
    },
}


@dataclass(frozen=True)
class Reviews:
    """Reviews of one month; every array has one place a review."""

    number: Ints
    person: Ints
    source: Ints
    store: Ints
    product: Ints
    instant: Ints
    rating: Ints
    aspect: Ints
    good: Ints


def reviews(
    made: Tickets, drawn: Lines, first_number: int, month: Month, days: Almanac, rng: np.random.Generator
) -> Reviews:
    """Draws who says something about an order, some hours later."""
    chance = np.where(made.channel > 0, _SHARE, _SHARE_AT_DOOR)
    places = np.flatnonzero((made.person >= 0) & (rng.random(len(made)) < chance))[:_MOST_A_MONTH]
    count = len(places)
    good = (rng.random(count) < 0.72).astype(np.int8)
    rating = np.where(good == _GOOD, rng.integers(4, 6, count), rng.integers(1, 4, count))
    spoken = (
        days.midnight[month.first + made.day[places]]
        + (made.minute[places] + rng.integers(30, 1_200, count)) * 60_000_000
    )
    return Reviews(
        number=first_number + places,
        person=made.person[places],
        source=made.source[places],
        store=made.store[places],
        product=drawn.product[drawn.starts[places]],
        instant=spoken,
        rating=rating,
        aspect=rng.integers(0, len(ASPECTS), count),
        good=good,
    )


def join(parts: list[Reviews]) -> Reviews:
    """Several months' reviews as one."""
    return Reviews(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])})


def _ids(said: Reviews) -> pa.Array:
    return words(numbered(np.full(1, b"RVW0", "S4"), np.arange(len(said.number))))


def review_columns(
    said: Reviews, nouns: list[str], products: tuple[str, ...], stores: tuple[str, ...], language: Language
) -> dict[str, pa.Array]:
    """The rows of `interaction`; the texts name no person, so the redacted text is the text."""
    phrases = _SAID[language]
    texts = []
    for place, (aspect, good) in enumerate(zip(said.aspect, said.good, strict=True)):
        choices = phrases[ASPECTS[aspect], int(good)]
        texts.append(choices[int(said.number[place]) % len(choices)].format(nouns[said.product[place]]))
    count = len(texts)
    return {
        "interaction_id": _ids(said),
        "kind": pa.array(["review"] * count, pa.string()),
        "source": cut(said.source, pa.array(ORDER_SOURCES)).dictionary_decode(),
        "customer_id": words(record_ids(said.person, said.source)),
        "store_id": cut(said.store, pa.array(stores)).dictionary_decode(),
        "product_id": cut(said.product, pa.array(products)).dictionary_decode(),
        "order_id": words(order_ids(said.number)),
        "occurred_at": pa.array(said.instant).cast(pa.timestamp("us", tz="UTC")),
        "rating": pa.array(said.rating.astype(float)),
        "text_redacted": pa.array(texts, pa.string()),
        "language": pa.array([language] * count, pa.string()),
        "status": cut((said.good == _BAD) & (said.number % 3 > 0), pa.array(["closed", "open"])).dictionary_decode(),
    }


def review_truth_columns(said: Reviews) -> dict[str, pa.Array]:
    """What each review is about and whether it praises: the truth."""
    return {
        "interaction_id": _ids(said),
        "aspect": pa.array(np.array(ASPECTS)[said.aspect]),
        "positive": pa.array(said.good == _GOOD),
    }
