"""Worlds for live evaluation: edges of days and zones, business days with a cut-over, late rows, and real profiles."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from shopkeeper.base.clock import business_day, end_of_day
from shopkeeper.profile.basket import basket
from shopkeeper.profile.person_habit import person_habit
from shopkeeper.profile.product_fact import LEFT_OUT, product_fact
from shopkeeper.profile.profile import profile
from shopkeeper.schema.query import Query
from shopkeeper.schema.trait import Liveness
from shopkeeper.schema.traits import STAGES, TRAITS, TRENDS
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.history import (
    Happening,
    Line,
    Permission,
    Person,
    Product,
    Redemption,
    Scored,
    Stay,
    microseconds,
    ten_thousandths,
)
from shopkeeper.segment.tree import Comparison, Node, walk
from shopkeeper.segment.view import Ground
from tests.segment import strategies
from tests.segment.conftest import Shop
from tests.segment.oracle import Row, World
from tests.segment.strategies import AS_OF

LIVE = tuple(name for name, found in TRAITS.items() if found.liveness is Liveness.LIVE)
ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Asia/Beirut")
_AGES = (0, 0, 0, 0, 29, 30, 31, 89, 90, 91, 179, 180, 181, 364, 365, 366, 500)
_DERIVED = ("product_fact", "basket", "person_habit", "profile")


@dataclass
class Lived:
    """A world, what of it had arrived when the last profile was made, and the day of that."""

    world: World
    profiled_on: date
    arrived: frozenset[int]


@st.composite
def lived(draw: st.DrawFn) -> Lived:
    """A world whose instants lie on and beside the edges of shop-local days, in zones that change their clocks."""
    world = draw(strategies.worlds())
    zone, cutover = draw(st.sampled_from(ZONES)), draw(st.sampled_from([0, 4]))
    snap = st.sampled_from([None, None, timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1)])

    def snapped(moment: datetime) -> datetime:
        beside = draw(snap)
        return moment if beside is None else end_of_day(moment.date(), zone) + beside

    for row in world.of("order_line"):
        row["ordered_at"] = snapped(row["ordered_at"]) - timedelta(days=draw(st.sampled_from(_AGES)))
        row["business_day"] = business_day(row["ordered_at"], zone, cutover)
        if (row["source"], row["customer_id"]) == ("app", "1"):
            row["order_id"] = row["order_id"][0] + "2"  # two sources, and two records of one person, may number alike
    for row in world.of("event"):
        row["occurred_at"] = snapped(row["occurred_at"])
    for row in world.of("segment_member"):
        row["entered_at"] = snapped(row["entered_at"])
    world = replace(world, time_zone=zone, rows=world.rows)
    for row in world.of("product"):
        row["kind"] = draw(st.sampled_from([None, "merchandise", "bag"]))
    lines = world.of("order_line")
    before = AS_OF - timedelta(days=draw(st.sampled_from([0, 1, 3, 40])))
    on_time = [place for place, row in enumerate(lines) if row["business_day"] <= before]
    late = draw(st.sets(st.sampled_from(on_time), max_size=3)) if on_time else set()
    return Lived(world, before, frozenset(on_time) - late)


def live_traits() -> st.SearchStrategy[Comparison]:
    """Comparisons with every trait that live evaluation works out itself."""
    days = st.integers(0, 9).map(lambda back: (AS_OF + timedelta(days=2 - back)).isoformat())
    counts, small = st.integers(0, 4), st.integers(1, 5)
    money = st.integers(-100, 200).map(lambda quarters: quarters / 4)
    ages = st.sampled_from([0, 1, 2, 5, 28, 29, 30, 31, 90, 364, 365])
    values = {
        **dict.fromkeys(("first_purchase_on", "last_purchase_on", "first_visit_on", "last_visit_on"), days),
        **dict.fromkeys(("recency_days", "tenure_days"), ages),
        **dict.fromkeys(("orders_30d", "orders_90d", "orders_365d"), counts),
        **dict.fromkeys(("monetary_30d", "monetary_90d", "monetary_365d", "basket_value_90d"), money),
        **dict.fromkeys(("rfm_recency_points", "rfm_frequency_points", "rfm_monetary_points"), small),
    }
    named = {"lifecycle_fixed": STAGES, "trend": TRENDS, "rfm_class": TRAITS["rfm_class"].values}
    assert {*values, *named} == set(LIVE)
    found = [strategies._comparison(name, strategies._against(kind, ordered=True)) for name, kind in values.items()]
    found += [
        strategies._comparison(name, strategies._against(st.sampled_from(kind), ordered=False))
        for name, kind in named.items()
    ]
    found.append(st.builds(Comparison, st.sampled_from(LIVE), st.sampled_from(["known", "unknown"])))
    return st.one_of(found)


live_trees: st.SearchStrategy[Node] = st.recursive(strategies._leaves | live_traits(), strategies._joined, max_leaves=6)
trait_trees: st.SearchStrategy[Node] = st.recursive(live_traits(), strategies._joined, max_leaves=3)


def of_batch_traits(tree: Node) -> bool:
    """Whether a tree names no trait that live evaluation works out itself."""
    return not any(isinstance(node, Comparison) and node.trait in LIVE for _, node in walk(tree))


def last_profile(shop: Shop, found: Lived) -> dict[str, Row]:
    """What the last run knew of each person: the traits worked out then, of the lines that had arrived."""
    lines = found.world.of("order_line")
    then = {**found.world.rows, "order_line": [lines[place] for place in sorted(found.arrived)]}
    return profiled(shop, replace(found.world, rows=then), found.profiled_on)


def profiled(shop: Shop, world: World, as_of: date) -> dict[str, Row]:
    """Fills the shop and makes the profile of a day by the batch steps; only live traits are taken from it."""
    given = {row["person_id"]: row for row in world.of("profile")}
    customers = [
        {"source": source, "customer_id": customer, "registered_at": given[who]["registered_at"]}
        for source, customer, who in strategies.RECORDS
    ]
    world = replace(world, rows={**world.rows, "customer": customers})
    shop.fill(world)
    zone = world.time_zone
    made: list[tuple[str, Query]] = [
        ("product_fact", product_fact(as_of)),
        ("basket", basket(zone)),
        ("person_habit", person_habit(as_of)),
        ("profile", profile(as_of, zone)),
    ]
    connection = shop.connection
    for name in _DERIVED:
        connection.execute(f'DELETE FROM "{name}"')
    for name, query in made:
        named = ", ".join(f'"{column}"' for column in query.columns)
        connection.execute(f'INSERT INTO "{name}" ({named}) {query.sql(pretty=False)}')
    shop.filled |= set(_DERIVED)
    columns = ", ".join(f'"{name}"' for name in ("person_id", *LIVE))
    worked_out = [
        dict(zip(("person_id", *LIVE), row, strict=True)) for row in shop.rows(f"SELECT {columns} FROM profile")
    ]
    rows = {row["person_id"]: {**given[row["person_id"]], **row} for row in worked_out if row["person_id"] in given}
    connection.execute('DELETE FROM "profile"')
    shop.fill(replace(world, rows={**world.rows, "profile": list(rows.values())}))
    return rows


def ground_of(world: World) -> Ground:
    scored: dict[tuple[str, str | None], list[int]] = {}
    for row in world.of("score"):
        for subject in (row["subject"], None):
            scored.setdefault((row["model"], subject), []).append(row["as_of"].toordinal())
    return Ground(
        catalogue=Catalogue(time_zone=world.time_zone),
        products={
            row["product_id"]: Product(
                category=row["category"],
                brand=row["brand"],
                kind=row.get("kind"),
                private_label=row["private_label"],
                counted=row.get("kind") not in LEFT_OUT,
            )
            for row in world.of("product")
        },
        stores={
            row["store_id"]: (row["latitude"], row["longitude"])
            for row in world.of("store")
            if row["latitude"] is not None
        },
        scored_on=scored,
    )


def person_of(world: World, who: str, known: Row) -> Person:
    """The adapter that the live state will be: the rows of all records of a person, folded."""
    records = {
        (row["source"], row["customer_id"])
        for row in world.of("person")
        if row["person_id"] == who and row["valid_to"] is None
    }
    tokens = {row["token"] for row in world.of("identifier") if (row["source"], row["customer_id"]) in records}
    return Person(
        person_id=who,
        profile={name: value for name, value in known.items() if value is not None},
        lines=[_line(row) for row in world.of("order_line") if (row["source"], row["customer_id"]) in records],
        events=[
            Happening(
                microseconds(row["occurred_at"]),
                row["type"],
                row["name"],
                row["product_id"],
                value=_amount(row["value"]),
            )
            for row in world.of("event")
            if (row["user_id"] if row["user_id"] is not None else row["anonymous_id"]) in tokens
        ],
        redemptions=[
            Redemption(row["redeemed_on"].toordinal(), row["offer_id"], row["campaign_id"])
            for row in world.of("redemption")
            if (row["source"], row["customer_id"]) in records
        ],
        scores=[
            Scored(row["model"], row["subject"], row["as_of"].toordinal(), row["value"], row["decile"])
            for row in world.of("score")
            if row["person_id"] == who
        ],
        stays=[
            Stay(row["segment"], microseconds(row["entered_at"]), _moment(row["left_at"]))
            for row in world.of("segment_member")
            if row["person_id"] == who
        ],
        permissions=[
            Permission(row["purpose"], row["channel"], row["granted"], microseconds(row["occurred_at"]))
            for row in world.of("consent")
            if row["person_id"] == who
        ],
    )


def _line(row: Row) -> Line:
    return Line(
        row["source"],
        row["order_id"],
        row["line_no"],
        row["business_day"].toordinal(),
        microseconds(row["ordered_at"]),
        row["customer_id"],
        row["product_id"],
        row["store_id"],
        ten_thousandths(row["quantity"]),
        ten_thousandths(row["net_amount"]),
        row["channel"],
        None,
        _amount(row["coupon_discount"]),
    )


def _amount(value: Decimal | None) -> int | None:
    return None if value is None else ten_thousandths(value)


def _moment(value: datetime | None) -> int | None:
    return None if value is None else microseconds(value.astimezone(UTC))
