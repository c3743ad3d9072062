"""The lifecycle's balance and cut-points, and what pages about members cover."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from shopkeeper.app.cuts import KINDS, go_back, save_cuts
from shopkeeper.app.pages.coverage import SPANS as COVERAGE_SPANS
from shopkeeper.app.pages.coverage import coverage_page
from shopkeeper.app.pages.lifecycle import SPANS, CutSet, Moves, balance, cut_sets, moves
from shopkeeper.base.errors import ConflictError, FaultsError, MissingError
from shopkeeper.web.csrf import FIELD
from shopkeeper.web.form import is_count, only, takes
from shopkeeper.web.language import N_
from shopkeeper.web.permit import may
from shopkeeper.web.render import page, words_language, words_of
from shopkeeper.web.signed_in import SignedIn

__all__ = ["CUT_POINTS", "router"]

router = APIRouter(include_in_schema=False, prefix="/people")
_PAGE = "/people/lifecycle"

CUT_POINTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "new_days": (N_("New for"), N_("days after the first visit")),
        "sleeping_gaps": (N_("Sleeping after more than"), N_("own rhythms without a visit")),
        "lapsed_gaps": (N_("Lapsed after more than"), N_("own rhythms without a visit")),
        "shortest": (N_("Shortest rhythm"), N_("days")),
        "longest": (N_("Longest rhythm"), N_("days")),
        "usual": (N_("Rhythm of those who have none yet"), N_("days")),
        "sleeping_days": (N_("Sleeping by fixed days after more than"), N_("days without a visit")),
        "lapsed_days": (N_("Lapsed by fixed days after more than"), N_("days without a visit")),
        "trend_factor": (N_("Rising above"), N_("times the spend of the 90 days before")),
        "recency_cuts": (N_("Last purchase at most"), N_("days ago: 5, 4, 3 and 2 points")),
        "frequency_cuts": (N_("Orders in 365 days at least"), N_("2, 3, 4 and 5 points")),
        "monetary_cuts": (N_("Spend in 365 days at least"), N_("2, 3, 4 and 5 points")),
    }
)
"""What each cut-point is called and what its number counts, marked for the catalogue."""

_Days = Annotated[int, Query(ge=-1, lt=100_000)]
_OF_A_SET = ("kind", "expected")
_FORM = takes(*_OF_A_SET, *CUT_POINTS)


@router.get("/lifecycle", dependencies=[may("people.overview")])
def lifecycle_page(
    request: Request, _visitor: SignedIn, days: _Days = 30, store: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    """The balance by store and time scale, and the cut-points with their versions."""
    return _lifecycle(request, days=days, store=store.strip())


@router.post("/lifecycle/preview", dependencies=[may("cuts.write"), _FORM])
async def lifecycle_preview(request: Request, _visitor: SignedIn) -> Response:
    """Says how many people other cut-points would move; changes nothing."""
    form = await request.form()
    return await run_in_threadpool(_previewed, request, form)


@router.post("/lifecycle/save", dependencies=[may("cuts.write"), _FORM])
async def lifecycle_save(request: Request, visitor: SignedIn) -> Response:
    """Saves cut-points as the next version."""
    form = await request.form()
    return await run_in_threadpool(_saved, request, form, visitor.name)


@router.post("/lifecycle/back", dependencies=[may("cuts.write")])
def lifecycle_back(
    request: Request,
    visitor: SignedIn,
    csrf: Annotated[str, Form()],
    kind: Annotated[str, Form()],
    version: Annotated[int, Form(ge=1, lt=2**31)],
) -> Response:
    """Saves an earlier version's cut-points as the next version."""
    del csrf  # the guard has checked it
    go_back(request.app.state.shop, kind, version, by=visitor.name, now=request.app.state.clock())
    return RedirectResponse(f"{_PAGE}#cuts-{kind}", status_code=303)


@router.get("/coverage", dependencies=[may("people.overview")])
def coverage(request: Request, _visitor: SignedIn, days: _Days = 365) -> Response:
    """Members' share of sales and tickets by store, channel and hour."""
    found = coverage_page(request.app.state.shop, days)
    return page(request, "coverage.html", found=found, days=days, spans=COVERAGE_SPANS)


def _previewed(request: Request, form: FormData) -> Response:
    kind, values = _given(form)
    _ = words_of(request)
    found, status, faults, message = None, 200, [], ""
    try:
        found = moves(request.app.state.shop, kind, values)
    except FaultsError as error:
        status, faults = 422, _faults(request, error)
    except MissingError:
        status, message = 404, _("Nobody has a profile yet; the first run makes them.")
    # The moves alone for a page that is there, or the whole page for a browser without scripts.
    if request.headers.get("hx-request"):
        return page(request, "lifecycle_moves.html", moves=found, faults=faults, message=message, kind=kind)
    return _lifecycle(request, status, kind=kind, values=values, moves=found, faults=faults, message=message)


def _saved(request: Request, form: FormData, by: str) -> Response:
    _ = words_of(request)
    kind, values = _given(form)
    expected = form.get("expected", "")
    try:
        save_cuts(
            request.app.state.shop,
            kind,
            values,
            by=by,
            expected=int(expected) if isinstance(expected, str) and is_count(expected) else None,
            now=request.app.state.clock(),
        )
    except FaultsError as error:
        return _lifecycle(request, 422, kind=kind, values=values, faults=_faults(request, error))
    except ConflictError:
        message = _("Somebody saved other cut-points meanwhile. Look at them, then save again.")
        return _lifecycle(request, 409, kind=kind, values=values, message=message)
    return RedirectResponse(f"{_PAGE}#cuts-{kind}", status_code=303)


def _given(form: FormData) -> tuple[str, dict[str, Any]]:
    """The set of cut-points that a form is about, and what it says of each, as texts."""
    kind = form.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise MissingError("there are no such cut-points", next_step=f"one of {', '.join(KINDS)}")
    only(form, (*_OF_A_SET, *KINDS[kind].model_fields, FIELD))
    values = {name: [str(each).strip() for each in form.getlist(name)] for name in KINDS[kind].model_fields}
    return kind, {name: texts if len(texts) > 1 else texts[0] for name, texts in values.items() if texts}


def _lifecycle(
    request: Request,
    status: int = 200,
    *,
    days: int = 30,
    store: str = "",
    kind: str = "",
    values: Mapping[str, Any] | None = None,
    moves: Moves | None = None,
    faults: Sequence[tuple[str, str]] = (),
    message: str = "",
) -> Response:
    shop = request.app.state.shop
    sets = cut_sets(shop)
    return page(
        request,
        "lifecycle.html",
        status,
        found=balance(shop, days, store=store),
        days=days,
        spans=SPANS,
        store=store,
        sets=sets,
        texts={name: _texts(found, values if name == kind else None) for name, found in sets.items()},
        cut_points=CUT_POINTS,
        kind=kind,
        moves=moves,
        faults=faults,
        message=message,
    )


def _texts(found: CutSet, given: Mapping[str, Any] | None) -> dict[str, list[str]]:
    """What stands in the inputs of each cut-point: what was given, else the newest version."""
    values = found.newest.settings.model_dump() | dict(given or {})
    return {
        name: [f"{each}" for each in (value if isinstance(value, list | tuple) else [value])]
        for name, value in values.items()
    }


def _faults(request: Request, error: FaultsError) -> list[tuple[str, str]]:
    return [(fault.path, fault.said(words_language(request))) for fault in error.faults]
