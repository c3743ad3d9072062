"""The audience language again, in plain Python over plain rows, for one person: what the SQL is held against."""

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shopkeeper.schema.table import Type
from shopkeeper.schema.traits import TRAITS
from shopkeeper.segment.tree import (
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
    TreeValue,
    Window,
)

Row = dict[str, Any]


@dataclass
class World:
    """Rows by table, and the day asked about."""

    as_of: date
    time_zone: str = "UTC"
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def of(self, table: str) -> list[Row]:
        return self.rows.get(table, [])

    @property
    def end(self) -> datetime:
        return self.end_of(self.as_of)

    def end_of(self, day: date) -> datetime:
        following = day + timedelta(days=1)
        local = datetime(following.year, following.month, following.day, tzinfo=ZoneInfo(self.time_zone))
        return local.astimezone(UTC)

    def local_day(self, instant: datetime) -> date:
        return instant.astimezone(ZoneInfo(self.time_zone)).date()


def is_in(tree: Node, person: str, world: World) -> bool:  # noqa: C901, PLR0911 - one return a sort of node
    """Whether a person is in the audience."""
    match tree:
        case All(of):
            return all(is_in(child, person, world) for child in of)
        case Some(of):
            return any(is_in(child, person, world) for child in of)
        case Not(of=child):
            return not is_in(child, person, world)
        case Comparison():
            return _trait(tree, person, world)
        case Behaviour(act, having):
            return all(_enough(act, threshold, person, world) for threshold in having)
        case Sequel():
            return _sequel(tree, person, world)
        case Score():
            return _score(tree, person, world)
        case Member(segment):
            return any(
                row["segment"] == segment
                and row["person_id"] == person
                and row["entered_at"] <= world.end
                and (row["left_at"] is None or row["left_at"] > world.end)
                for row in world.of("segment_member")
            )
        case Near(store, kilometres):
            return _near(store, kilometres, person, world)
        case Consent(purpose, channel):
            changes = [
                row
                for row in world.of("consent")
                if row["person_id"] == person
                and row["purpose"] == purpose
                and row["channel"] == channel
                and row["occurred_at"] < world.end
            ]
            return bool(changes) and max(changes, key=lambda row: row["occurred_at"])["granted"]


def compare(left: Any, op: str, value: TreeValue) -> bool:
    """One value against another; what is unknown compares with nothing."""
    if op in ("known", "unknown"):
        return (left is not None) is (op == "known")
    if left is None:
        return False
    if isinstance(value, tuple):
        values = [_like(left, one) for one in value]
        if op == "between":
            return values[0] <= left <= values[1]
        return (left in values) is (op == "in")
    right = _like(left, value)
    return {
        "=": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
        "contains": lambda: right in left,
    }[op]()


def _like(left: Any, value: Any) -> Any:
    if isinstance(left, date):
        return date.fromisoformat(value)
    return Decimal(str(value)) if isinstance(left, Decimal) else value


def _trait(leaf: Comparison, person: str, world: World) -> bool:
    row = next(row for row in world.of("profile") if row["person_id"] == person)
    value = row.get(leaf.trait)
    kind = TRAITS[leaf.trait].type
    if kind is Type.MAP and leaf.key is not None:
        value = None if value is None else value.get(leaf.key)
    elif kind is Type.MAP and value is not None and leaf.op == "contains":
        value = list(value)
    if kind is Type.INSTANT and value is not None:
        value = world.local_day(value)
    return compare(value, leaf.op, leaf.value)


def _records(person: str, world: World) -> set[tuple[str, str]]:
    return {
        (row["source"], row["customer_id"])
        for row in world.of("person")
        if row["person_id"] == person and row["valid_to"] is None
    }


def _rows(act: Act, person: str, world: World) -> list[Row]:
    """The rows of an act that are the person's, window not looked at."""
    records = _records(person, world)
    if act.table == "event":
        tokens = {row["token"] for row in world.of("identifier") if (row["source"], row["customer_id"]) in records}
        mine = [
            row
            for row in world.of("event")
            if (row["user_id"] if row["user_id"] is not None else row["anonymous_id"]) in tokens
        ]
    else:
        mine = [row for row in world.of(act.table) if (row["source"], row["customer_id"]) in records]
    return [row for row in mine if all(_passes(one, act.table, row, world) for one in act.where)]


_COLUMNS = {
    "product": "product_id",
    "store": "store_id",
    "event": "name",
    "offer": "offer_id",
    "campaign": "campaign_id",
    "channel": "channel",
}


def _passes(condition: Filter, table: str, row: Row, world: World) -> bool:
    name = condition.field
    if name in ("category", "brand", "department", "private_label"):
        product = next((one for one in world.of("product") if one["product_id"] == row["product_id"]), {})
        return compare(product.get(name), condition.op, condition.value)
    if name == "weekday":
        return compare(row["business_day"].isoweekday(), condition.op, condition.value)
    if name == "hour":
        moment = row["ordered_at" if table == "order_line" else "occurred_at"]
        return compare(moment.astimezone(ZoneInfo(world.time_zone)).hour, condition.op, condition.value)
    if name == "with_coupon":
        return ((row["coupon_discount"] or 0) > 0) is ((condition.op == "=") == condition.value)
    return compare(row[_COLUMNS[name]], condition.op, condition.value)


def _day(table: str, row: Row, world: World) -> date:
    if table == "event":
        return world.local_day(row["occurred_at"])
    return row["business_day" if table == "order_line" else "redeemed_on"]


def _within(window: Window, day: date, world: World) -> bool:
    if day > world.as_of:
        return False
    if window.last_days is not None:
        return day > world.as_of - timedelta(days=window.last_days)
    return (window.first is None or day >= window.first) and (window.last is None or day <= window.last)


def _enough(act: Act, threshold: Threshold, person: str, world: World) -> bool:
    rows = [row for row in _rows(act, person, world) if _within(act.window, _day(act.table, row, world), world)]
    done = [row for row in rows if act.table != "order_line" or row["quantity"] > 0]
    found = {
        "orders": lambda: len({(row["source"], row["order_id"]) for row in done}),
        "lines": lambda: len(done),
        "times": lambda: len(done),
        "days": lambda: len({_day(act.table, row, world) for row in done}),
        "units": lambda: sum((row["quantity"] for row in rows), Decimal(0)),
        "amount": lambda: sum(
            (row["net_amount" if act.table == "order_line" else "value"] or 0 for row in rows), Decimal(0)
        ),
    }[threshold.measure]()
    return compare(found, threshold.op, threshold.value)


def _instants(act: Act, person: str, world: World) -> list[tuple[datetime, date]]:
    moment = "occurred_at" if act.table == "event" else "ordered_at"
    return [
        (row[moment], _day(act.table, row, world))
        for row in _rows(act, person, world)
        if act.table == "event" or row["quantity"] > 0
    ]


def _sequel(leaf: Sequel, person: str, world: World) -> bool:
    within = timedelta(days=leaf.days)
    later = [
        instant for instant, day in _instants(leaf.then, person, world) if instant < world.end and day <= world.as_of
    ]
    for instant, day in _instants(leaf.first, person, world):
        if instant >= world.end or not _within(leaf.first.window, day, world):
            continue
        followed = any(instant < other <= instant + within for other in later)
        if leaf.absent and not followed and instant + within <= world.end:
            return True
        if not leaf.absent and followed:
            return True
    return False


def _score(leaf: Score, person: str, world: World) -> bool:
    rows = [
        row
        for row in world.of("score")
        if row["model"] == leaf.model
        and row["as_of"] <= world.as_of
        and (leaf.subject is None or row["subject"] == leaf.subject)
    ]
    latest = max((row["as_of"] for row in rows), default=None)
    return any(
        row["as_of"] == latest and row["person_id"] == person and compare(row[leaf.measure], leaf.op, leaf.value)
        for row in rows
    )


def _near(store: str, kilometres: float, person: str, world: World) -> bool:
    profile = next(row for row in world.of("profile") if row["person_id"] == person)
    stores = {row["store_id"]: row for row in world.of("store")}
    here, there = stores.get(profile.get("favourite_store")), stores.get(store)
    if here is None or there is None or here["latitude"] is None or there["latitude"] is None:
        return False
    first, second = math.radians(here["latitude"]), math.radians(there["latitude"])
    across = math.radians(here["longitude"] - there["longitude"])
    cosine = math.sin(first) * math.sin(second) + math.cos(first) * math.cos(second) * math.cos(across)
    return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine))) <= kilometres
