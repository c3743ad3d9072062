"""Why sales moved: people × visits × items × price, each one's exact part of the difference."""

import math
from dataclasses import dataclass

__all__ = ["Drivers", "Trade", "drivers"]


@dataclass(frozen=True, slots=True)
class Trade:
    """What was sold in one place over one span.

    Args:
        sales: Net sales, in currency.
        people: People who bought.
        tickets: Tickets.
        items: Units.
    """

    sales: float
    people: float
    tickets: float
    items: float

    def factors(self) -> tuple[float, float, float, float] | None:
        """People, visits a person, items a visit, price an item; None where one is not positive."""
        if min(self.sales, self.people, self.tickets, self.items) <= 0:
            return None
        return (
            self.people,
            self.tickets / self.people,
            self.items / self.tickets,
            self.sales / self.items,
        )


@dataclass(frozen=True, slots=True)
class Drivers:
    """What each factor contributed to a difference in sales, in currency; they add up to it."""

    people: float
    visits: float
    items: float
    price: float

    def largest(self) -> str:
        """The name of the factor that moved sales most the way they went."""
        parts = {"people": self.people, "visits": self.visits, "items": self.items, "price": self.price}
        way = 1.0 if sum(parts.values()) >= 0 else -1.0
        return max(parts, key=lambda name: way * parts[name])


def drivers(before: Trade, after: Trade) -> Drivers | None:
    """Splits a difference in sales into its factors by the logarithmic mean Divisia index.

    contribution = L(after, before) · ln(factor after / factor before), L(a, b) = (a − b) / (ln a − ln b). The split is
    exact and does not depend on the order of the factors.

    Args:
        before: What it is held against.
        after: What is explained.

    Returns:
        The contributions, or None where a factor is not positive.

    Reference:
        B. W. Ang, "The LMDI approach to decomposition analysis: a practical guide", Energy Policy 33 (2005).
    """
    old, new = before.factors(), after.factors()
    if old is None or new is None:
        return None
    same = math.isclose(after.sales, before.sales, rel_tol=1e-12)
    weight = after.sales if same else (after.sales - before.sales) / math.log(after.sales / before.sales)
    return Drivers(*(weight * math.log(b / a) for a, b in zip(old, new, strict=True)))
