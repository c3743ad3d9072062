"""One order of one customer record: the daily fact that the profile, the balance and the reports stand on."""

from collections.abc import Sequence
from datetime import date

from sqlglot import exp

from shopkeeper.schema.query import Query, of_days
from shopkeeper.schema.step import Refresh, step

__all__ = ["basket"]


@step(writes="basket", reads=("order_line", "product_fact"), refresh=Refresh.DAYS)
def basket(time_zone: str, days: Sequence[date] | None = None) -> Query:
    """Adds up the lines of members, an order and a business day at a time.

    Args:
        time_zone: The shop's time zone (IANA name), for the hour.
        days: The business days to make again; all by default.
    """
    return on_days(Query.from_file(__file__, "basket.sql", time_zone=time_zone), days)


def on_days(query: Query, days: Sequence[date] | None) -> Query:
    """Narrows a query whose CTE `line` reads `order_line` to some business days."""
    if days is None:
        return query
    tree = query.tree.copy()
    line = next(cte for cte in tree.find_all(exp.CTE) if cte.alias == "line")
    line.this.where(of_days(exp.column("business_day"), days), copy=False)
    return Query(tree, {}, query.inputs, query.name)
