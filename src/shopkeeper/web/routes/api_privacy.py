"""The JSON API of the consent ledger and of persons' requests."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shopkeeper.app.consent import change_consent, consent_page
from shopkeeper.app.pages.person import person_page
from shopkeeper.app.pages.seen import must_see
from shopkeeper.app.requests import ask
from shopkeeper.schema.consent import CHANNELS, PURPOSES
from shopkeeper.web.permit import may
from shopkeeper.web.problem import PROBLEMS
from shopkeeper.web.signed_in import SignedIn, scope_of_request

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)
_SHORT = 200


class StandingAnswer(BaseModel):
    """How a person stands to one purpose on one channel."""

    purpose: str
    channel: str
    granted: bool
    since: datetime | None


class ChangeAnswer(BaseModel):
    """One change in the ledger with its evidence."""

    purpose: str
    channel: str
    granted: bool
    source: str
    who: str
    text_version: str | None
    text_language: str | None
    evidence: dict[str, str]
    occurred_at: datetime
    recorded_at: datetime


class ConsentAnswer(BaseModel):
    """A person's consent: what holds, and everything that was said, newest first."""

    person_id: str
    automated_decisions: bool
    sample_data: bool
    standings: list[StandingAnswer]
    changes: list[ChangeAnswer]


class ConsentSaid(BaseModel):
    """What a person said: `granted` true gives, false withdraws; all else is the same."""

    model_config = ConfigDict(extra="forbid")
    person_id: str = Field(max_length=_SHORT)
    purpose: str = Field(max_length=_SHORT, json_schema_extra={"enum": list(PURPOSES)})
    channel: str = Field(max_length=_SHORT, json_schema_extra={"enum": list(CHANNELS)})
    granted: bool
    text_version: str | None = Field(None, max_length=_SHORT, description="Version of the text shown; giving needs it.")
    text_language: str | None = Field(None, max_length=_SHORT)
    occurred_at: AwareDatetime | None = Field(None, description="When it was said; now by default.")
    evidence: dict[Annotated[str, Field(max_length=_SHORT)], Annotated[str, Field(max_length=_SHORT)]] = Field(
        default_factory=dict, max_length=20, description="What else proves it; never a phone number or an address."
    )
    message_id: str | None = Field(None, max_length=_SHORT, description="The same message again changes nothing.")


class RequestAsked(BaseModel):
    """What a person asks of their data."""

    model_config = ConfigDict(extra="forbid")
    person_id: str = Field(max_length=_SHORT)
    kind: str = Field(max_length=_SHORT, description="access, correction or erasure")
    note: str | None = Field(None, max_length=1000)


class RequestAnswer(BaseModel):
    """A request with the instant by which it must be done."""

    id: str
    kind: str
    state: str
    asked_at: datetime
    due_at: datetime


@router.get("/consents", dependencies=[may("people.read")])
def get_consents(
    request: Request, _visitor: SignedIn, person_id: Annotated[str, Query(max_length=_SHORT)]
) -> ConsentAnswer:
    """A person's consent, with evidence."""
    shop = request.app.state.shop
    person_page(shop, person_id, scope_of_request(request))
    found = consent_page(shop, person_id)
    return ConsentAnswer(
        person_id=person_id,
        automated_decisions=found.may_decide,
        sample_data=found.is_sample,
        standings=[
            StandingAnswer(
                purpose=each.purpose,
                channel=each.channel,
                granted=each.granted,
                since=each.change.occurred_at if each.change else None,
            )
            for each in found.standings
        ],
        changes=[
            ChangeAnswer(
                purpose=each.purpose,
                channel=each.channel,
                granted=each.granted,
                source=each.source,
                who=each.who,
                text_version=each.text_version,
                text_language=each.text_language,
                evidence={name: str(value) for name, value in each.evidence.items()},
                occurred_at=each.occurred_at,
                recorded_at=each.recorded_at,
            )
            for each in found.history
        ],
    )


@router.post("/consents", dependencies=[may("consent.write")])
def post_consent(request: Request, visitor: SignedIn, said: ConsentSaid) -> StandingAnswer:
    """Gives or withdraws consent; the same message again changes nothing."""
    must_see(request.app.state.shop, said.person_id, scope_of_request(request))
    change = change_consent(
        request.app.state.shop,
        said.person_id,
        said.purpose,
        said.channel,
        granted=said.granted,
        by=visitor.name,
        source="api",
        text_version=said.text_version,
        text_language=said.text_language,
        occurred_at=said.occurred_at,
        evidence=said.evidence,
        message_id=said.message_id,
    )
    return StandingAnswer(
        purpose=change.purpose, channel=change.channel, granted=change.granted, since=change.occurred_at
    )


@router.post("/requests", dependencies=[may("requests.manage")])
def post_request(request: Request, visitor: SignedIn, asked: RequestAsked) -> RequestAnswer:
    """Takes a person's request in; its clock runs from now."""
    must_see(request.app.state.shop, asked.person_id, scope_of_request(request))
    made = ask(request.app.state.shop, asked.person_id, asked.kind, by=visitor.name, note=asked.note)
    return RequestAnswer(id=made.id, kind=made.kind, state=made.state, asked_at=made.asked_at, due_at=made.due_at)
