"""The morning report (早报) of any level."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from shopkeeper.app.organisation import CHAIN, Organisation, Unit, organisation
from shopkeeper.app.report import report
from shopkeeper.app.report_words import factor_label, measure_label
from shopkeeper.app.visitor import Scope
from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.web.figures import DASH, Figures
from shopkeeper.web.permit import may
from shopkeeper.web.render import figures_of, page
from shopkeeper.web.routes.overview import next_steps
from shopkeeper.web.signed_in import SignedIn, scope_of_request

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/report", dependencies=[may("report.read")])
def report_page(
    request: Request,
    visitor: SignedIn,
    level: Annotated[str, Query(max_length=100)] = "",
    as_of: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """The report of one level on one day."""
    shop, figures = request.app.state.shop, figures_of(request)
    if not shop.lake.snapshot("store_day"):
        return page(request, "report.html", found=None, level=level, as_of=as_of)
    scope = scope_of_request(request)
    found = report(
        shop,
        as_of=_day(as_of),
        level=level.strip() or None,
        language=figures.language,
        scope=scope,
        with_people=visitor.may("people.read"),
    )
    organised = organisation(shop, found.morning.as_of)
    return page(
        request,
        "report.html",
        found=found,
        morning=found.morning,
        above=[unit for unit in _above(organised, organised.unit(found.morning.level)) if _seen(unit, scope)],
        levels=[unit for unit in organised.units.values() if _listed(unit, scope)],
        whole=scope is None,
        level=level,
        as_of=as_of,
        written=lambda value, unit: _written(figures, value, unit),
        moved=_moved,
        measure_label=lambda name: measure_label(name, figures.language),
        factor=lambda name: factor_label(name, figures.language),
        steps=next_steps(found, figures),
    )


def _seen(unit: Unit, scope: Scope | None) -> bool:
    return scope is None or unit.id in scope.units


def _listed(unit: Unit, scope: Scope | None) -> bool:
    """Whether the choice of levels offers one: regions and areas, and to who sees but stores, these."""
    if unit.kind in ("region", "area"):
        return _seen(unit, scope)
    return scope is not None and unit.kind == "store" and unit.id in scope.units


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is no day", next_step="write it as 2017-12-31") from None


def _above(organised: Organisation, unit: Unit) -> Iterator[Unit]:
    """The levels above a unit, the chain first."""
    if unit.parent is not None and unit.id != CHAIN:
        try:
            parent = organised.unit(unit.parent)
        except MissingError:
            return
        yield from _above(organised, parent)
        yield parent


def _written(figures: Figures, value: float | None, unit: str) -> str:
    if value is None:
        return DASH
    if unit == "currency":
        return figures.money(value)
    if unit == "share":
        return figures.share(value)
    return figures.number(value, 2 if unit == "items" else 0)


def _moved(value: float | None, against: float | None, unit: str) -> float | None:
    """How a measure differs: a relative change, or a difference for shares."""
    if value is None or against is None:
        return None
    if unit == "share":
        return value - against
    return value / against - 1 if against else None
