"""The JSON API: the same reads as the pages, and the preview of an audience."""

from collections.abc import Iterable
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from shopkeeper.app.pages.builder import preview
from shopkeeper.app.pages.counts import AskedCounts, everybody, guarded_preview, guarded_row
from shopkeeper.app.pages.people import SORTED_BY, PeopleFilter, people
from shopkeeper.app.pages.person import Membership, Record, person_page
from shopkeeper.app.pages.personal import Personal, masked_fields, revealed_fields
from shopkeeper.app.pages.scores import Score, scores_of
from shopkeeper.app.pages.segments import SegmentRow, segment_page, segments
from shopkeeper.app.pages.timeline import KINDS as ENTRY_KINDS
from shopkeeper.app.pages.timeline import Entry, timeline
from shopkeeper.app.person_lookup import lookup
from shopkeeper.app.person_now import PersonNow, live_document, person_now, record_parts
from shopkeeper.app.report import report
from shopkeeper.app.report_document import report_document
from shopkeeper.app.shop import Shop
from shopkeeper.app.visitor import Visitor
from shopkeeper.base.errors import FaultsError, MissingError, UsageError
from shopkeeper.base.permission import Reach
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.traits import TRAITS
from shopkeeper.web.permit import may
from shopkeeper.web.person_read import encoded
from shopkeeper.web.problem import PROBLEMS
from shopkeeper.web.signed_in import SignedIn, scope_of_request

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)
IDENTIFIERS = TABLES["identifier"].column("kind").values


def one_of(values: Iterable[str]) -> Any:
    """Declares the values that a parameter may have; whoever knows them judges them."""
    return Query(json_schema_extra={"enum": list(values)})


class PersonSummary(BaseModel):
    """One person of a list."""

    person_id: str
    traits: dict[str, Any]


class PeoplePage(BaseModel):
    """One page of people."""

    as_of: date | None
    total: int
    people: list[PersonSummary]
    cursor: str | None


class PersonAnswer(BaseModel):
    """One person: traits and scores as of the last run's day, totals and what is known live as of now.

    `now` has orders and money paid by window, with those that came since the run; whom no run has seen yet has no
    traits; who has not been seen lately has no live part. A visitor of some stores gets neither of the two.
    """

    person_id: str
    as_of: date | None
    records: list[Record]
    traits: dict[str, Any]
    scores: list[Score]
    personal: list[Personal]
    now: dict[str, Any] | None
    live: dict[str, Any] | None


class IdentifierQuestion(BaseModel):
    """An identifier to look up."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(description="Its kind", max_length=20, json_schema_extra={"enum": list(IDENTIFIERS)})
    value: str = Field(description="The identifier as it was written", min_length=1, max_length=512)


class PersonsFound(BaseModel):
    """The persons that have an identifier; several where loaded records share it."""

    person_ids: list[str]


class TimelinePage(BaseModel):
    """One page of what happened with a person, newest first, and how much there is of each kind."""

    entries: list[Entry]
    counts: dict[str, int]
    next_page: int | None


class SegmentAnswer(BaseModel):
    """One segment with its rule."""

    segment: SegmentRow
    as_of: date | None
    of: int | None
    tree: dict[str, Any]
    line: str


class AudienceQuestion(BaseModel):
    """An audience to count: a tree of the audience language."""

    model_config = ConfigDict(extra="forbid")
    tree: dict[str, Any] = Field(description='The audience as a JSON document, such as {"all": []}.')


class UnmaskQuestion(BaseModel):
    """Why somebody must see the personal fields of a person."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=5, max_length=500, description="The reason, which the audit log keeps.")


class AudienceAnswer(BaseModel):
    """How many people an audience has, some of them, its words and its SQL.

    Who may not see persons gets a rounded size, null where it is small, and no sample.
    """

    size: int | None
    of: int | None
    seconds: float
    as_of: date
    sample: list[str]
    english: str
    chinese: str
    line: str
    sql: str


@router.get("/persons", dependencies=[may("people.read")])
def list_persons(
    request: Request,
    _visitor: SignedIn,
    stage: Annotated[str | None, one_of(TRAITS["lifecycle"].values)] = None,
    rfm_class: Annotated[str | None, one_of(TRAITS["rfm_class"].values)] = None,
    segment: str | None = None,
    sort: Annotated[str, one_of(SORTED_BY)] = "monetary_365d",
    *,
    rising: bool = False,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> PeoplePage:
    """People by filter, sorted, page by page."""
    chosen = PeopleFilter(None, stage, rfm_class, segment, sort, rising)
    found = people(request.app.state.shop, chosen, cursor=cursor, limit=limit, scope=scope_of_request(request))
    rows = [PersonSummary(person_id=row.person_id, traits=dict(row.traits)) for row in found.rows]
    return PeoplePage(as_of=found.as_of, total=found.total, people=rows, cursor=found.cursor)


@router.post("/persons/lookup", dependencies=[may("people.lookup")])
def lookup_person(request: Request, visitor: SignedIn, question: IdentifierQuestion) -> PersonsFound:
    """The persons that have an identifier; it stands in no address, and each look leaves a row in the audit log."""
    found = lookup(
        request.app.state.shop, question.kind, question.value, by=visitor.name, scope=scope_of_request(request)
    )
    return PersonsFound(person_ids=list(found))


@router.get("/persons/{person_id}", dependencies=[may("people.read")], response_model=PersonAnswer)
async def get_person(request: Request, visitor: SignedIn, person_id: str) -> Response:
    """One person."""
    state = request.app.state
    found = None
    if visitor.reach is Reach.CHAIN:
        read = partial(state.persons.document, person_id, with_scores=visitor.may("models.read"))
        # A look into files takes less than handing it to another thread does.
        found = read() if state.shop.state.is_at_hand else await run_in_threadpool(read)
    if found is None:
        found = await run_in_threadpool(_from_lake, request, visitor, person_id)
    return Response(encoded(found), media_type="application/json")


@router.get("/persons/{person_id}/timeline", dependencies=[may("people.read")])
def get_timeline(
    request: Request,
    _visitor: SignedIn,
    person_id: str,
    kind: Annotated[str | None, one_of(ENTRY_KINDS)] = None,
    number: Annotated[int, Query(alias="page", ge=0, le=10_000)] = 0,
) -> TimelinePage:
    """A person's baskets, redemptions, campaigns, touches and feedback, newest first; of one kind if asked."""
    shop = request.app.state.shop
    found = timeline(shop, person_id, kind=kind, page=number, scope=scope_of_request(request))
    return TimelinePage(entries=list(found.entries), counts=dict(found.counts), next_page=found.next_page)


@router.post("/persons/{person_id}/unmask", dependencies=[may("person.unmask")])
def unmask_person(request: Request, visitor: SignedIn, person_id: str, question: UnmaskQuestion) -> list[Personal]:
    """The personal fields of a person as they are, for a reason that the audit log keeps."""
    found = revealed_fields(
        request.app.state.shop,
        person_id,
        scope_of_request(request),
        reason=question.reason,
        by=visitor.name,
        now=request.app.state.clock(),
        origin=request.client.host if request.client else None,
    )
    return list(found)


@router.get("/persons/{person_id}/segments", dependencies=[may("people.read")])
def get_memberships(request: Request, _visitor: SignedIn, person_id: str) -> list[Membership]:
    """The segments a person is in."""
    return list(person_page(request.app.state.shop, person_id, scope_of_request(request)).segments)


@router.get("/segments", dependencies=[may("segments.read")])
def list_segments(request: Request, visitor: SignedIn) -> list[SegmentRow]:
    """The saved segments."""
    shop = request.app.state.shop
    found = segments(shop)
    if visitor.may("people.read"):
        return list(found)
    return [guarded_row(shop, row, _asked(request)) for row in sorted(found, key=lambda row: row.name)]


@router.post("/segments/preview", dependencies=[may("segments.read")])
def preview_segment(request: Request, visitor: SignedIn, question: AudienceQuestion) -> AudienceAnswer:
    """Counts an audience that need not be saved; a wrong tree gives every fault with its path."""
    shop, with_people = request.app.state.shop, visitor.may("people.read")
    found = (
        preview(shop, question.tree)
        if with_people
        else guarded_preview(shop, question.tree, _asked(request), who=visitor.name)
    )
    if found.faults:
        raise FaultsError("the audience", found.faults, chinese="人群规则")
    if found.seconds is None or found.as_of is None:
        raise MissingError("nobody is known yet", next_step="shopkeeper run")
    return AudienceAnswer(
        size=found.count,
        of=found.of,
        seconds=found.seconds,
        as_of=found.as_of,
        sample=list(found.sample),
        english=found.english,
        chinese=found.chinese,
        line=found.line,
        sql=found.sql,
    )


@router.get("/segments/{name}", dependencies=[may("segments.read")])
def get_segment(request: Request, visitor: SignedIn, name: str) -> SegmentAnswer:
    """One segment."""
    shop = request.app.state.shop
    found = segment_page(shop, name)
    row: SegmentRow = found.row
    of: int | None = found.of
    if not visitor.may("people.read"):
        row, of = guarded_row(shop, row, _asked(request)), everybody(_asked(request), of)
    return SegmentAnswer(segment=row, as_of=found.as_of, of=of, tree=dict(found.tree), line=found.line)


@router.get("/report", dependencies=[may("report.read")])
def get_report(
    request: Request,
    visitor: SignedIn,
    as_of: Annotated[str | None, Query(json_schema_extra={"format": "date"})] = None,
    level: str | None = None,
) -> dict[str, Any]:
    """The morning report of one level as one document."""
    shop, scope = request.app.state.shop, scope_of_request(request)
    with_people = visitor.may("people.read")
    found = report(shop, as_of=_day(as_of), level=level, scope=scope, with_people=with_people)
    return report_document(shop, found, of_places=scope is not None or not with_people)


def _asked(request: Request) -> AskedCounts:
    asked: AskedCounts = request.app.state.asked_counts
    return asked


def _from_lake(request: Request, visitor: Visitor, person_id: str) -> dict[str, Any]:
    """What is read from the lake's tables: by whom sees some stores only, or where no run has made a serving set."""
    shop = request.app.state.shop
    scope = scope_of_request(request)
    # What happened anywhere is not for who sees some stores only.
    live = _live(shop, person_id) if scope is None else None
    found: dict[str, Any] = {"now": None, "live": None if live is None else live_document(live)}
    try:
        known = person_page(shop, person_id, scope)
    except MissingError:
        if live is None:
            raise
        records = [Record(*record_parts(record), "live") for record in live.records]
        none: dict[str, Any] = {"as_of": None, "traits": {}, "scores": [], "personal": []}
        return found | none | {"person_id": live.person_id, "records": records}
    return found | {
        "person_id": known.person_id,
        "as_of": known.as_of,
        "records": known.records,
        "traits": dict(known.traits),
        "scores": scores_of(shop, known.person_id) if visitor.may("models.read") else [],
        "personal": masked_fields(shop, known.person_id, scope),
    }


def _live(shop: Shop, person_id: str) -> PersonNow | None:
    try:
        return person_now(shop, person_id)
    except MissingError:
        return None


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        raise UsageError(f"'{text}' is no day", next_step="write it as 2017-12-31") from None
