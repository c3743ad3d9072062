"""The cut-points of lifecycle and RFM: versions in the state store, of which the settings file gives the first."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import ConflictError, FaultsError, MissingError
from shopkeeper.base.ids import derived_id
from shopkeeper.base.settings import LifecycleSettings, RfmSettings, fault_of
from shopkeeper.profile.cuts import LifecycleCuts, RFMCuts

__all__ = [
    "FILE",
    "KINDS",
    "CutSettings",
    "CutVersion",
    "cuts_now",
    "cuts_of",
    "go_back",
    "keep_filed",
    "labelled",
    "lifecycle_cuts",
    "newest",
    "read_cuts",
    "rfm_cuts",
    "save_cuts",
    "versions",
]

CutSettings = LifecycleSettings | RfmSettings
KINDS: Mapping[str, type[LifecycleSettings] | type[RfmSettings]] = MappingProxyType(
    {"lifecycle": LifecycleSettings, "rfm": RfmSettings}
)
"""The sets of cut-points, each with what it holds."""
FILE = "shopkeeper.toml"
"""Who set what the settings file says."""
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class CutVersion:
    """One version of a set of cut-points.

    Args:
        kind: `lifecycle` or `rfm`.
        number: From 1 on.
        label: What the rows computed with it carry; it follows from the values, so equal values have one label.
        settings: The cut-points.
        set_by: Who set them; `FILE` for what the settings file says.
        set_at: When; None where the file says so and no run has kept it yet.
        changed: The cut-points that differ from the version before, each with its value before and since.
    """

    kind: str
    number: int
    label: str
    settings: CutSettings
    set_by: str
    set_at: datetime | None
    changed: Mapping[str, tuple[Any, Any]] = field(default_factory=dict, hash=False)


def versions(shop: Shop, kind: str) -> tuple[CutVersion, ...]:
    """Gives every version of a set of cut-points, newest first.

    Until a person sets others the settings file holds: what it says now is then the newest version, kept or not.

    Raises:
        MissingError: There is no such set.
    """
    form = _form(kind)
    kept: list[tuple[CutSettings, str, datetime | None]] = [
        (form.model_validate(each.value), each.set_by, each.set_at)
        for each in reversed(shop.state.settings.history(_name(kind)))
    ]
    filed = getattr(shop.settings, kind)
    if not kept or (kept[-1][1] == FILE and kept[-1][0] != filed):
        kept.append((filed, FILE, None))
    found: list[CutVersion] = []
    for number, (settings, set_by, set_at) in enumerate(kept, start=1):
        changed = _changed(found[-1].settings, settings) if found else {}
        found.append(CutVersion(kind, number, _label(settings), settings, set_by, set_at, changed))
    return tuple(reversed(found))


def newest(shop: Shop, kind: str) -> CutVersion:
    """Gives the version that the next run uses."""
    return versions(shop, kind)[0]


def labelled(found: tuple[CutVersion, ...], label: str | None) -> CutVersion | None:
    """Gives the newest of some versions that rows with a label were computed with."""
    return next((each for each in found if each.label == label), None)


def cuts_now(shop: Shop, kind: str) -> LifecycleCuts | RFMCuts:
    """Gives the cut-points that the next run uses, as the profile takes them."""
    return cuts_of(newest(shop, kind).settings)


def read_cuts(kind: str, values: Mapping[str, Any]) -> CutSettings:
    """Reads a set of cut-points, of which texts may be numbers, and holds it against its order.

    Raises:
        FaultsError: Anything is wrong; every fault is named with its path.
        MissingError: There is no such set.
    """
    try:
        settings = _form(kind).model_validate(dict(values))
    except ValidationError as error:
        faults = [fault_of({**detail, "loc": (kind, *detail["loc"])}) for detail in error.errors()]
        raise FaultsError("the set of cut-points", faults, chinese="这组分界点") from None
    cuts_of(settings)
    return settings


def save_cuts(
    shop: Shop, kind: str, values: Mapping[str, Any], *, by: str, expected: int | None = None, now: datetime
) -> CutVersion:
    """Saves cut-points as the next version, and leaves an audit row; values that are those of now make none.

    Args:
        shop: The shop.
        kind: `lifecycle` or `rfm`.
        values: The cut-points by name; those left out stay as they are.
        by: Who saves them.
        expected: The version they were made from; any by default.
        now: When.

    Raises:
        FaultsError: They are wrong; every fault is named with its path.
        ConflictError: Another version was saved meanwhile.
    """
    before = newest(shop, kind)
    settings = read_cuts(kind, before.settings.model_dump() | dict(values))
    if expected is not None and expected != before.number:
        raise ConflictError(
            f"the cut-points are at version {before.number} by now, not {expected}", next_step="look again, then save"
        )
    if settings == before.settings:
        return before
    keep_filed(shop, kind)
    saved = shop.state.settings.put(
        _name(kind), settings.model_dump(mode="json"), by=by, now=now, expected=before.number
    )
    after = newest(shop, kind)
    detail = {"version": saved.version, "changed": {name: list(pair) for name, pair in after.changed.items()}}
    shop.state.audit.append(by, "cuts.save", kind, now=now, detail=detail)
    return after


def go_back(shop: Shop, kind: str, number: int, *, by: str, now: datetime) -> CutVersion:
    """Saves an earlier version's cut-points as the next version.

    Raises:
        MissingError: There is no such version.
    """
    for each in versions(shop, kind):
        if each.number == number:
            return save_cuts(shop, kind, each.settings.model_dump(), by=by, now=now)
    raise MissingError(f"there is no version {number} of {kind}", next_step=f"shopkeeper cuts list {kind}")


def keep_filed(shop: Shop, kind: str) -> None:
    """Keeps what the settings file says as a version, where it holds and is not kept yet."""
    found = newest(shop, kind)
    if found.set_at is None:
        value = found.settings.model_dump(mode="json")
        # Whoever was faster kept the same, or a person's version, which holds.
        with suppress(ConflictError):
            shop.state.settings.put(_name(kind), value, by=FILE, now=now(shop), expected=found.number - 1)


def cuts_of(settings: CutSettings) -> LifecycleCuts | RFMCuts:
    """The cut-points as the profile takes them.

    Raises:
        FaultsError: They are not in order.
    """
    return lifecycle_cuts(settings) if isinstance(settings, LifecycleSettings) else rfm_cuts(settings)


def lifecycle_cuts(settings: LifecycleSettings) -> LifecycleCuts:
    """The cut-points of the lifecycle stages."""
    values = settings.model_dump()
    values["trend_factor"] = Decimal(repr(settings.trend_factor))
    return LifecycleCuts(version=_label(settings), **values)


def rfm_cuts(settings: RfmSettings) -> RFMCuts:
    """The cut-points of the RFM points; the profile wants the borders of 5, 4, 3 and 2 points in this order."""
    two, three, four, five = settings.frequency_cuts
    poor, fair, good, best = (Decimal(amount) for amount in settings.monetary_cuts)
    return RFMCuts(_label(settings), settings.recency_cuts, (five, four, three, two), (best, good, fair, poor))


def _form(kind: str) -> type[LifecycleSettings] | type[RfmSettings]:
    if kind not in KINDS:
        raise MissingError(f"there are no cut-points '{kind}'", next_step=f"one of {', '.join(KINDS)}")
    return KINDS[kind]


def _name(kind: str) -> str:
    return f"cuts.{kind}"


def _changed(before: CutSettings, since: CutSettings) -> dict[str, tuple[Any, Any]]:
    old = before.model_dump()
    return {name: (old[name], value) for name, value in since.model_dump().items() if old[name] != value}


def _label(settings: CutSettings) -> str:
    return derived_id("cuts", settings.model_dump_json())[: len("cuts_") + _SHOWN]
