"""Refused events: the list, one of them, and their replay in parts that a page follows."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from shopkeeper.app.pages.refused_events import (
    Chosen,
    masked_event,
    refused_event,
    refused_events,
    replay_part,
    revealed_event,
)
from shopkeeper.base.errors import MissingError, UnavailableError, UsageError
from shopkeeper.web.permit import may
from shopkeeper.web.refusal_words import REASONS
from shopkeeper.web.render import page
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False, prefix="/sources/refused")
_Short = Annotated[str, Query(max_length=200)]
_Said = Annotated[str, Form(max_length=200)]
_Count = Annotated[int, Form(ge=0, le=10**9)]
_NAMELESS = "-"
"""What stands in an address for events that have neither name nor type."""


@router.get("", dependencies=[may("refused.read")])
def refused_list(
    request: Request, _visitor: SignedIn, reason: _Short = "", source: _Short = "", event: _Short = ""
) -> Response:
    """The refused events that wait, by reason, source and name."""
    chosen = _chosen(reason, source, event)
    return page(
        request,
        "refused_events.html",
        found=refused_events(request.app.state.shop, chosen),
        reasons=REASONS,
        reason=reason,
        source=source,
        event=event,
    )


@router.post("/replay", dependencies=[may("data.load")])
def refused_replay(
    request: Request,
    visitor: SignedIn,
    waiting: _Count,
    reason: _Said = "",
    source: _Said = "",
    event: _Said = "",
    refused_id: _Said = "",
    after: Annotated[str, Form(max_length=40)] = "",
    after_id: _Said = "",
    taken: _Count = 0,
    duplicate: _Count = 0,
    again: _Count = 0,
) -> Response:
    """Takes the next of the chosen events in again, and says how far it is; a page goes on by itself."""
    chosen = _chosen(reason, source, event, refused_id)
    place = (_instant(after), after_id) if after else None
    failure = None
    try:
        done = replay_part(request.app.state.shop, chosen, after=place, by=visitor.name)
    except UnavailableError as error:
        failure, done = error, None
    receipt = done.receipt if done else None
    tally = {
        "taken": taken + (receipt.stored if receipt else 0),
        "duplicate": duplicate + (receipt.duplicate if receipt else 0),
        "again": again + (receipt.refused if receipt else 0),
    }
    asked = {"reason": reason, "source": source, "event": event, "refused_id": refused_id}
    return page(
        request,
        "refused_replay.html",
        503 if failure else 200,
        asked=asked,
        tally=tally,
        waiting=max(waiting, sum(tally.values())),
        last=done.last if done else None,
        failure=failure,
        reasons=REASONS,
    )


@router.get("/{refused_id}", dependencies=[may("refused.read")])
def refused_one(request: Request, _visitor: SignedIn, refused_id: str) -> Response:
    """One refused event: what is wrong, and its form."""
    shop = request.app.state.shop
    found = refused_event(shop, refused_id)
    return _one(request, refused_id, masked_event(shop, refused_id), found=found)


@router.post("/{refused_id}/reveal", dependencies=[may("person.unmask")])
def refused_reveal(
    request: Request, visitor: SignedIn, refused_id: str, reason: Annotated[str, Form(max_length=1000)] = ""
) -> Response:
    """One refused event as it came, for a reason that the audit log keeps."""
    if not visitor.may("refused.read"):
        # Whether there is one is not told to who may not see them.
        raise MissingError("there is no such refused event", next_step="look for it in the list of refused events")
    shop = request.app.state.shop
    text = revealed_event(
        shop,
        refused_id,
        reason=reason,
        by=visitor.name,
        now=request.app.state.clock(),
        origin=request.client.host if request.client else None,
    )
    return _one(request, refused_id, text, found=refused_event(shop, refused_id), revealed=True)


def _one(request: Request, refused_id: str, text: str | None, *, found: object, revealed: bool = False) -> Response:
    return page(
        request,
        "refused_event.html",
        found=found,
        refused_id=refused_id,
        text=text,
        revealed=revealed,
        reasons=REASONS,
    )


def _chosen(reason: str, source: str, event: str, refused_id: str = "") -> Chosen:
    name = "" if event == _NAMELESS else event or None
    return Chosen(source or None, reason or None, name, (refused_id,) if refused_id else ())


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(f"'{text}' is no instant", next_step="begin the replay anew")
    return found
