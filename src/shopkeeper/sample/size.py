"""How large a made-up chain is, and what is planted in it."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from shopkeeper.base.errors import UsageError

__all__ = ["SIZES", "ChainSize", "Language", "Sources", "Targeting"]

Language = Literal["zh", "en"]
Targeting = Literal["random", "confounded"]
Sources = Literal["many", "one"]


@dataclass(frozen=True, slots=True)
class ChainSize:
    """The size of a chain and the knobs of its planted truths.

    Args:
        people: True persons who are members; each has one or several customer records.
        lines: Order lines to aim at, ± 2 %.
        days: Days of trade, ending on `ends_on`.
        stores: Shops with a door; an app and a web shop come on top.
        products: Products, with popularity falling as a power of the rank.
        ends_on: The last business day.
        guest_share: Share of tickets without a member (散客).
        targeting: `random` draws a holdout; `confounded` chooses by what a person spent in the two months before.
        hidden: Whether a thing nobody recorded, a month of more visits that the store's staff saw coming, also
            decides who is targeted.
        effect: Extra visits in a campaign's 28 days that targeting causes, as a share of a person's own visits.
        holdout: Share of the chosen that is held out when targeting is random.
        target_share: Share of the living members chosen for each campaign.
        campaign_every: Months from one campaign to the next; 0 for none.
        sources: `many` gives a person records in till, mini-program, app and web; `one` gives each person one record.

    Raises:
        UsageError: A number makes no chain.
    """

    people: int = 6_000
    lines: int = 600_000
    days: int = 446
    stores: int = 12
    products: int = 1_200
    ends_on: date = date(2026, 3, 22)
    guest_share: float = 0.5
    targeting: Targeting = "random"
    hidden: bool = False
    effect: float = 0.25
    holdout: float = 0.2
    target_share: float = 0.3
    campaign_every: int = 2
    sources: Sources = "many"

    def __post_init__(self) -> None:
        least = {"people": 20, "lines": 100, "days": 35, "stores": 2, "products": 46}
        for name, floor in least.items():
            if getattr(self, name) < floor:
                raise UsageError(f"a made-up chain needs at least {floor} {name}, not {getattr(self, name)}")
        if self.products > 32_767 or self.stores > 9_000 or self.people > 90_000_000:
            raise UsageError("a made-up chain has at most 32,767 products, 9,000 stores and 90,000,000 people")
        for name in ("guest_share", "holdout", "target_share"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is a share from 0 to below 1, not {getattr(self, name)}")

    @property
    def starts_on(self) -> date:
        """The first business day."""
        return self.ends_on - timedelta(days=self.days - 1)

    def but(self, **changes: object) -> "ChainSize":
        """The same size with some numbers changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


_BENCH = ChainSize(days=730, stores=500, products=10_000, campaign_every=3, sources="one")
SIZES: dict[str, ChainSize] = {
    "demo": ChainSize(),
    "2m": _BENCH.but(lines=2_000_000, people=100_000),
    "20m": _BENCH.but(lines=20_000_000, people=1_000_000),
    "100m": _BENCH.but(lines=100_000_000, people=5_000_000),
}
