"""Unsafe requests must come from our own page: the origin is checked and a token that only our pages carry."""

import hashlib
import hmac
import secrets

from starlette.requests import Request

from shopkeeper.base.errors import ForbiddenError, UsageError
from shopkeeper.web.cookies import form_cookie, is_secure, session_cookie
from shopkeeper.web.file_form import FILE_PATH, drop_file, file_form
from shopkeeper.web.signed_in import bearer_of, signed_in

__all__ = ["FIELD", "HEADER", "guard", "token_for"]

FIELD = "csrf"
HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NONCE_CHARACTERS = 16


def token_for(request: Request) -> str:
    """Makes a token for the forms of one answer.

    It is a fresh nonce and its HMAC under the browser's cookie, so that two answers never carry the same text and
    compression gives nothing away.
    """
    nonce = secrets.token_hex(_NONCE_CHARACTERS // 2)
    return nonce + _seal(_secret(request), nonce)


async def guard(request: Request) -> None:
    """Refuses an unsafe request that does not come from a page of ours; runs before every route.

    Raises:
        ForbiddenError: The origin is foreign or the token is missing or wrong.
        UsageError: A form of several parts comes to where none is taken.
    """
    if request.method in _SAFE or bearer_of(request) is not None:
        # A key is no cookie: no page of another site makes a browser send it, and beside it no cookie counts.
        return
    if not _own_origin(request):
        raise ForbiddenError("this request came from another site", next_step="open the console and try again")
    if request.headers.get("content-type", "").startswith("multipart/"):
        if request.url.path != FILE_PATH:
            raise UsageError("no form with a file is taken here", next_step=f"send a file to {FILE_PATH}")
        # A file is read only from who is signed in: reading it is already work.
        await signed_in(request)
    sent = request.headers.get(HEADER) or await _field(request)
    nonce, seal = sent[:_NONCE_CHARACTERS], sent[_NONCE_CHARACTERS:]
    secret = _secret(request)
    if not secret or not hmac.compare_digest(seal.encode(), _seal(secret, nonce).encode()):
        await drop_file(request)
        raise ForbiddenError("the page was too old to act on", next_step="reload the page and try again")


def _secret(request: Request) -> str:
    return session_cookie(request) or form_cookie(request) or ""


def _seal(secret: str, nonce: str) -> str:
    return hmac.new(secret.encode(), f"csrf:{nonce}".encode(), hashlib.sha256).hexdigest()


def _own_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    scheme = "https" if is_secure(request) else "http"
    return request.headers.get("origin") == f"{scheme}://{request.headers.get('host', '')}"


async def _field(request: Request) -> str:
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        value = (await file_form(request)).get(FIELD, "")
    elif kind.startswith("application/x-www-form-urlencoded"):
        value = (await request.form()).get(FIELD, "")
    else:
        return ""
    return value if isinstance(value, str) else ""
