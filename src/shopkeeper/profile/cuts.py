"""The cut-points that a shop may edit, each set with a version that the rows carry."""

from dataclasses import dataclass
from decimal import Decimal

from shopkeeper.base.errors import UsageError

__all__ = ["LIFECYCLE_CUTS", "RFM_CUTS", "LifecycleCuts", "RFMCuts"]


@dataclass(frozen=True, slots=True)
class LifecycleCuts:
    """Where the stages of the lifecycle begin.

    A person's own rhythm is the median gap between visit days, kept within `shortest` and `longest`; people with fewer
    than three visit days have the `usual` one. If gaps were as irregular as chance, one in eight would exceed three
    medians and one in sixty-four six: hence the defaults.

    Args:
        version: Written into every row, so that a figure can be told from one made with other cut-points.
        new_days: People are new while their first visit is fewer days ago than this.
        sleeping_gaps: More own rhythms than this without a visit is sleeping.
        lapsed_gaps: More than this is lapsed.
        shortest: The shortest rhythm, in days.
        longest: The longest rhythm, in days.
        usual: The rhythm of people who have none yet, in days.
        sleeping_days: More days than this without a visit is sleeping in the fixed-day lifecycle.
        lapsed_days: More than this is lapsed there.
        trend_factor: Rising is more than this many times the spend of the 90 days before; falling is the reverse.

    Raises:
        UsageError: The cut-points are not in order.
    """

    version: str = "1"
    new_days: int = 30
    sleeping_gaps: float = 3.0
    lapsed_gaps: float = 6.0
    shortest: float = 7.0
    longest: float = 120.0
    usual: float = 30.0
    sleeping_days: int = 90
    lapsed_days: int = 180
    trend_factor: Decimal = Decimal("1.25")

    def __post_init__(self) -> None:
        if not (0 < self.sleeping_gaps < self.lapsed_gaps and 0 < self.shortest <= self.longest):
            raise UsageError(f"lifecycle cut-points {self} are not in order", place="profile.lifecycle")
        if not (self.new_days > 0 and 0 < self.sleeping_days < self.lapsed_days and self.trend_factor >= 1):
            raise UsageError(f"lifecycle cut-points {self} are not in order", place="profile.lifecycle")


@dataclass(frozen=True, slots=True)
class RFMCuts:
    """Where the points of recency, frequency and monetary value begin: for 5, 4, 3 and 2 points; else it is 1.

    Args:
        version: Written into every row.
        recency: At most so many days since the last purchase, rising.
        frequency: At least so many orders in 365 days, falling.
        monetary: At least so much spent in 365 days, in the shop's currency, falling.

    Raises:
        UsageError: The cut-points are not in order.
    """

    version: str = "1"
    recency: tuple[int, int, int, int] = (7, 30, 60, 120)
    frequency: tuple[int, int, int, int] = (24, 12, 6, 3)
    monetary: tuple[Decimal, Decimal, Decimal, Decimal] = (Decimal(2000), Decimal(1000), Decimal(500), Decimal(100))

    def __post_init__(self) -> None:
        rising = (self.recency, self.frequency[::-1], self.monetary[::-1])
        for cuts in rising:
            exact = [Decimal(cut) for cut in cuts]
            if exact != sorted(set(exact)):
                raise UsageError(f"RFM cut-points {self} are not in order", place="profile.rfm")


LIFECYCLE_CUTS = LifecycleCuts()
RFM_CUTS = RFMCuts()
