"""What members' pages cover: the part of sales and tickets that members make."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

from sqlglot import exp

from shopkeeper.profile.basket import on_days
from shopkeeper.schema.query import Query
from shopkeeper.schema.step import Refresh, step

__all__ = ["coverage", "member_share"]


@step(writes="coverage", reads=("order_line",), refresh=Refresh.DAYS)
def coverage(time_zone: str, days: Sequence[date] | None = None) -> Query:
    """Counts tickets and sales with members' part, a store, channel, business day and hour at a time.

    A ticket is an order with at least one line bought; it is in one row, so tickets add up over any rows.

    Args:
        time_zone: The shop's time zone (IANA name), for the hour.
        days: The business days to make again; all by default.
    """
    return on_days(Query.from_file(__file__, "coverage.sql", time_zone=time_zone), days)


def member_share(
    first: date, last: date, by: Literal["store_id", "channel", "hour", "business_day"] | None = None
) -> Query:
    """Gives members' share of sales (会员销售占比) and of tickets over some days, in total or a group at a time.

    Args:
        first: The first business day.
        last: The last business day.
        by: What to group by; the total by default.

    Returns:
        A query of the group (if any), `tickets`, `member_tickets`, `sales`, `member_sales`, `ticket_share` and
        `sales_share` (0 to 1, empty where there are no tickets or no sales).
    """
    query = Query.from_file(__file__, "member_share.sql", first=first, last=last)
    if by is None:
        return query
    tree = query.tree.copy()
    if not isinstance(tree, exp.Select):
        raise TypeError("member_share.sql is one SELECT")
    tree.set("expressions", [exp.column(by), *tree.expressions])
    return Query(tree.group_by(by).order_by(exp.column(by)), {}, name=query.name)
