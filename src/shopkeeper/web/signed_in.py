"""Who is asking: the session, or on the API the key, behind a request."""

import math
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from shopkeeper.app.sign_in import Visitor, note_key, visitor_of, visitor_of_key
from shopkeeper.app.visitor import Scope, scope_of
from shopkeeper.base.errors import ForbiddenError
from shopkeeper.web.cookies import session_cookie
from shopkeeper.web.rate import RateLimit

__all__ = ["SignInNeededError", "SignedIn", "WrongKeys", "bearer_of", "scope_of_request", "signed_in"]

_KEYED = ("/api/v1/", "/metrics")
_TRIES = 20
_SECONDS = 300


class SignInNeededError(ForbiddenError):
    """The page or call needs a person who signed in."""


class WrongKeys:
    """How many wrong keys an address may show: twenty, then one each fifteen seconds."""

    def __init__(self) -> None:
        self._limit = RateLimit(tries=_TRIES, seconds=_SECONDS)

    def shown(self, request: Request) -> float:
        """Notes a wrong key; gives the seconds to wait, 0 while there are tries left."""
        return self._limit.wait(request.client.host if request.client else "unknown", request.app.state.clock())


def bearer_of(request: Request) -> str | None:
    """Gives the API key that a call of `/api/v1` or a monitor shows; where there is one, no cookie counts."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and request.url.path.startswith(_KEYED) else None


async def signed_in(request: Request) -> Visitor:
    """Gives who is signed in; every route but the public ones depends on it.

    Raises:
        SignInNeededError: Nobody is, the session has ended, or the key holds no more.
        HTTPException: Too many wrong keys came from the address.
    """
    secret = bearer_of(request)
    visitor = await run_in_threadpool(_by_session, request) if secret is None else await _by_key(request, secret)
    if visitor is None:
        raise SignInNeededError("sign in first", next_step="open /sign-in")
    request.state.visitor = visitor
    return visitor


def scope_of_request(request: Request) -> Scope | None:
    """Gives the stores that the visitor sees, None for the whole chain; worked out once a request."""
    known: Scope | None
    if hasattr(request.state, "scope_seen"):
        known = request.state.scope_seen
        return known
    known = scope_of(request.app.state.shop, request.state.visitor)
    request.state.scope_seen = known
    return known


def _by_session(request: Request) -> Visitor | None:
    token = session_cookie(request)
    return visitor_of(request.app.state.shop, token, now=request.app.state.clock()) if token else None


async def _by_key(request: Request, secret: str) -> Visitor | None:
    shop, now = request.app.state.shop, request.app.state.clock()
    if shop.state.is_at_hand:
        shown = visitor_of_key(shop, secret, now=now)
    else:
        shown = await run_in_threadpool(visitor_of_key, shop, secret, now=now)
    if shown is None:
        wait = math.ceil(request.app.state.wrong_keys.shown(request))
        if wait:
            raise HTTPException(429, "too many wrong keys", headers={"retry-after": str(wait)})
        return None
    if shown.is_due:
        await run_in_threadpool(note_key, shop, shown.visitor, now=now)
    return shown.visitor


SignedIn = Annotated[Visitor, Depends(signed_in)]
