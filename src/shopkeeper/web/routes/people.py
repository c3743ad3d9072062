"""People: the list and the page of one person."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from shopkeeper.app.consent import consent_page
from shopkeeper.app.pages.find import persons_of
from shopkeeper.app.pages.people import LISTED, SORTED_BY, PeopleFilter, people
from shopkeeper.app.pages.person import MonthSpend, basket_lines, months, person_page
from shopkeeper.app.pages.personal import masked_fields, revealed_fields
from shopkeeper.app.pages.reading import names_of
from shopkeeper.app.pages.scores import scores_of
from shopkeeper.app.pages.stream import Stream, stream, stream_since
from shopkeeper.app.pages.timeline import timeline
from shopkeeper.app.person_lookup import lookup
from shopkeeper.app.person_now import PersonNow, record_parts
from shopkeeper.app.traces import records_of
from shopkeeper.base.errors import DataError, MissingError
from shopkeeper.schema.consent import CHANNELS, PURPOSES
from shopkeeper.schema.events import EVENTS
from shopkeeper.schema.traits import TRAITS
from shopkeeper.web.chart import Chart, Series
from shopkeeper.web.figures import Figures
from shopkeeper.web.permit import may
from shopkeeper.web.render import Words, figures_of, page, words_of
from shopkeeper.web.signed_in import SignedIn, scope_of_request

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_LOOKED_UP_BY = ("phone", "email", "member_no", "card", "user", "openid", "unionid")
"""The kinds of identifiers that people type."""
_GROUPS = {name: each.group for name, each in EVENTS.items()}


@router.get("/people", dependencies=[may("people.read")])
def people_list(
    request: Request,
    _visitor: SignedIn,
    search: Annotated[str, Query(max_length=100)] = "",
    stage: str = "",
    rfm_class: str = "",
    segment: str = "",
    sort: str = "monetary_365d",
    rising: bool = False,
    cursor: str = "",
) -> Response:
    """The list of people; a search that finds one goes to that person."""
    shop = request.app.state.shop
    chosen = PeopleFilter(search.strip() or None, stage or None, rfm_class or None, segment or None, sort, rising)
    scope = scope_of_request(request)
    found = people(shop, chosen, cursor=cursor or None, scope=scope)
    if chosen.search and found.total == 1 and found.rows:
        return RedirectResponse(f"/people/{found.rows[0].person_id}", status_code=303)
    several = persons_of(shop, chosen.search) if chosen.search and found.total > 1 else {}
    listed = {row.person_id for row in found.rows}
    return page(
        request,
        "people.html",
        sources=[source for person, sources in several.items() if person in listed for source in sources],
        found=found,
        chosen=chosen,
        listed=LISTED,
        sorted_by=SORTED_BY,
        stages=TRAITS["lifecycle"].values,
        classes=TRAITS["rfm_class"].values,
        segments=shop.state.segments.all() if scope is None else (),
        cursor=cursor,
        kinds=_LOOKED_UP_BY,
        stores=names_of(shop, "store"),
    )


@router.post("/people/lookup", dependencies=[may("people.lookup")])
def people_lookup(
    request: Request,
    visitor: SignedIn,
    kind: Annotated[str, Form(max_length=20)],
    value: Annotated[str, Form(min_length=1, max_length=512)],
) -> Response:
    """Goes to the person of a phone number or another identifier, which stands in no address; each look is noted."""
    shop = request.app.state.shop
    try:
        found = lookup(shop, kind, value, by=visitor.name, scope=scope_of_request(request))
    except (MissingError, DataError):
        found = ()
    if len(found) == 1:
        return RedirectResponse(f"/people/{quote(found[0])}", status_code=303)
    return page(request, "people_found.html", 200 if found else 404, found=found, kind=kind, kinds=_LOOKED_UP_BY)


@router.get("/people/{person_id}", dependencies=[may("people.read")])
def person(request: Request, visitor: SignedIn, person_id: str, kind: str = "") -> Response:
    """One person."""
    shop = request.app.state.shop
    scope = scope_of_request(request)
    followed = stream(shop, person_id, scope)
    try:
        found = person_page(shop, person_id, scope)
    except MissingError:
        if followed.now is None:
            raise
        if followed.now.person_id != person_id:
            return RedirectResponse(f"/people/{quote(followed.now.person_id, safe=':')}", status_code=303)
        return _live_page(request, followed, followed.now)
    if found.person_id != person_id:
        return RedirectResponse(f"/people/{quote(found.person_id, safe=':')}", status_code=303)
    spend = months(shop, person_id, scope)
    return page(
        request,
        "person.html",
        found=found,
        person_id=person_id,
        stream=followed,
        paused=False,
        groups=_GROUPS,
        personal=masked_fields(shop, person_id, scope),
        timeline=timeline(shop, person_id, kind=kind or None, scope=scope),
        scores=scores_of(shop, person_id) if visitor.may("models.read") else (),
        consent=consent_page(shop, person_id),
        purposes=PURPOSES,
        channels=CHANNELS,
        stores=names_of(shop, "store"),
        campaigns=names_of(shop, "campaign"),
        chart=_months_chart(spend, figures_of(request), words_of(request)) if spend else None,
    )


@router.post("/people/{person_id}/unmask", dependencies=[may("person.unmask")])
def person_unmask(
    request: Request, visitor: SignedIn, person_id: str, reason: Annotated[str, Form(max_length=1000)] = ""
) -> Response:
    """The personal fields of one person as they are, for a reason that the audit log keeps."""
    found = revealed_fields(
        request.app.state.shop,
        person_id,
        scope_of_request(request),
        reason=reason,
        by=visitor.name,
        now=request.app.state.clock(),
        origin=request.client.host if request.client else None,
    )
    return page(request, "person_unmasked.html", person_id=person_id, personal=found, revealed=True)


@router.get("/people/{person_id}/now", dependencies=[may("people.read")])
def person_stream(
    request: Request,
    _visitor: SignedIn,
    person_id: str,
    after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    *,
    paused: bool = False,
) -> Response:
    """What the person does now; no content where nothing came since the reader last looked."""
    shop, scope = request.app.state.shop, scope_of_request(request)
    found = stream_since(shop, person_id, scope, after=after)
    if found is None:
        if after is not None:
            return Response(status_code=204)
        records_of(shop, person_id)  # of whom nothing was seen may be nobody at all
        found = stream(shop, person_id, scope)
    return page(
        request,
        "person_now.html",
        person_id=person_id,
        stream=found,
        paused=paused,
        groups=_GROUPS,
        stores=names_of(shop, "store"),
    )


@router.get("/people/{person_id}/timeline", dependencies=[may("people.read")])
def person_timeline(
    request: Request,
    _visitor: SignedIn,
    person_id: str,
    kind: str = "",
    number: Annotated[int, Query(alias="page", ge=0, le=10_000)] = 0,
) -> Response:
    """The timeline anew, of one kind or all; from the second page on only the entries that follow."""
    shop, scope = request.app.state.shop, scope_of_request(request)
    found = timeline(shop, person_id, kind=kind or None, page=number, scope=scope)
    template = "person_entries.html" if number else "person_timeline.html"
    return page(request, template, person_id=person_id, timeline=found)


@router.get("/people/{person_id}/baskets/{source}/{order_id}", dependencies=[may("people.read")])
def person_basket(request: Request, _visitor: SignedIn, person_id: str, source: str, order_id: str) -> Response:
    """The lines of one basket."""
    lines = basket_lines(request.app.state.shop, person_id, source, order_id, scope_of_request(request))
    return page(request, "person_basket.html", lines=lines)


def _live_page(request: Request, followed: Stream, known: PersonNow) -> Response:
    """The page of a person whom no run has seen yet."""
    shop = request.app.state.shop
    return page(
        request,
        "person_live.html",
        person_id=known.person_id,
        records=[record_parts(record) for record in known.records],
        stream=followed,
        paused=False,
        groups=_GROUPS,
        consent=consent_page(shop, known.person_id),
        purposes=PURPOSES,
        channels=CHANNELS,
        personal=masked_fields(shop, known.person_id),
        stores=names_of(shop, "store"),
    )


def _months_chart(found: tuple[MonthSpend, ...], figures: Figures, words: Words) -> Chart:
    _ = words
    paid = Series(_("Paid"), [each.paid for each in found], [figures.money(each.paid) for each in found])
    return Chart(
        "months",
        _("What the person paid by month"),
        _("Month"),
        [figures.month(each.month) for each in found],
        [paid],
        unit="currency",
        currency=figures.currency,
    )
