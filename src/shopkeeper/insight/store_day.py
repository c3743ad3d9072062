"""Compact daily facts of stores and departments."""

from collections.abc import Sequence
from datetime import date

from sqlglot import exp

from shopkeeper.schema.query import Query, of_days
from shopkeeper.schema.step import Refresh, step

__all__ = ["department_day", "store_day"]


@step(writes="store_day", reads=("order_line", "product_fact"), refresh=Refresh.DAYS)
def store_day(days: Sequence[date] | None = None) -> Query:
    """Sales, tickets, items, people and margin of each store on each business day.

    Args:
        days: Only these business days; all by default.
    """
    return _by_ticket(days)


@step(writes="department_day", reads=("order_line", "product_fact"), refresh=Refresh.DAYS)
def department_day(days: Sequence[date] | None = None) -> Query:
    """The same of each department in each store.

    Args:
        days: Only these business days; all by default.
    """
    outer = _by_ticket(days).tree.copy()
    ticket = outer.args["with_"].expressions[0].this
    department = exp.column("department", "p")
    ticket.select(department.as_("department"), copy=False).group_by(department.copy(), copy=False)
    outer.select("department", copy=False)
    outer.args["group"].append("expressions", exp.column("department"))
    return Query(outer, name="department_day")


def _by_ticket(days: Sequence[date] | None) -> Query:
    query = Query.from_file(__file__, "store_day.sql")
    if not days:
        return query
    tree = query.tree.copy()
    tree.args["with_"].expressions[0].this.where(of_days(exp.column("business_day", "o"), days), copy=False)
    return Query(tree, name="store_day")
