"""The JSON API: the same reads as the pages, and the preview of an audience."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from shopkeeper.app.pages.builder import preview
from shopkeeper.app.pages.people import PeopleFilter, people
from shopkeeper.app.pages.person import Membership, Record, person_page
from shopkeeper.app.pages.scores import Score, scores_of
from shopkeeper.app.pages.segments import SegmentRow, segment_page, segments
from shopkeeper.app.pages.timeline import Entry, timeline
from shopkeeper.app.person_lookup import lookup
from shopkeeper.app.person_now import PersonNow, live_document, person_now, record_parts
from shopkeeper.app.report import report
from shopkeeper.app.report_document import report_document
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import FaultsError, MissingError, UsageError
from shopkeeper.web.problem import PROBLEMS
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)


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
    """One person: traits and scores as of the last run's day, and what is known live, as of now.

    Whom no run has seen yet has no traits; who has not been seen lately has no live part.
    """

    person_id: str
    as_of: date | None
    records: list[Record]
    traits: dict[str, Any]
    scores: list[Score]
    live: dict[str, Any] | None


class IdentifierQuestion(BaseModel):
    """An identifier to look up."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(description="Its kind, such as phone, email or member_no", max_length=20)
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
    of: int
    tree: dict[str, Any]
    line: str


class AudienceQuestion(BaseModel):
    """An audience to count: a tree of the audience language."""

    model_config = ConfigDict(extra="forbid")
    tree: dict[str, Any] = Field(description='The audience as a JSON document, such as {"all": []}.')


class AudienceAnswer(BaseModel):
    """How many people an audience has, some of them, its words and its SQL."""

    size: int
    of: int
    seconds: float
    as_of: date
    sample: list[str]
    english: str
    chinese: str
    line: str
    sql: str


@router.get("/persons")
def list_persons(
    request: Request,
    _visitor: SignedIn,
    stage: str | None = None,
    rfm_class: str | None = None,
    segment: str | None = None,
    sort: str = "monetary_365d",
    *,
    rising: bool = False,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> PeoplePage:
    """People by filter, sorted, page by page."""
    chosen = PeopleFilter(None, stage, rfm_class, segment, sort, rising)
    found = people(request.app.state.shop, chosen, cursor=cursor, limit=limit)
    rows = [PersonSummary(person_id=row.person_id, traits=dict(row.traits)) for row in found.rows]
    return PeoplePage(as_of=found.as_of, total=found.total, people=rows, cursor=found.cursor)


@router.post("/persons/lookup")
def lookup_person(request: Request, visitor: SignedIn, question: IdentifierQuestion) -> PersonsFound:
    """The persons that have an identifier; it stands in no address, and each look leaves a row in the audit log."""
    found = lookup(request.app.state.shop, question.kind, question.value, by=visitor.name)
    return PersonsFound(person_ids=list(found))


@router.get("/persons/{person_id}")
def get_person(request: Request, _visitor: SignedIn, person_id: str) -> PersonAnswer:
    """One person."""
    shop = request.app.state.shop
    live = _live(shop, person_id)
    try:
        found = person_page(shop, person_id)
    except MissingError:
        if live is None:
            raise
        records = [Record(*record_parts(record), "live") for record in live.records]
        return PersonAnswer(
            person_id=live.person_id, as_of=None, records=records, traits={}, scores=[], live=live_document(live)
        )
    return PersonAnswer(
        live=None if live is None else live_document(live),
        person_id=found.person_id,
        as_of=found.as_of,
        records=list(found.records),
        traits=dict(found.traits),
        scores=list(scores_of(shop, person_id)),
    )


@router.get("/persons/{person_id}/timeline")
def get_timeline(
    request: Request,
    _visitor: SignedIn,
    person_id: str,
    kind: str | None = None,
    number: Annotated[int, Query(alias="page", ge=0, le=10_000)] = 0,
) -> TimelinePage:
    """A person's baskets, redemptions, campaigns, touches and feedback, newest first; of one kind if asked."""
    shop = request.app.state.shop
    person_page(shop, person_id)
    found = timeline(shop, person_id, kind=kind, page=number)
    return TimelinePage(entries=list(found.entries), counts=dict(found.counts), next_page=found.next_page)


@router.get("/persons/{person_id}/segments")
def get_memberships(request: Request, _visitor: SignedIn, person_id: str) -> list[Membership]:
    """The segments a person is in."""
    return list(person_page(request.app.state.shop, person_id).segments)


@router.get("/segments")
def list_segments(request: Request, _visitor: SignedIn) -> list[SegmentRow]:
    """The saved segments."""
    return list(segments(request.app.state.shop))


@router.post("/segments/preview")
def preview_segment(request: Request, _visitor: SignedIn, question: AudienceQuestion) -> AudienceAnswer:
    """Counts an audience that need not be saved; a wrong tree gives every fault with its path."""
    found = preview(request.app.state.shop, question.tree)
    if found.faults:
        raise FaultsError("the audience", found.faults, chinese="人群规则")
    if found.count is None or found.of is None or found.seconds is None or found.as_of is None:
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


@router.get("/segments/{name}")
def get_segment(request: Request, _visitor: SignedIn, name: str) -> SegmentAnswer:
    """One segment."""
    found = segment_page(request.app.state.shop, name)
    return SegmentAnswer(segment=found.row, as_of=found.as_of, of=found.of, tree=dict(found.tree), line=found.line)


@router.get("/report")
def get_report(
    request: Request, _visitor: SignedIn, as_of: str | None = None, level: str | None = None
) -> dict[str, Any]:
    """The morning report of one level as one document."""
    shop = request.app.state.shop
    return report_document(shop, report(shop, as_of=_day(as_of), level=level))


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
