"""Random worlds and random audiences, small enough that they meet."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from shopkeeper.segment.tree import (
    EVER,
    Act,
    All,
    Behaviour,
    Comparison,
    Consent,
    Filter,
    Member,
    Near,
    Node,
    Not,
    Score,
    Sequel,
    Some,
    Threshold,
    Window,
)
from tests.segment.oracle import World

AS_OF = date(2017, 3, 31)
PEOPLE = ("p1", "p2", "p3", "p4")
RECORDS = (("till", "1", "p1"), ("till", "2", "p2"), ("app", "1", "p2"), ("app", "3", "p3"))
STORES = ("s1", "s2", "s3")
PRODUCTS = ("g1", "g2", "g3", "g9")
CATEGORIES, BRANDS = ("A", "B", "牛奶"), ("x", "y")
NAMES = ("m", "n")

_days = st.integers(0, 9).map(lambda back: AS_OF + timedelta(days=2 - back))
_instants = st.integers(-60, 12 * 24).map(
    lambda hours: datetime(2017, 4, 2, 12, tzinfo=UTC) - timedelta(hours=hours, minutes=30)
)
_money = st.integers(-200, 200).map(lambda cents: Decimal(cents) / 4)


def _maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


_profile = st.fixed_dictionaries(
    {
        "recency_days": _maybe(st.integers(0, 5)),
        "monetary_365d": _maybe(_money),
        "gap_median_days": _maybe(st.sampled_from([0.5, 1.0, 2.5])),
        "lifecycle": _maybe(st.sampled_from(["new", "active"])),
        "first_purchase_on": _maybe(_days),
        "registered_at": _maybe(_instants),
        "favourite_store": _maybe(st.sampled_from(STORES)),
        "attributes": _maybe(st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]), max_size=2)),
    }
)
_lines = st.fixed_dictionaries(
    {
        "record": st.sampled_from([*[record[:2] for record in RECORDS], ("till", None), ("till", "7")]),
        "order_id": st.sampled_from("abcd"),
        "store_id": st.sampled_from(STORES),
        "channel": _maybe(st.sampled_from(["store", "app"])),
        "product_id": st.sampled_from(PRODUCTS),
        "ordered_at": _instants,
        "business_day": _days,
        "quantity": st.sampled_from([Decimal(1), Decimal(2), Decimal(-1), Decimal("0.5")]),
        "coupon_discount": _maybe(st.sampled_from([Decimal(0), Decimal(1)])),
        "net_amount": _money,
    }
)
_events = st.fixed_dictionaries(
    {
        "user_id": _maybe(st.sampled_from(["t1", "t2", "t3"])),
        "anonymous_id": _maybe(st.sampled_from(["t2", "t4"])),
        "name": _maybe(st.sampled_from(["view", "cart"])),
        "occurred_at": _instants,
        "product_id": _maybe(st.sampled_from(PRODUCTS)),
        "value": _maybe(_money),
    }
)


def _numbered(rows: list[dict], key: str) -> list[dict]:
    return [{key: str(place), **row} for place, row in enumerate(rows)]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world of four people (p4 without a record), some lines, events and what else there is."""

    def some(row: st.SearchStrategy, most: int, least: int = 0) -> list[dict]:
        return draw(st.lists(row, min_size=least, max_size=most))

    lines = [
        {
            "line_no": place,
            "source": row["record"][0],
            "customer_id": row["record"][1],
            **{key: value for key, value in row.items() if key != "record"},
        }
        for place, row in enumerate(some(_lines, 16, 8))
    ]
    # An order belongs to one record: the dictionary says so.
    for row in lines:
        row["order_id"] += str(row["customer_id"])
    events = [
        {"source": "web", "message_id": str(n), "type": "track", "received_at": row["occurred_at"], **row}
        for n, row in enumerate(some(_events, 8, 3))
    ]
    person = [
        {"source": source, "customer_id": customer, "person_id": who, "method": "own", "valid_to": None}
        for source, customer, who in RECORDS
    ] + [
        {
            "source": "till",
            "customer_id": "7",
            "person_id": "p1",
            "method": "own",
            "valid_to": datetime(2017, 1, 1, tzinfo=UTC),
        }
    ]
    identifier = [
        {"kind": "cookie", "token": token, "source": RECORDS[place][0], "customer_id": RECORDS[place][1]}
        for token, place in draw(
            st.lists(st.tuples(st.sampled_from(["t1", "t2", "t4"]), st.integers(0, 3)), max_size=5, unique=True)
        )
    ]
    redemption = _numbered(
        some(
            st.fixed_dictionaries(
                {
                    "offer_id": st.sampled_from(["o1", "o2"]),
                    "campaign_id": _maybe(st.sampled_from(["c1", "c2"])),
                    "source": st.just("till"),
                    "customer_id": _maybe(st.sampled_from(["1", "2"])),
                    "redeemed_on": _days,
                }
            ),
            5,
        ),
        "redemption_id",
    )
    stays = some(
        st.fixed_dictionaries(
            {
                "segment": st.sampled_from(NAMES),
                "person_id": st.sampled_from(PEOPLE),
                "entered_at": _instants,
                "left_at": _maybe(_instants),
                "version": st.just(1),
            }
        ),
        4,
    )
    score = some(
        st.fixed_dictionaries(
            {
                "person_id": st.sampled_from(PEOPLE),
                "model": st.sampled_from(NAMES),
                "version": st.just("1"),
                "subject": st.sampled_from(["", "c1"]),
                "as_of": st.sampled_from([AS_OF, AS_OF - timedelta(days=7), AS_OF + timedelta(days=1)]),
                "value": st.sampled_from([0.1, 0.5, 0.9]),
                "decile": st.sampled_from([1, 5, 10]),
            }
        ),
        6,
    )
    moments = draw(st.lists(_instants, max_size=6, unique=True))
    consent = [
        {
            "person_id": draw(st.sampled_from(PEOPLE)),
            "purpose": draw(st.sampled_from(NAMES)),
            "channel": draw(st.sampled_from(["sms", "push"])),
            "granted": draw(st.booleans()),
            "occurred_at": moment,
        }
        for moment in moments
    ]
    product = [
        {
            "product_id": name,
            "category": draw(_maybe(st.sampled_from(CATEGORIES))),
            "brand": draw(_maybe(st.sampled_from(BRANDS))),
            "private_label": draw(_maybe(st.booleans())),
        }
        for name in PRODUCTS[:3]
    ]
    store = [
        {"store_id": name, "latitude": draw(_maybe(st.sampled_from([31.0, 31.1, 39.9]))), "longitude": 121.5}
        for name in STORES
    ]
    rows = {
        "profile": [{"person_id": who, **draw(_profile)} for who in PEOPLE],
        "order_line": lines,
        "event": events,
        "person": person,
        "identifier": identifier,
        "redemption": redemption,
        "segment_member": stays,
        "score": score,
        "consent": consent,
        "product": product,
        "store": store,
    }
    return World(AS_OF, draw(st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"])), rows)


_ORDER = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


def _against(value: st.SearchStrategy, ordered: bool) -> st.SearchStrategy:
    several = st.tuples(st.sampled_from(["in", "not in"]), st.lists(value, min_size=1, max_size=3).map(tuple))
    if not ordered:
        return st.tuples(st.sampled_from(["=", "!="]), value) | several
    pair = st.tuples(st.just("between"), st.tuples(value, value))
    return st.tuples(_ORDER, value) | pair | several


def _comparison(name: str, values: st.SearchStrategy) -> st.SearchStrategy:
    return values.map(lambda found: Comparison(name, *found))


_iso = _days.map(date.isoformat)
_quarters = st.integers(-100, 100).map(lambda quarters: quarters / 4)
_traits = st.one_of(
    _comparison("recency_days", _against(st.integers(0, 5), ordered=True)),
    _comparison("monetary_365d", _against(_quarters, ordered=True)),
    _comparison("gap_median_days", _against(st.sampled_from([0.5, 1, 2.5]), ordered=True)),
    _comparison("lifecycle", _against(st.sampled_from(["new", "active", "lapsed"]), ordered=False)),
    _comparison("first_purchase_on", _against(_iso, ordered=True)),
    _comparison("registered_at", _against(_iso, ordered=True)),
    st.builds(Comparison, st.just("favourite_store"), st.just("contains"), st.sampled_from(["s", "1"])),
    st.builds(
        Comparison, st.sampled_from(["recency_days", "lifecycle", "attributes"]), st.sampled_from(["known", "unknown"])
    ),
    st.builds(Comparison, st.just("attributes"), st.just("contains"), st.sampled_from(["a", "c"])),
    st.builds(
        Comparison, st.just("attributes"), st.sampled_from(["=", "!="]), st.sampled_from("xy"), st.sampled_from("ab")
    ),
)


def _filters(table: str) -> st.SearchStrategy:
    goods = [
        ("category", st.sampled_from([*CATEGORIES, "?"]), False),
        ("brand", st.sampled_from(BRANDS), False),
        ("product", st.sampled_from(PRODUCTS), False),
        ("hour", st.integers(0, 23), True),
    ]
    fields = {
        "order_line": [*goods, ("store", st.sampled_from(STORES), False), ("weekday", st.integers(1, 7), True)],
        "event": [*goods, ("event", st.sampled_from(["view", "cart"]), False)],
        "redemption": [("offer", st.sampled_from(["o1", "o2"]), False), ("campaign", st.sampled_from(["c1"]), False)],
    }[table]
    built = [
        _against(value, ordered).map(lambda found, name=name: Filter(name, *found)) for name, value, ordered in fields
    ]
    if table == "order_line":
        names, signs = st.sampled_from(["with_coupon", "private_label"]), st.sampled_from(["=", "!="])
        built.append(st.builds(Filter, names, signs, st.booleans()))
    return st.lists(st.one_of(built), max_size=2).map(tuple)


windows = st.one_of(
    st.just(EVER),
    st.integers(1, 14).map(lambda days: Window(last_days=days)),
    st.tuples(_days, _days).map(lambda pair: Window(first=min(pair), last=max(pair))),
    _days.map(lambda day: Window(first=day)),
    _days.map(lambda day: Window(last=day)),
)


def acts(table: str) -> st.SearchStrategy:
    return st.builds(Act, st.just(table), _filters(table), windows)


def _thresholds(table: str) -> st.SearchStrategy:
    counts = {"order_line": ["orders", "lines", "days"], "event": ["times", "days"], "redemption": ["times", "days"]}[
        table
    ]
    ops = st.sampled_from([">=", "<=", "=", ">", "<"])
    found = st.builds(Threshold, st.sampled_from(counts), ops, st.integers(0, 4))
    if table != "redemption":
        sums = ["amount", "units"] if table == "order_line" else ["amount"]
        found |= st.builds(Threshold, st.sampled_from(sums), ops, _quarters | st.integers(0, 3))
    return st.lists(found, min_size=1, max_size=3).map(tuple)


_tables = st.sampled_from(["order_line", "order_line", "event", "redemption"])
behaviours = _tables.flatmap(lambda table: st.builds(Behaviour, acts(table), _thresholds(table)))
_steps = st.sampled_from(["order_line", "event"]).flatmap(acts)
_sequels = st.builds(
    lambda first, then, days, absent: Sequel(first, Act(then.table, then.where), days, absent),
    _steps,
    _steps,
    st.integers(1, 5),
    st.booleans(),
)
_leaves = st.one_of(
    _traits,
    behaviours,
    behaviours,
    _sequels,
    st.builds(Member, st.sampled_from(NAMES)),
    st.builds(Near, st.sampled_from(STORES), st.sampled_from([1.0, 20.0, 2000.0])),
    st.builds(Consent, st.sampled_from(NAMES), st.sampled_from(["sms", "push"])),
    st.tuples(st.sampled_from(NAMES), _against(st.integers(1, 10), ordered=True), _maybe(st.just("c1"))).map(
        lambda found: Score(found[0], "decile", *found[1], found[2])
    ),
    st.builds(Score, st.sampled_from(NAMES), st.just("value"), _ORDER, st.sampled_from([0.1, 0.5])),
)


def _joined(below: st.SearchStrategy) -> st.SearchStrategy:
    several = st.lists(below, max_size=3).map(tuple)
    return st.one_of(st.builds(All, several), st.builds(Some, several), st.builds(Not, below))


trees: st.SearchStrategy[Node] = st.recursive(_leaves, _joined, max_leaves=6)

shared_trees: st.SearchStrategy[Node] = st.recursive(
    st.builds(Behaviour, acts("order_line"), _thresholds("order_line")), _joined, max_leaves=4
)

_wild = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12
) | st.sampled_from(
    [
        "'; DROP TABLE canary; --",
        'x" OR 1=1',
        "\\",
        "\\'",
        "a\\",
        "$x",
        "{}",
        "%s",
        "?",
        "/*",
        "2017-01-01",
        "牛奶’",
        "\n",
    ]
)
wild_texts = _wild


def wild_leaves(text: st.SearchStrategy[str]) -> st.SearchStrategy[Node]:
    """Leaves with a given text in every slot that takes one."""
    filters = st.builds(
        Filter, st.sampled_from(["category", "product", "store", "brand"]), st.just("in"), st.tuples(text)
    )
    wild_acts = st.builds(Act, st.just("order_line"), st.tuples(filters))
    return st.one_of(
        st.builds(
            Comparison, st.sampled_from(["city", "favourite_store"]), st.sampled_from(["=", "!=", "contains"]), text
        ),
        st.builds(Comparison, st.just("attributes"), st.just("="), text, text),
        st.builds(Comparison, st.just("attributes"), st.just("contains"), text),
        st.builds(Behaviour, wild_acts, st.just((Threshold("orders", ">=", 1),))),
        st.builds(Sequel, wild_acts, wild_acts, st.just(3), st.booleans()),
        st.builds(Member, text),
        st.builds(Near, text, st.just(5.0)),
        st.builds(Consent, text, text),
        st.builds(Score, text, st.just("value"), st.just(">="), st.just(0.5), text),
    )


wild_trees: st.SearchStrategy[Node] = st.recursive(wild_leaves(_wild), _joined, max_leaves=3)
