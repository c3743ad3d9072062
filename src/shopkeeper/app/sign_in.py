"""Signing people in and out of the console."""

from dataclasses import dataclass
from datetime import datetime

from shopkeeper.app.shop import Shop

__all__ = ["SignIn", "Visitor", "sign_in", "sign_out", "state_answers", "visitor_of"]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who uses the console.

    Args:
        user_id: The user.
        name: The name the person signed in with.
        role: What the person may do.
        language: `en` or `zh`, as the person was added.
    """

    user_id: str
    name: str
    role: str
    language: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """A session that just began: what the browser keeps, and for how many seconds at most."""

    token: str
    seconds: int


def sign_in(shop: Shop, name: str, password: str, *, now: datetime) -> SignIn | None:
    """Starts a session for a name and password.

    Args:
        shop: The shop.
        name: The name typed.
        password: The password typed.
        now: The present instant.

    Returns:
        The new session, or None when they do not fit together, after the same time whoever exists.

    Raises:
        UnavailableError: Too many sign in at once.
    """
    user = shop.state.users.check(name, password)
    if user is None:
        return None
    token, session = shop.state.sessions.start(user.id, now=now)
    return SignIn(token, int((session.ends_at - now).total_seconds()))


def visitor_of(shop: Shop, token: str, *, now: datetime) -> Visitor | None:
    """Gives who holds a live session, and notes that it was used."""
    session = shop.state.sessions.find(token, now=now)
    if session is None:
        return None
    user = shop.state.users.get(session.user_id)
    return Visitor(user.id, user.name, user.role, user.language)


def sign_out(shop: Shop, token: str) -> None:
    """Ends a session."""
    shop.state.sessions.end(token)


def state_answers(shop: Shop) -> None:
    """Asks the state store for something small.

    Raises:
        StorageError: It does not answer.
    """
    shop.state.sessions.find("nobody", now=shop.clock())
