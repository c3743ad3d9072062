"""The profile: one wide row a person."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from shopkeeper.profile.cuts import LIFECYCLE_CUTS, RFM_CUTS, LifecycleCuts, RFMCuts
from shopkeeper.schema.query import Query
from shopkeeper.schema.step import step

__all__ = ["profile"]


@step(writes="profile", reads=("basket", "person_habit", "person", "customer"))
def profile(as_of: date, time_zone: str, lifecycle: LifecycleCuts = LIFECYCLE_CUTS, rfm: RFMCuts = RFM_CUTS) -> Query:
    """Gives each person all traits as of the end of a day.

    Quintiles are by rank among people who ever purchased: the k-th cut is the smallest value that at least k fifths do
    not exceed, and a person's quintile is the first cut not below their value, so equal values are never split.

    Args:
        as_of: The day at whose end the traits hold.
        time_zone: The shop's time zone (IANA name), for the day of registration.
        lifecycle: Cut-points of the lifecycle stages and the trend.
        rfm: Cut-points of the RFM points.

    Returns:
        A query of the columns of `profile`, one row a person registered or seen by `as_of`.
    """
    parameters = {
        **{f"from_{days}": as_of - timedelta(days=days) for days in (30, 90, 180, 365)},
        **_lifecycle(lifecycle),
        **_rfm(rfm),
    }
    return Query.from_file(__file__, "profile.sql", as_of=as_of, year=as_of.year, time_zone=time_zone, **parameters)


def _lifecycle(cuts: LifecycleCuts) -> dict[str, Any]:
    given = asdict(cuts)
    return {"lifecycle_version": given.pop("version"), **given}


def _rfm(cuts: RFMCuts) -> dict[str, Any]:
    filled: dict[str, Any] = {"rfm_version": cuts.version}
    for name in ("recency", "frequency", "monetary"):
        for points, cut in zip((5, 4, 3, 2), getattr(cuts, name), strict=True):
            filled[f"{name}_{points}"] = cut
    return filled
