"""What the traits need of each product."""

from collections.abc import Sequence
from datetime import date, timedelta

from shopkeeper.schema.query import Query
from shopkeeper.schema.step import step

__all__ = ["LEFT_OUT", "product_fact"]

LEFT_OUT = ("tobacco", "service", "top_up", "bag", "deposit", "gift_card")


@step(writes="product_fact", reads=("product", "order_line"))
def product_fact(as_of: date, left_out: Sequence[str] = LEFT_OUT, price_days: int = 365) -> Query:
    """Says of each product whether it counts, where it belongs and in which third of prices it lies.

    The price is the master's; without one, gross over units in the `price_days` before the month of `as_of`, so that
    tiers stay put within a month. A third is by rank in department, category and subcategory, equal prices never split;
    fewer than three priced products have no tier.

    Args:
        as_of: The day at whose end the facts hold; only its month matters.
        left_out: Kinds of product that do not count in RFM, favourites, baskets and price tier.
        price_days: How many days before the month the prices are taken from.
    """
    until = as_of.replace(day=1)
    return Query.from_file(
        __file__,
        "product_fact.sql",
        left_out=tuple(left_out),
        priced_from=until - timedelta(days=price_days),
        priced_until=until,
    )
