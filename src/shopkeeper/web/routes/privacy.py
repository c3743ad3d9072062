"""Consent on the page of a person, and what persons ask of their data, with the clock."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, RedirectResponse

from shopkeeper.app.consent import change_consent, set_automated_decisions
from shopkeeper.app.pages.download import temporary
from shopkeeper.app.pages.seen import must_see
from shopkeeper.app.receipt import receipt_text
from shopkeeper.app.requests import ask, erase_as_asked, export_as_asked, finish, request_rows
from shopkeeper.base.errors import UsageError
from shopkeeper.web.permit import may
from shopkeeper.web.render import page, words_language
from shopkeeper.web.signed_in import SignedIn, scope_of_request

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_LONGEST = 1000


@router.post("/people/{person_id}/consent", dependencies=[may("consent.write")])
def person_consent(
    request: Request,
    visitor: SignedIn,
    person_id: str,
    csrf: Annotated[str, Form()],
    purpose: Annotated[str, Form()],
    channel: Annotated[str, Form()],
    granted: Annotated[bool, Form()],
) -> Response:
    """Notes that the person agrees, or withdraws: the same form either way."""
    del csrf  # the guard has checked it
    must_see(request.app.state.shop, person_id, scope_of_request(request))
    change_consent(request.app.state.shop, person_id, purpose, channel, granted=granted, by=visitor.name)
    return RedirectResponse(f"/people/{person_id}#consent", status_code=303)


@router.post("/people/{person_id}/decisions", dependencies=[may("consent.write")])
def person_decisions(
    request: Request,
    visitor: SignedIn,
    person_id: str,
    csrf: Annotated[str, Form()],
    allowed: Annotated[bool, Form()],
) -> Response:
    """Notes whether machines may decide about the person."""
    del csrf
    must_see(request.app.state.shop, person_id, scope_of_request(request))
    set_automated_decisions(request.app.state.shop, person_id, allowed=allowed, by=visitor.name)
    return RedirectResponse(f"/people/{person_id}#consent", status_code=303)


@router.get("/requests", dependencies=[may("requests.manage")])
def requests_page(request: Request, _visitor: SignedIn) -> Response:
    """The requests, those due first on top."""
    return page(request, "requests.html", rows=request_rows(request.app.state.shop), receipt="")


@router.post("/requests", dependencies=[may("requests.manage")])
def add_request(
    request: Request,
    visitor: SignedIn,
    csrf: Annotated[str, Form()],
    person_id: Annotated[str, Form()],
    kind: Annotated[str, Form()],
    note: Annotated[str, Form(max_length=_LONGEST)] = "",
) -> Response:
    """Takes a request in."""
    del csrf
    must_see(request.app.state.shop, person_id.strip(), scope_of_request(request))
    ask(request.app.state.shop, person_id.strip(), kind, by=visitor.name, note=note.strip() or None)
    return RedirectResponse("/requests", status_code=303)


@router.post("/requests/{request_id}/erase", dependencies=[may("requests.manage")])
def erase(
    request: Request,
    visitor: SignedIn,
    request_id: str,
    csrf: Annotated[str, Form()],
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """Erases the person for good and shows the receipt."""
    del csrf
    if not sure:
        raise UsageError("erasing has no way back", next_step="tick that you are sure")
    shop = request.app.state.shop
    receipt = erase_as_asked(shop, request_id, by=visitor.name)
    text = receipt_text(receipt, words_language(request))
    return page(request, "requests.html", rows=request_rows(shop), receipt=text)


@router.post("/requests/{request_id}/export", dependencies=[may("requests.manage")])
def export(request: Request, visitor: SignedIn, request_id: str, csrf: Annotated[str, Form()]) -> Response:
    """Gives everything that is held of the person, to be handed to them."""
    del csrf
    shop = request.app.state.shop
    file = temporary(shop, "zip", lambda place: export_as_asked(shop, request_id, place, by=visitor.name))
    return FileResponse(file, filename="person.zip", background=BackgroundTask(file.unlink, missing_ok=True))


@router.post("/requests/{request_id}/close", dependencies=[may("requests.manage")])
def close(
    request: Request,
    visitor: SignedIn,
    request_id: str,
    csrf: Annotated[str, Form()],
    refused: Annotated[bool, Form()] = False,
    note: Annotated[str, Form(max_length=_LONGEST)] = "",
) -> Response:
    """Notes that a request was done, or refused for a reason."""
    del csrf
    finish(request.app.state.shop, request_id, by=visitor.name, refused=refused, note=note.strip() or None)
    return RedirectResponse("/requests", status_code=303)
