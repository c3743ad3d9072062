"""The morning report (早报) of one level: what was sold, against what, what stands out and what moved it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from shopkeeper.insight.alignment import Alignment, aligned_last_year
from shopkeeper.insight.driver import Drivers, Trade, drivers
from shopkeeper.schema.query import Query

__all__ = [
    "MEASURES",
    "Anomaly",
    "Measure",
    "MeasureName",
    "Morning",
    "Span",
    "anomalies",
    "comparable_growth",
    "days_read",
    "department_query",
    "late_stores",
    "measures",
    "newcomer_query",
    "redemption_query",
    "span",
    "store_query",
]

_BASELINE_WEEKS = 8
_WEEK = timedelta(days=7)
_LARGEST = 5
_LEAST_WEEKS = 4
_STANDS_OUT = 2.0
_TRADES_USUALLY = 6


@dataclass(frozen=True, slots=True)
class MeasureName:
    """How a measure is called: key, English, Chinese, unit and the columns it is made of."""

    key: str
    english: str
    chinese: str
    unit: str
    numerator: str
    denominator: str | None = None


MEASURES: tuple[MeasureName, ...] = (
    MeasureName("sales", "Sales", "销售额", "currency", "sales"),
    MeasureName("tickets", "Tickets", "小票数", "tickets", "tickets"),
    MeasureName("average_ticket", "Average ticket", "客单价", "currency", "sales", "tickets"),
    MeasureName("items_per_ticket", "Items per ticket", "连带率", "items", "items", "tickets"),
    MeasureName("gross_margin", "Gross margin", "毛利率", "share", "margin", "costed_sales"),
    MeasureName("discount_share", "Discounts given", "折扣率", "share", "discount", "gross"),
    MeasureName("member_sales_share", "Member share of sales", "会员销售占比", "share", "member_sales", "sales"),
    MeasureName("member_ticket_share", "Member share of tickets", "会员小票占比", "share", "member_tickets", "tickets"),
    MeasureName("new_members", "New members", "新增会员", "people", "new_members"),
    MeasureName("redemptions", "Redemptions", "核销数", "redemptions", "redemptions"),
)


@dataclass(frozen=True, slots=True)
class Span:
    """The days a report looks at.

    Args:
        day: The day reported.
        last_week: The same weekday a week before.
        last_year: The day of last year it is held against.
        baseline: The same weekdays of the weeks before, newest first.
    """

    day: date
    last_week: date
    last_year: Alignment
    baseline: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of the report beside what it is held against; None where that is not known."""

    name: str
    unit: str
    value: float | None
    target: float | None
    last_week: float | None
    last_year: float | None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A store or department whose sales stand out.

    Args:
        kind: `store` or `department`.
        place: Which one.
        sales: Sales of the day.
        usual: Median of the same weekdays before.
        difference: Sales less usual, in currency.
        deviations: The difference in robust standard deviations of those weekdays.
        moved: What each factor contributed, where all are positive.
    """

    kind: str
    place: str
    sales: float
    usual: float
    difference: float
    deviations: float
    moved: Drivers | None


@dataclass(frozen=True, slots=True)
class Morning:
    """The report of one level."""

    as_of: date
    level: str
    level_kind: str
    level_name: str | None
    stores: int
    span: Span
    measures: tuple[Measure, ...]
    comparable: Mapping[str, float | None]
    children: tuple[Mapping[str, Any], ...]
    anomalies: tuple[Anomaly, ...]
    late: tuple[str, ...]


def span(day: date, country: str) -> Span:
    """The days a report of a day looks at."""
    baseline = tuple(day - _WEEK * week for week in range(1, _BASELINE_WEEKS + 1))
    return Span(day, day - _WEEK, aligned_last_year(day, country), baseline)


def days_read(days: Span) -> list[date]:
    """All days that a report reads, rising."""
    return sorted({days.day, days.last_week, days.last_year.day, *days.baseline})


def store_query(days: Span, stores: Sequence[str]) -> Query:
    """The facts of the stores on the days of a report; all stores where none are named."""
    return _facts("store_day", "store_id", days, stores)


def department_query(days: Span, stores: Sequence[str]) -> Query:
    """The facts of the departments of the stores on the days of a report."""
    return _facts("department_day", "department", days, stores)


def newcomer_query(days: Span, stores: Sequence[str]) -> Query:
    """New members of the stores by day: people whose first visit ever is that day, each once however many stores."""
    where = " AND b.store_id IN $stores" if stores else ""
    text = f"""
        SELECT b.business_day, COUNT(DISTINCT p.person_id) AS new_members
        FROM basket AS b
        JOIN person AS p ON p.source = b.source AND p.customer_id = b.customer_id AND p.valid_to IS NULL
        JOIN profile AS f ON f.person_id = p.person_id AND f.first_visit_on = b.business_day
        WHERE b.business_day IN $days AND b.all_lines > 0{where}
        GROUP BY b.business_day
    """
    read = [days.day, days.last_week, days.last_year.day]
    named: dict[str, Any] = {"days": read} | ({"stores": list(stores)} if stores else {})
    return Query.from_sql(text, name="new members", **named)


def redemption_query(days: Span) -> Query:
    """Redemptions by day and store; the store is empty where it is not known.

    It is the store of the order that a redemption names, else the one store the customer bought in on that day.
    """
    text = """
        WITH used AS (
          SELECT redemption_id, source, customer_id, redeemed_on, order_id FROM redemption WHERE redeemed_on IN $days
        ),
        placed AS (
          SELECT u.redemption_id, MIN(b.store_id) AS store_id
          FROM used AS u
          JOIN basket AS b ON b.source = u.source AND b.customer_id = u.customer_id AND b.business_day = u.redeemed_on
          WHERE u.order_id IS NULL OR b.order_id = u.order_id
          GROUP BY u.redemption_id
          HAVING COUNT(DISTINCT b.store_id) = 1
        )
        SELECT p.store_id, u.redeemed_on AS business_day, COUNT(*) AS redemptions
        FROM used AS u
        LEFT JOIN placed AS p ON p.redemption_id = u.redemption_id
        GROUP BY p.store_id, u.redeemed_on
    """
    return Query.from_sql(text, name="redemptions", days=[days.day, days.last_week, days.last_year.day])


def _facts(table: str, by: str, days: Span, stores: Sequence[str]) -> Query:
    columns = ("sales", "gross", "tickets", "items", "people", "member_sales", "member_tickets", "costed_sales", "cost")
    sums = ", ".join(f"CAST(SUM({column}) AS DOUBLE) AS {column}" for column in columns)
    where = " AND store_id IN $stores" if stores else ""
    text = (
        f"SELECT {by} AS place, business_day, {sums} FROM {table} "
        f"WHERE business_day IN $days{where} GROUP BY {by}, business_day ORDER BY {by}, business_day"
    )
    named: dict[str, Any] = {"days": days_read(days)} | ({"stores": list(stores)} if stores else {})
    return Query.from_sql(text, name=f"morning {table}", **named)


def measures(
    rows: Sequence[Mapping[str, Any]],
    days: Span,
    targets: Mapping[str, float],
    extra: Mapping[str, Mapping[date, float]],
) -> tuple[Measure, ...]:
    """Adds up the stores' facts and holds them against target, last week and last year.

    Args:
        rows: Rows of `store_query`.
        days: The days of the report.
        targets: Target by measure, for the day.
        extra: Further counts by measure and day, such as redemptions.
    """
    sums = {day: _sums(rows, day, extra) for day in (days.day, days.last_week, days.last_year.day)}
    return tuple(
        Measure(
            name.key,
            name.unit,
            _value(name, sums[days.day]),
            targets.get(name.key),
            _value(name, sums[days.last_week]),
            _value(name, sums[days.last_year.day]),
        )
        for name in MEASURES
    )


def comparable_growth(
    rows: Sequence[Mapping[str, Any]], days: Span, comparable_from: Mapping[str, date | None]
) -> dict[str, float | None]:
    """Sales of the comparable stores (可比店) on the day and on the aligned day of last year, and their growth.

    Only stores that count as comparable by the day and have sales on both days, or a store that is late or has closed
    would show as a fall.
    """
    counted = {store for store, begin in comparable_from.items() if begin is not None and begin <= days.day}
    now = {row["place"]: row["sales"] for row in rows if row["business_day"] == days.day}
    then = {row["place"]: row["sales"] for row in rows if row["business_day"] == days.last_year.day}
    stores = counted & now.keys() & then.keys()
    sold, before = sum(now[store] for store in stores), sum(then[store] for store in stores)
    return {
        "stores": float(len(stores)),
        "sales": sold or None,
        "last_year": before or None,
        "growth": sold / before - 1 if before > 0 else None,
    }


def anomalies(rows: Sequence[Mapping[str, Any]], days: Span, kind: str) -> list[Anomaly]:
    """The places whose sales differ from their usual same weekday by more than two robust deviations.

    Usual is the median of up to eight same weekdays before (at least four with sales); the deviation is 1.4826 times
    the median absolute deviation, at least 5 % of the usual.

    Args:
        rows: Rows of `store_query` or `department_query`.
        days: The days of the report.
        kind: What a place is.
    """
    by_place: dict[str, dict[date, Mapping[str, Any]]] = {}
    for row in rows:
        if row["place"] is not None:
            by_place.setdefault(row["place"], {})[row["business_day"]] = row
    found = []
    for place, by_day in by_place.items():
        usual = [by_day[day] for day in days.baseline if day in by_day and by_day[day]["sales"] > 0]
        if len(usual) >= _LEAST_WEEKS and days.day in by_day:
            anomaly = _anomaly(kind, place, by_day[days.day], usual)
            if anomaly is not None:
                found.append(anomaly)
    return sorted(found, key=lambda anomaly: -abs(anomaly.difference))[:_LARGEST]


def late_stores(rows: Sequence[Mapping[str, Any]], days: Span, closed: Mapping[str, date | None]) -> list[str]:
    """Stores that sold on at least six of the last eight same weekdays and have nothing on the day."""
    sold: dict[str, set[date]] = {}
    for row in rows:
        sold.setdefault(row["place"], set()).add(row["business_day"])
    return sorted(
        store
        for store, on in sold.items()
        if days.day not in on
        and len(on & set(days.baseline)) >= _TRADES_USUALLY
        and not ((ended := closed.get(store)) and ended < days.day)
    )


def _anomaly(kind: str, place: str, row: Mapping[str, Any], usual: Sequence[Mapping[str, Any]]) -> Anomaly | None:
    middle = statistics.median(each["sales"] for each in usual)
    spread = 1.4826 * statistics.median(abs(each["sales"] - middle) for each in usual)
    deviations = (row["sales"] - middle) / max(spread, 0.05 * abs(middle), 1e-9)
    if abs(deviations) < _STANDS_OUT:
        return None
    mean = {name: statistics.fmean(each[name] for each in usual) for name in ("sales", "people", "tickets", "items")}
    moved = drivers(_scaled(mean, middle), _trade(row))
    return Anomaly(kind, place, row["sales"], middle, row["sales"] - middle, deviations, moved)


def _scaled(mean: Mapping[str, float], sales: float) -> Trade:
    """A day like the mean one in visits, items and price, with the people that the median's sales need."""
    share = sales / mean["sales"] if mean["sales"] > 0 else 0.0
    return Trade(sales, mean["people"] * share, mean["tickets"] * share, mean["items"] * share)


def _trade(row: Mapping[str, Any]) -> Trade:
    return Trade(row["sales"], row["people"], row["tickets"], row["items"])


def _sums(
    rows: Sequence[Mapping[str, Any]], day: date, extra: Mapping[str, Mapping[date, float]]
) -> dict[str, float] | None:
    own = [row for row in rows if row["business_day"] == day]
    if not own:
        return None
    columns = ("sales", "gross", "tickets", "items", "member_sales", "member_tickets", "costed_sales", "cost")
    sums = {column: sum(row[column] or 0.0 for row in own) for column in columns}
    sums["margin"] = sums["costed_sales"] - sums["cost"]
    sums["discount"] = sums["gross"] - sums["sales"]
    return sums | {name: by_day.get(day, 0.0) for name, by_day in extra.items()}


def _value(name: MeasureName, sums: Mapping[str, float] | None) -> float | None:
    if sums is None or name.numerator not in sums:
        return None
    if name.denominator is None:
        return sums[name.numerator]
    below = sums[name.denominator]
    return sums[name.numerator] / below if below > 0 else None
