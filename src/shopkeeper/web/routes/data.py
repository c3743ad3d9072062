"""Data: tables, lineage, quality, refused rows, jobs, the dictionary."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from starlette.responses import RedirectResponse

from shopkeeper.app.pages.data import (
    Edge,
    check_now,
    checks,
    lineage,
    refusals,
    run_now,
    table_page,
    table_sample,
    work,
)
from shopkeeper.app.pages.reading import stands_at
from shopkeeper.app.table import list_tables
from shopkeeper.schema.table import TableKind
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.traits import GROUPS, TRAITS
from shopkeeper.web.chart import FlowChart
from shopkeeper.web.permit import may
from shopkeeper.web.render import Words, page, words_of
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False, prefix="/data")


@router.get("", dependencies=[may("data.read")])
def data_page(request: Request, _visitor: SignedIn) -> Response:
    """Every table of the dictionary with what stands in it."""
    found = list_tables(request.app.state.shop, every=True)
    kinds = {kind.value: [state for state in found if state.kind == kind.value] for kind in TableKind}
    return page(request, "data.html", kinds=kinds, written=[state for state in found if state.rows])


@router.get("/tables/{name}", dependencies=[may("data.read")])
def data_table(request: Request, _visitor: SignedIn, name: str) -> Response:
    """One table."""
    return page(request, "data_table.html", found=table_page(request.app.state.shop, name))


@router.get("/tables/{name}/rows", dependencies=[may("data.rows")])
def data_table_rows(request: Request, visitor: SignedIn, name: str) -> Response:
    """The first rows of one table."""
    rows = table_sample(request.app.state.shop, name, with_persons=visitor.may("people.read"))
    return page(request, "data_rows.html", name=name, rows=rows)


@router.get("/lineage", dependencies=[may("data.read")])
def data_lineage(request: Request, _visitor: SignedIn) -> Response:
    """Which table was computed from which."""
    edges = lineage(request.app.state.shop)
    chart = _flow(edges, words_of(request)) if edges else None
    return page(request, "data_lineage.html", chart=chart, as_of=stands_at(request.app.state.shop, "profile"))


@router.get("/quality", dependencies=[may("data.read")])
def data_quality(request: Request, _visitor: SignedIn) -> Response:
    """What the checks found."""
    return page(request, "data_quality.html", found=checks(request.app.state.shop))


@router.post("/quality", dependencies=[may("data.run")])
def data_quality_check(request: Request, visitor: SignedIn, csrf: Annotated[str, Form()]) -> Response:
    """Runs the checks of every table, and shows what they found."""
    del csrf  # the guard has checked it
    check_now(request.app.state.shop, by=visitor.name, at=request.app.state.clock())
    return RedirectResponse("/data/quality", status_code=303)


@router.get("/refused", dependencies=[may("refused.read")])
def data_refused(request: Request, _visitor: SignedIn) -> Response:
    """The rows that were turned away and still wait."""
    return page(request, "data_refused.html", found=refusals(request.app.state.shop))


@router.get("/jobs", dependencies=[may("data.read")])
def data_jobs(request: Request, _visitor: SignedIn) -> Response:
    """What the worker does by itself, with last and next run."""
    return page(request, "data_jobs.html", found=work(request.app.state.shop))


@router.post("/run", dependencies=[may("data.run")])
def data_run(request: Request, visitor: SignedIn) -> Response:
    """Asks the worker for a run now, and shows how it goes."""
    run_now(request.app.state.shop, by=visitor.name, at=request.app.state.clock())
    return RedirectResponse("/data/jobs", status_code=303)


@router.get("/dictionary", dependencies=[may("data.read")])
def data_dictionary(request: Request, _visitor: SignedIn) -> Response:
    """Every table and trait with its meaning."""
    groups = {group: [each for each in TRAITS.values() if each.group == group] for group in GROUPS}
    return page(request, "data_dictionary.html", tables=TABLES, groups=groups)


def _flow(edges: tuple[Edge, ...], words: Words) -> FlowChart:
    _ = words
    colours = {TableKind.MASTER: 3, TableKind.FACT: 2, TableKind.DERIVED: 1}
    names = dict.fromkeys(name for edge in edges for name in (edge.source, edge.target))
    return FlowChart(
        "lineage",
        _("Which table was computed from which"),
        (_("From"), _("To")),
        [(name, colours[TABLES[name].kind]) for name in names if name in TABLES],
        [(edge.source, edge.target) for edge in edges if edge.source in TABLES and edge.source != edge.target],
    )
