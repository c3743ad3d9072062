"""The goods of a made-up chain: products with popularity, price, cost and planted price elasticity."""

import csv
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.sample.parquet import money
from shopkeeper.sample.size import ChainSize, Language
from shopkeeper.sample.text import Ints

__all__ = ["OCCASIONS", "Category", "Goods", "categories", "goods", "product_columns", "shelf_columns"]

OCCASIONS = ("breakfast", "meal", "drink", "snack", "home", "counter")
_ZIPF = 0.85
_BRANDS = {
    "zh": ("小店优选", "云田", "禾小满", "橘子湖", "南山坡", "大白鹅", "半日闲", "月牙湾", "青石巷", "麦垛"),
    "en": (
        "Corner Choice",
        "Cloudfield",
        "Littlegrain",
        "Orange Lake",
        "Southhill",
        "White Goose",
        "Half Day",
        "Crescent Bay",
        "Stone Lane",
        "Haystack",
    ),
}
# Kinds of each occasion's goods: breakfast, meal, drink, snack, home, counter.
_FLAVOURS = {
    "zh": (
        ("原味", "经典", "低糖", "浓香", "手工"),
        ("经典", "香辣", "招牌", "家常", "鲜香"),
        ("原味", "低糖", "清爽", "柚子", "蜂蜜"),
        ("原味", "海盐", "蜂蜜", "香脆", "经典"),
        ("家用", "便携", "清香", "经典", "超值"),
        ("",),
    ),
    "en": (
        ("Plain", "Classic", "Low sugar", "Rich", "Handmade"),
        ("Classic", "Spicy", "House", "Homestyle", "Savoury"),
        ("Plain", "Low sugar", "Fresh", "Pomelo", "Honey"),
        ("Plain", "Sea salt", "Honey", "Crunchy", "Classic"),
        ("Family", "Travel", "Scented", "Classic", "Value"),
        ("",),
    ),
}
_SIZES = (
    ("80g", "120g", "200g"),
    ("150g", "260g", "400g"),
    ("250ml", "330ml", "500ml"),
    ("60g", "100g", "180g"),
    ("S", "M", "L"),
    ("",),
)
_SHELF_PRODUCTS = 2_000


class Category(NamedTuple):
    """One category of the catalogue, as `categories.csv` has it."""

    department: str
    name: str
    kind: str
    low: float
    high: float
    cost: float
    occasion: int
    elasticity: float
    season: str
    weight: float
    shelf_life: int
    nouns: tuple[str, ...]


@dataclass(frozen=True)
class Goods:
    """The products of a chain, the most popular first.

    Args:
        ids: Product ids.
        categories: The catalogue.
        category: Place of each product in `categories`.
        brand: Place of each product's brand; 0 is the chain's own.
        popularity: Planted demand at the list price; sums to 1.
        elasticity: Planted price elasticity of demand.
        cents: List price in hundredths.
        cost: Cost of one unit in hundredths.
        single: Whether one ticket takes one of it (bags, top-ups, tobacco, services).
        substitute: What is bought when it is out of stock.
        launched: First day of sale, as a place in the almanac; negative when before.
    """

    ids: tuple[str, ...]
    categories: tuple[Category, ...]
    category: Ints
    brand: Ints
    popularity: npt.NDArray[np.float64]
    elasticity: npt.NDArray[np.float64]
    cents: Ints
    cost: Ints
    single: npt.NDArray[np.bool_]
    substitute: Ints
    launched: Ints

    @property
    def occasion(self) -> Ints:
        """The occasion each product is mostly bought for (place in `OCCASIONS`)."""
        return np.array([c.occasion for c in self.categories])[self.category]


def categories(language: Language) -> tuple[Category, ...]:
    """Reads the catalogue in one language."""
    text = resources.files("shopkeeper.sample").joinpath("categories.csv").read_text(encoding="utf-8")
    return tuple(
        Category(
            row[f"department_{language}"],
            row[f"category_{language}"],
            row["kind"],
            float(row["low"]),
            float(row["high"]),
            float(row["cost"]),
            int(row["occasion"]),
            float(row["elasticity"]),
            row["season"],
            float(row["weight"]),
            int(row["shelf_life"]),
            tuple(row[f"nouns_{language}"].split("|")),
        )
        for row in csv.DictReader(text.splitlines())
    )


def goods(size: ChainSize, language: Language, rng: np.random.Generator) -> Goods:
    """Makes the products: popularity falls as rank^-0.85, prices end in .x0 or .x5 or .x8."""
    catalogue, count = categories(language), size.products
    category = _category(catalogue, count, rng)
    weight = np.array([c.weight for c in catalogue])
    within = _rank_within(category, len(catalogue))
    popularity = (within + 2.0) ** -_ZIPF
    totals = np.bincount(category, popularity, len(catalogue))
    popularity *= (weight / totals)[category]
    order = np.argsort(-popularity, kind="stable")
    category, popularity = category[order], popularity[order] / popularity.sum()
    low, high, ratio = (np.array([getattr(c, n) for c in catalogue])[category] for n in ("low", "high", "cost"))
    cents = _round_price(low * (high / low) ** rng.beta(1.6, 2.4, count))
    cents = np.where(
        _kind_is(catalogue, category, "top_up", "gift_card"), np.maximum(1_000, cents // 1_000 * 1_000), cents
    )
    brand = np.where(rng.random(count) < 0.14, 0, rng.integers(1, len(_BRANDS[language]), count))
    spread = np.where(ratio < 0.85, rng.normal(0, 0.03, count), 0)
    base = np.array([c.elasticity for c in catalogue])[category]
    return Goods(
        ids=tuple(f"P{number:06d}" for number in rng.permutation(count) + 1),
        categories=catalogue,
        category=category,
        brand=np.where(_kind_is(catalogue, category, "tobacco", "top_up", "gift_card"), 1 + brand % 3, brand),
        popularity=popularity,
        elasticity=np.where(base < 0, np.clip(base + rng.normal(0, 0.25, count), -3.0, -0.3), 0.0),
        cents=cents,
        cost=np.round(cents * np.clip(ratio + spread - 0.05 * (brand == 0), 0.3, 1.0)).astype(np.int64),
        single=_kind_is(catalogue, category, "tobacco", "top_up", "bag", "service", "gift_card"),
        substitute=_substitutes(category),
        launched=_launched(size, rng),
    )


def _launched(size: ChainSize, rng: np.random.Generator) -> Ints:
    """One product in twenty is new: it starts some time after the chain's first month, but for the very best sold."""
    first = -rng.integers(100, 1_500, size.products)
    new = (rng.random(size.products) < 0.05) & (np.arange(size.products) > 45) & (size.days > 90)
    return np.where(new, rng.integers(28, max(29, size.days - 30), size.products), first)


def _kind_is(catalogue: tuple[Category, ...], category: Ints, *kinds: str) -> npt.NDArray[np.bool_]:
    return np.array([c.kind in kinds for c in catalogue])[category]


def _category(catalogue: tuple[Category, ...], count: int, rng: np.random.Generator) -> Ints:
    """Every category has two products at least; the rest fall by weight."""
    weight = np.array(
        [c.weight * (0.1 if c.kind in ("top_up", "bag", "service", "gift_card") else 1) for c in catalogue]
    )
    sure = np.repeat(np.arange(len(catalogue)), 2)
    return np.concatenate([sure, rng.choice(len(catalogue), count - len(sure), p=weight / weight.sum())])


def _rank_within(category: Ints, count: int) -> Ints:
    order = np.argsort(category, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(category, minlength=count))[:-1]])
    rank = np.empty(len(category), np.int64)
    rank[order] = np.arange(len(category)) - starts[category[order]]
    return rank


def _round_price(yuan: npt.NDArray[np.float64]) -> Ints:
    cents = np.round(yuan * 10).astype(np.int64) * 10
    return np.maximum(10, np.where(cents > 1_000, cents // 50 * 50, cents))


def _substitutes(category: Ints) -> Ints:
    """The next product of the same category by popularity; the last one gives way to the one before it."""
    order = np.argsort(category, kind="stable")
    following = np.roll(order, -1)
    ends = category[following] != category[order]
    following[ends] = np.roll(order, 1)[ends]
    substitute = np.empty(len(category), np.int64)
    substitute[order] = following
    return substitute


def product_columns(made: Goods, size: ChainSize, language: Language, rng: np.random.Generator) -> dict[str, pa.Array]:
    """The rows of `product`."""
    count = len(made.ids)
    flavour, package = rng.integers(0, 1_000, (2, count))
    noun = rng.integers(0, 1_000, count)
    chosen = [made.categories[c] for c in made.category]
    nouns = [c.nouns[n % len(c.nouns)] for c, n in zip(chosen, noun, strict=True)]
    brands = _BRANDS[language]
    flavours = [_of_occasion(_FLAVOURS[language], c, f) for c, f in zip(chosen, flavour, strict=True)]
    sizes = [_of_occasion(_SIZES, c, s) for c, s in zip(chosen, package, strict=True)]
    packed = [c.kind in ("merchandise", "fresh") for c in chosen]
    gap = "" if language == "zh" else " "
    names = [
        gap.join((brands[b], f, n, s) if p else (brands[b], n))
        for b, f, n, s, p in zip(made.brand, flavours, nouns, sizes, packed, strict=True)
    ]
    attributes = [[("flavour", f), ("size", s)] if p else [] for f, s, p in zip(flavours, sizes, packed, strict=True)]
    launched = [size.starts_on + timedelta(days=int(day)) for day in made.launched]
    return {
        "product_id": pa.array(made.ids),
        "name": pa.array(names),
        "kind": pa.array([c.kind for c in chosen]),
        "department": pa.array([c.department for c in chosen]),
        "category": pa.array([c.name for c in chosen]),
        "subcategory": pa.array(nouns),
        "brand": pa.array([brands[b] for b in made.brand]),
        "private_label": pa.array(made.brand == 0),
        "package_size": pa.array([s if p else None for s, p in zip(sizes, packed, strict=True)], pa.string()),
        "attributes": pa.array(attributes, pa.map_(pa.string(), pa.string())),
        "supplier_id": pa.array([f"V{b:03d}" for b in made.category * 10 + made.brand]),
        "unit_cost": money(made.cost),
        "list_price": money(made.cents),
        "shelf_life_days": pa.array([c.shelf_life or None for c in chosen], pa.int64()),
        "launched_on": pa.array(launched),
        "gtin": pa.array([_gtin(number) for number in range(count)]),
    }


def _of_occasion(choices: tuple[tuple[str, ...], ...], chosen: Category, number: int) -> str:
    of = choices[chosen.occasion]
    return of[number % len(of)]


def _gtin(number: int) -> str:
    """A bar code of the range kept for use inside one company (200–299), with its check digit."""
    digits = f"200{number:09d}"
    odd, even = sum(map(int, digits[::2])), sum(map(int, digits[1::2]))
    return digits + str(-(odd + 3 * even) % 10)


def shelf_columns(made: Goods, stores: tuple[str, ...]) -> dict[str, pa.Array]:
    """The rows of `shelf`: the most popular products stand in every store, at eye level, aisle by department."""
    count = min(len(made.ids), _SHELF_PRODUCTS)
    departments = sorted({c.department for c in made.categories})
    aisle = np.array([departments.index(c.department) + 1 for c in made.categories])[made.category[:count]]
    place = np.arange(count)
    facings = np.clip(6 - np.log2(place + 1) / 2, 1, 6).astype(np.int64)
    total = len(stores)
    return {
        "store_id": pa.array(np.repeat(stores, count)),
        "product_id": pa.array(np.tile(made.ids[:count], total)),
        "aisle": pa.array(np.tile(aisle.astype(str), total)),
        "bay": pa.array(np.tile((place % 8 + 1).astype(str), total)),
        "level": pa.array(np.tile(np.where(place < count // 4, "3", (place % 5 + 1).astype(str)), total)),
        "facings": pa.array(np.tile(facings, total)),
    }
