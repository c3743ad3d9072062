"""The cut-points that a shop may edit, each set with a version that the rows carry."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from shopkeeper.base.errors import Fault, FaultsError

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
        FaultsError: The cut-points are not in order; every fault is named with its path.
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
        faults = [
            _fault(f"lifecycle.{name}", getattr(self, name), f"more than {low}", f"大于 {low}")
            for name, low in (
                ("new_days", 0),
                ("sleeping_gaps", 0),
                ("lapsed_gaps", self.sleeping_gaps),
                ("shortest", 0),
                ("sleeping_days", 0),
                ("lapsed_days", self.sleeping_days),
            )
            if not getattr(self, name) > low
        ]
        if self.longest < self.shortest:
            faults.append(
                _fault("lifecycle.longest", self.longest, f"at least {self.shortest}", f"不小于 {self.shortest}")
            )
        if self.trend_factor < 1:
            faults.append(_fault("lifecycle.trend_factor", self.trend_factor, "at least 1", "不小于 1"))
        _refuse(faults)


@dataclass(frozen=True, slots=True)
class RFMCuts:
    """Where the points of recency, frequency and monetary value begin: for 5, 4, 3 and 2 points; else it is 1.

    Args:
        version: Written into every row.
        recency: At most so many days since the last purchase, rising.
        frequency: At least so many orders in 365 days, falling.
        monetary: At least so much spent in 365 days, in the shop's currency, falling.

    Raises:
        FaultsError: The cut-points are not in order; every fault is named with its path.
    """

    version: str = "1"
    recency: tuple[int, int, int, int] = (7, 30, 60, 120)
    frequency: tuple[int, int, int, int] = (24, 12, 6, 3)
    monetary: tuple[Decimal, Decimal, Decimal, Decimal] = (Decimal(2000), Decimal(1000), Decimal(500), Decimal(100))

    def __post_init__(self) -> None:
        rising: dict[str, tuple[int | Decimal, ...]] = {
            "recency": self.recency,
            "frequency": self.frequency[::-1],
            "monetary": self.monetary[::-1],
        }
        _refuse(
            [
                _fault(f"rfm.{name}_cuts", ", ".join(map(str, cuts)), "rising", "逐个递增的值")
                for name, cuts in rising.items()
                if any(not low < high for low, high in pairwise(Decimal(cut) for cut in cuts))
            ]
        )


def _fault(path: str, value: object, english: str, chinese: str) -> Fault:
    return Fault(path, f"is {value}, not {english}", f"是 {value}，应为{chinese}")


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise FaultsError("the set of cut-points", faults, chinese="这组分界点")


LIFECYCLE_CUTS = LifecycleCuts()
RFM_CUTS = RFMCuts()
