"""Who is asking: the session behind a request."""

from typing import Annotated

from fastapi import Depends, Request

from shopkeeper.app.sign_in import Visitor, visitor_of
from shopkeeper.base.errors import ForbiddenError
from shopkeeper.web.cookies import session_cookie

__all__ = ["SignInNeededError", "SignedIn", "signed_in"]


class SignInNeededError(ForbiddenError):
    """The page or call needs a person who signed in."""


def signed_in(request: Request) -> Visitor:
    """Gives who is signed in; every route but the public ones depends on it.

    Raises:
        SignInNeededError: Nobody is, or the session has ended.
    """
    token = session_cookie(request)
    visitor = visitor_of(request.app.state.shop, token, now=request.app.state.clock()) if token else None
    if visitor is None:
        raise SignInNeededError("sign in first", next_step="open /sign-in")
    request.state.visitor = visitor
    return visitor


SignedIn = Annotated[Visitor, Depends(signed_in)]
