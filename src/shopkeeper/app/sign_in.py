"""Signing people in and out of the console, and telling programs by their keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkeeper.app.shop import Shop
from shopkeeper.app.visitor import Visitor, key_visitor, user_visitor

__all__ = [
    "KeyShown",
    "SignIn",
    "Visitor",
    "note_key",
    "sign_in",
    "sign_out",
    "state_answers",
    "visitor_of",
    "visitor_of_key",
]

_USE_NOTED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A session that just began: what the browser keeps, for how many seconds at most, and who it is."""

    token: str
    seconds: int
    visitor: Visitor


@dataclass(frozen=True, slots=True)
class KeyShown:
    """Whose key was shown, and whether it is time to note that it was used."""

    visitor: Visitor
    is_due: bool


def sign_in(shop: Shop, name: str, password: str, *, now: datetime, origin: str | None = None) -> SignIn | None:
    """Starts a session for a name and password, and leaves an audit row.

    Args:
        shop: The shop.
        name: The name typed.
        password: The password typed.
        now: The present instant.
        origin: The address it comes from.

    Returns:
        The new session, or None when they do not fit together, after the same time whoever exists.

    Raises:
        UnavailableError: Too many sign in at once.
    """
    user = shop.state.users.check(name, password)
    if user is None:
        return None
    token, session = shop.state.sessions.start(user.id, now=now)
    shop.state.audit.append(user.name, "sign-in", user.id, now=now, origin=origin)
    return SignIn(token, int((session.ends_at - now).total_seconds()), _visitor(shop, user.id))


def visitor_of(shop: Shop, token: str, *, now: datetime) -> Visitor | None:
    """Gives who holds a live session, and notes that it was used."""
    session = shop.state.sessions.find(token, now=now)
    return _visitor(shop, session.user_id) if session is not None else None


def visitor_of_key(shop: Shop, secret: str, *, now: datetime) -> KeyShown | None:
    """Gives whose key a secret is; None where it holds no more."""
    key = shop.state.api_keys.find(secret, now=now)
    if key is None:
        return None
    is_due = key.last_used_at is None or now - key.last_used_at >= _USE_NOTED
    return KeyShown(key_visitor(key_id=key.id, name=key.name, scopes=key.scopes), is_due)


def note_key(shop: Shop, visitor: Visitor, *, now: datetime) -> None:
    """Notes to the minute that a key was used."""
    shop.state.api_keys.used({visitor.user_id: now})


def sign_out(shop: Shop, token: str) -> None:
    """Ends a session."""
    shop.state.sessions.end(token)


def state_answers(shop: Shop) -> None:
    """Asks the state store for something small.

    Raises:
        StorageError: It does not answer.
    """
    shop.state.sessions.find("nobody", now=shop.clock())


def _visitor(shop: Shop, user_id: str) -> Visitor:
    user = shop.state.users.get(user_id)
    return user_visitor(
        user_id=user.id,
        name=user.name,
        role=user.role,
        language=user.language,
        org_unit=user.org_unit,
        stores=shop.state.users.stores_of(user.id),
    )
