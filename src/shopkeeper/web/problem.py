"""Errors as answers: one shape for programs (RFC 9457), one page for people."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from shopkeeper.app.log import noted
from shopkeeper.base.errors import (
    AlreadyThereError,
    ConflictError,
    DataError,
    FaultsError,
    ForbiddenError,
    MissingError,
    QueryError,
    ShopkeeperError,
    UnavailableError,
    UsageError,
)
from shopkeeper.base.ids import new_id
from shopkeeper.web.language import language_of
from shopkeeper.web.render import page, words_language
from shopkeeper.web.security import secured
from shopkeeper.web.signed_in import SignInNeededError

__all__ = ["PROBLEMS", "Problem", "install", "problem"]

_STATUS: tuple[tuple[type[ShopkeeperError], int], ...] = (
    (SignInNeededError, 401),
    (ForbiddenError, 403),
    (MissingError, 404),
    (AlreadyThereError, 409),
    (ConflictError, 409),
    (FaultsError, 422),
    (DataError, 422),
    (QueryError, 422),
    (UsageError, 400),
    (UnavailableError, 503),
)


class ProblemPart(BaseModel):
    """One fault among several."""

    path: str
    message: str


class Problem(BaseModel):
    """What a program gets when something fails (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemPart]
    next: str | None = None


PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "content": {"application/problem+json": {}}, "description": HTTPStatus(code).phrase}
    for code in (400, 401, 403, 404, 409, 413, 422, 429, 503)
}
"""The failures that every route of the API may answer with."""

_PROGRAM_PATHS = ("/api/", "/v1/", "/metrics")
_log = structlog.get_logger("shopkeeper.web")


def install(app: FastAPI) -> None:
    """Has the application answer every failure in the one shape."""
    app.add_exception_handler(ShopkeeperError, _shopkeeper_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def problem(status: int, detail: str, errors: Sequence[dict[str, str]] = (), **more: str) -> JSONResponse:
    """Makes the answer a program gets: `type`, `title`, `status`, `detail`, and `errors` with a path each."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": list(errors),
        **more,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def _answer(request: Request, status: int, detail: str, errors: Sequence[dict[str, str]] = (), **more: str) -> Response:
    if request.url.path.startswith(_PROGRAM_PATHS):
        return problem(status, detail, errors, **more)
    return page(request, "error.html", status, code=status, detail=detail, errors=errors, more=more)


def _shopkeeper_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ShopkeeperError)  # noqa: S101 - what the handler is installed for
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    if isinstance(error, SignInNeededError) and not request.url.path.startswith(_PROGRAM_PATHS):
        return _to_sign_in(request)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("failed", route=_route(request), error=type(error).__name__)
    language = _language(request)
    faults = getattr(error, "faults", ())
    errors = [{"path": fault.path, "message": fault.said(language)} for fault in faults]
    detail = error.said(language) if isinstance(error, FaultsError) else error.message
    more = {"next": error.next_step} if error.next_step else {}
    return _answer(request, status, detail.strip(), errors, **more)


def _route(request: Request) -> str:
    """The route of a request for the log: its path may name somebody."""
    return str(getattr(request.scope.get("route"), "path", "other"))


def _language(request: Request) -> str:
    """Programs get the language they ask for, English by default; a page is in the language of its visitor."""
    is_program = request.url.path.startswith(_PROGRAM_PATHS)
    return language_of(request, "en") if is_program else words_language(request)


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"hx-redirect": "/sign-in"})
    query = f"?{request.url.query}" if request.url.query else ""
    asked = RedirectResponse("/sign-in", status_code=303)
    if request.method == "GET" and request.url.path != "/":
        asked.headers["location"] = "/sign-in" + "?" + urlencode({"next": request.url.path + query})
    return asked


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what the handler is installed for
    errors = [
        {"path": ".".join(str(part) for part in fault["loc"]), "message": str(fault["msg"])} for fault in error.errors()
    ]
    return _answer(request, 422, "the request does not fit", errors)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what the handler is installed for
    answer = _answer(request, error.status_code, str(error.detail))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _unexpected(request: Request, error: Exception) -> Response:
    reference = new_id("err")
    _log.error("failed unexpectedly", route=_route(request), error=noted(error), reference=reference)
    answer = _answer(request, 500, "something went wrong on our side", reference=reference)
    # This handler stands outside of every middleware.
    secured(answer.headers, request.url.scheme)
    return answer
