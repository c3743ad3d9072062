"""The overview: the wheel in figures, money by week, stages, campaigns and what to do next."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from shopkeeper.app.pages.campaigns import CampaignResult, campaign_results
from shopkeeper.app.pages.reading import first_row, rows, stands_at
from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query
from shopkeeper.schema.traits import STAGES, TRAITS

__all__ = ["Overview", "Period", "Stage", "Trade", "Week", "Wheel", "overview", "trade", "weeks"]

_PERIOD_DAYS = 28
_WEEKS_SHOWN = 53
_CAMPAIGNS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Wheel:
    """One figure for each part of the wheel: consumption, data, understanding, decision, action, effect."""

    order_lines: int
    people: int
    traits: int
    segments: int
    models: int
    targeted: int
    campaigns: int
    redeemers: int


@dataclass(frozen=True, slots=True)
class Period:
    """Trade over some days.

    Args:
        first: The first day.
        last: The last day.
        sales: Net sales.
        tickets: Orders.
        items: Units bought of the kinds that count.
        member_sales: Net sales to members.
        margin: Gross margin, a share of the sales whose cost is known; None where no cost is known.
    """

    first: date
    last: date
    sales: float
    tickets: int
    items: float
    member_sales: float
    margin: float | None

    @property
    def average_ticket(self) -> float | None:
        """Net sales an order (客单价)."""
        return self.sales / self.tickets if self.tickets else None

    @property
    def items_per_ticket(self) -> float | None:
        """Units an order (连带率)."""
        return self.items / self.tickets if self.tickets else None

    @property
    def member_share(self) -> float | None:
        """Members' share of net sales (会员销售占比)."""
        return self.member_sales / self.sales if self.sales else None


@dataclass(frozen=True, slots=True)
class Trade:
    """The last four weeks beside the four before."""

    now: Period
    before: Period


@dataclass(frozen=True, slots=True)
class Week:
    """One week from Monday; `whole` is false while days of it are still to come or lie before the data."""

    monday: date
    sales: float
    member_sales: float
    tickets: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """How many people are in one lifecycle stage, by own rhythm and by fixed days, and what they spent in 365 days."""

    name: str
    people: int
    people_fixed: int
    spend: float


@dataclass(frozen=True, slots=True)
class Overview:
    """What the overview shows."""

    as_of: date | None
    wheel: Wheel
    trade: Trade | None
    stages: tuple[Stage, ...]
    campaigns: tuple[CampaignResult, ...]


def overview(shop: Shop) -> Overview:
    """Gives the overview but for the weeks and what to do next, which the page asks for by themselves.

    Args:
        shop: The shop; what `run` has not computed yet is empty.
    """
    as_of = stands_at(shop, "profile") or stands_at(shop, "store_day")
    return Overview(
        as_of=as_of,
        wheel=_wheel(shop),
        trade=trade(shop, as_of) if as_of else None,
        stages=_stages(shop),
        campaigns=campaign_results(shop, limit=_CAMPAIGNS_SHOWN),
    )


def trade(shop: Shop, as_of: date) -> Trade | None:
    """Gives the 28 days up to a day beside the 28 before; None without sales in them."""
    middle = as_of - timedelta(days=_PERIOD_DAYS)
    begin = middle - timedelta(days=_PERIOD_DAYS - 1)
    query = Query.from_sql(
        """
        SELECT
            business_day > $middle AS is_now,
            CAST(SUM(sales) AS DOUBLE) AS sales,
            CAST(SUM(tickets) AS BIGINT) AS tickets,
            CAST(SUM(items) AS DOUBLE) AS items,
            CAST(SUM(member_sales) AS DOUBLE) AS member_sales,
            CAST(SUM(costed_sales) AS DOUBLE) AS costed_sales,
            CAST(SUM(cost) AS DOUBLE) AS cost
        FROM store_day
        WHERE business_day BETWEEN $begin AND $as_of
        GROUP BY business_day > $middle
        """,
        name="trade of four weeks",
        middle=middle,
        begin=begin,
        as_of=as_of,
    )
    found = {row["is_now"]: row for row in rows(shop, query)}
    if True not in found:
        return None
    return Trade(_period(found[True], middle + timedelta(days=1), as_of), _period(found.get(False, {}), begin, middle))


def weeks(shop: Shop) -> tuple[Week, ...]:
    """Gives sales by week, oldest first, at most 53 weeks."""
    query = Query.from_sql(
        """
        SELECT
            CAST(DATE_TRUNC('WEEK', business_day) AS DATE) AS monday,
            CAST(SUM(sales) AS DOUBLE) AS sales,
            CAST(SUM(member_sales) AS DOUBLE) AS member_sales,
            CAST(SUM(tickets) AS BIGINT) AS tickets,
            MIN(business_day) AS first_day,
            MAX(business_day) AS last_day
        FROM store_day
        GROUP BY CAST(DATE_TRUNC('WEEK', business_day) AS DATE)
        ORDER BY monday DESC
        LIMIT $shown
        """,
        name="sales by week",
        shown=_WEEKS_SHOWN,
    )
    found = rows(shop, query)
    if not found:
        return ()
    last_day, first_day = found[0]["last_day"], found[-1]["first_day"]
    return tuple(_week(row, first_day, last_day) for row in reversed(found))


def _week(row: dict[str, Any], first_day: date, last_day: date) -> Week:
    monday = row["monday"]
    whole = monday >= first_day and monday + timedelta(days=6) <= last_day
    return Week(monday, row["sales"], row["member_sales"] or 0.0, row["tickets"], whole)


def _period(row: dict[str, Any], first: date, last: date) -> Period:
    costed = row.get("costed_sales") or 0.0
    return Period(
        first,
        last,
        row.get("sales") or 0.0,
        row.get("tickets") or 0,
        row.get("items") or 0.0,
        row.get("member_sales") or 0.0,
        (costed - (row.get("cost") or 0.0)) / costed if costed > 0 else None,
    )


def _stages(shop: Shop) -> tuple[Stage, ...]:
    query = Query.from_sql(
        """
        SELECT
            lifecycle,
            lifecycle_fixed,
            COUNT(*) AS people,
            CAST(SUM(COALESCE(monetary_365d, 0)) AS DOUBLE) AS spend
        FROM profile
        GROUP BY lifecycle, lifecycle_fixed
        """,
        name="people by stage",
    )
    found = rows(shop, query)
    if not found:
        return ()
    return tuple(
        Stage(
            name,
            sum(row["people"] for row in found if row["lifecycle"] == name),
            sum(row["people"] for row in found if row["lifecycle_fixed"] == name),
            sum(row["spend"] for row in found if row["lifecycle"] == name),
        )
        for name in STAGES
    )


def _wheel(shop: Shop) -> Wheel:
    query = Query.from_sql(
        """
        SELECT
            (SELECT COUNT(*) FROM campaign) AS campaigns,
            (SELECT COUNT(*) FROM campaign_target) AS targeted,
            (SELECT COUNT(DISTINCT customer_id) FROM redemption) AS redeemers
        """,
        name="the wheel",
    )
    found = first_row(shop, query)
    return Wheel(
        order_lines=_count(shop, "order_line"),
        people=_count(shop, "profile"),
        traits=len(TRAITS),
        segments=len(shop.state.segments.all()),
        models=len({entry.name for entry in shop.models.list()}),
        targeted=found["targeted"],
        campaigns=found["campaigns"],
        redeemers=found["redeemers"],
    )


def _count(shop: Shop, name: str) -> int:
    snapshot = shop.lake.snapshot(name)
    return snapshot.rows if snapshot else 0
