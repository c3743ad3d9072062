"""The cut-points of the settings, each set with a version that follows from its values."""

from decimal import Decimal

from shopkeeper.base.ids import derived_id
from shopkeeper.base.settings import LifecycleSettings, RfmSettings
from shopkeeper.profile.cuts import LifecycleCuts, RFMCuts

__all__ = ["lifecycle_cuts", "rfm_cuts"]

_SHOWN = 8


def lifecycle_cuts(settings: LifecycleSettings) -> LifecycleCuts:
    """The cut-points of the lifecycle stages."""
    values = settings.model_dump()
    values["trend_factor"] = Decimal(repr(settings.trend_factor))
    return LifecycleCuts(version=_version(settings), **values)


def rfm_cuts(settings: RfmSettings) -> RFMCuts:
    """The cut-points of the RFM points; the profile wants the borders of 5, 4, 3 and 2 points in this order."""
    two, three, four, five = settings.frequency_cuts
    poor, fair, good, best = (Decimal(amount) for amount in settings.monetary_cuts)
    return RFMCuts(_version(settings), settings.recency_cuts, (five, four, three, two), (best, good, fair, poor))


def _version(settings: LifecycleSettings | RfmSettings) -> str:
    return derived_id("cuts", settings.model_dump_json())[: len("cuts_") + _SHOWN]
