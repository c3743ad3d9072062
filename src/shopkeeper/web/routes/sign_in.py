"""Signing in and out, and the looks a person chooses."""

import math
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from shopkeeper.app.sign_in import sign_in, sign_out
from shopkeeper.base.errors import UsageError
from shopkeeper.web.cookies import (
    THEME_COOKIE,
    THEMES,
    clear_session_cookie,
    session_cookie,
    set_preference,
    set_session_cookie,
)
from shopkeeper.web.language import LANGUAGE_COOKIE, LANGUAGES
from shopkeeper.web.navigation import NAVIGATION
from shopkeeper.web.permit import SELF, may, public
from shopkeeper.web.rate import RateLimit
from shopkeeper.web.render import page
from shopkeeper.web.signed_in import SignedIn

__all__ = ["SignInLimits", "router"]

router = APIRouter(include_in_schema=False)


class SignInLimits:
    """What sign-in allows: ten tries of a name from an address, and fewer than a guesser needs overall."""

    def __init__(self) -> None:
        self._pair = RateLimit(tries=10, seconds=300)
        self._address = RateLimit(tries=30, seconds=300)
        self._name = RateLimit(tries=100, seconds=3600)

    def wait(self, request: Request, name: str) -> float:
        """Takes one try; gives the seconds to wait, 0 when the try may go on."""
        now = request.app.state.clock()
        return max(limit.wait(key, now) for limit, key in self._keys(request, name))

    def right(self, request: Request, name: str) -> None:
        """Gives the try back: it was right."""
        for limit, key in self._keys(request, name):
            limit.give_back(key)

    def _keys(self, request: Request, name: str) -> tuple[tuple[RateLimit, str], ...]:
        address = request.client.host if request.client else "unknown"
        key = name.casefold()
        return (self._pair, f"{address} {key}"), (self._address, address), (self._name, key)


@router.get("/sign-in", dependencies=[public])
def sign_in_page(request: Request, next_path: Annotated[str, Query(alias="next")] = "/") -> Response:
    """The sign-in page."""
    return page(request, "sign_in.html", next_path=_own_path(next_path), name="", failed=False, wait=0)


@router.post("/sign-in", dependencies=[public])
def sign_in_form(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    next_path: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Signs in; a wrong name and a wrong password get the same answer in the same time."""
    target = _own_path(next_path)
    wait = math.ceil(request.app.state.sign_in_limits.wait(request, name))
    if wait:
        answer = page(request, "sign_in.html", 429, next_path=target, name=name, failed=False, wait=wait)
        answer.headers["retry-after"] = str(wait)
        return answer
    origin = request.client.host if request.client else None
    session = sign_in(request.app.state.shop, name, password, now=request.app.state.clock(), origin=origin)
    if session is None:
        return page(request, "sign_in.html", 401, next_path=target, name=name, failed=True, wait=0)
    request.app.state.sign_in_limits.right(request, name)
    if target == "/" and not session.visitor.may("overview.read"):
        target = next((place.path for place in NAVIGATION if session.visitor.may(place.permission)), "/")
    entered = RedirectResponse(target, status_code=303)
    set_session_cookie(request, entered, session.token, session.seconds)
    return entered


@router.post("/sign-out", dependencies=[may(SELF)])
def sign_out_form(request: Request, _visitor: SignedIn) -> Response:
    """Ends the session on the server and in the browser."""
    token = session_cookie(request)
    if token:
        sign_out(request.app.state.shop, token)
    answer = RedirectResponse("/sign-in", status_code=303)
    clear_session_cookie(request, answer)
    return answer


@router.post("/looks", dependencies=[public])
def looks_form(
    request: Request,
    language: Annotated[str | None, Form()] = None,
    theme: Annotated[str | None, Form()] = None,
    next_path: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Keeps the language or theme a person chose."""
    answer = RedirectResponse(_own_path(next_path), status_code=303)
    if language is not None:
        set_preference(request, answer, LANGUAGE_COOKIE, _one_of(language, LANGUAGES))
    if theme is not None:
        set_preference(request, answer, THEME_COOKIE, _one_of(theme, THEMES))
    return answer


def _one_of(value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UsageError(f"'{value}' is none of {', '.join(choices)}")
    return value


def _own_path(path: str) -> str:
    """A path of ours, never another site's: two slashes, or a slash and a backslash, begin an address."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain else "/"
