"""The console's cookies: their names, and how they are set and taken away."""

import secrets

from starlette.requests import Request
from starlette.responses import Response

__all__ = [
    "THEMES",
    "THEME_COOKIE",
    "clear_session_cookie",
    "form_cookie",
    "is_secure",
    "issue_form_cookie",
    "put_form_cookie",
    "session_cookie",
    "set_preference",
    "set_session_cookie",
]

THEME_COOKIE = "shopkeeper_theme"
THEMES = ("auto", "light", "dark")
_YEAR = 365 * 24 * 3600


def session_cookie(request: Request) -> str | None:
    """Gives the session token that the browser sent, if any."""
    return request.cookies.get(_name(request, "session"))


def form_cookie(request: Request) -> str | None:
    """Gives the secret that binds the forms of a browser that is not signed in, sent or just issued."""
    issued: str | None = getattr(request.state, "form_secret", None)
    return issued or request.cookies.get(_name(request, "form"))


def issue_form_cookie(request: Request) -> None:
    """Gives a browser without any secret a fresh one; `put_form_cookie` sets it on the answer."""
    if session_cookie(request) is None and form_cookie(request) is None:
        request.state.form_secret = secrets.token_hex(16)


def put_form_cookie(request: Request, response: Response) -> None:
    """Sets the secret that `issue_form_cookie` made for this request, if it did."""
    issued: str | None = getattr(request.state, "form_secret", None)
    if issued:
        _set(request, response, _name(request, "form"), issued, None)


def set_session_cookie(request: Request, response: Response, token: str, seconds: int) -> None:
    """Hands the browser its session: out of reach of scripts, for this host only, gone at the session's end."""
    _set(request, response, _name(request, "session"), token, seconds)


def clear_session_cookie(request: Request, response: Response) -> None:
    """Takes the session back from the browser."""
    _set(request, response, _name(request, "session"), "", 0)


def set_preference(request: Request, response: Response, name: str, value: str) -> None:
    """Keeps a choice of looks for a year; it says nothing about the person."""
    _set(request, response, name, value, _YEAR)


def is_secure(request: Request) -> bool:
    """Whether the browser speaks https, with us or with the proxy before us, as the settings say."""
    return request.url.scheme == "https" or bool(request.app.state.shop.settings.web.secure_cookies)


def _name(request: Request, what: str) -> str:
    """On https the `__Host-` prefix pins the cookie to this host; loopback http cannot carry it."""
    return f"__Host-shopkeeper_{what}" if is_secure(request) else f"shopkeeper_{what}"


def _set(request: Request, response: Response, name: str, value: str, seconds: int | None) -> None:
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=is_secure(request), httponly=True, samesite="lax"
    )
