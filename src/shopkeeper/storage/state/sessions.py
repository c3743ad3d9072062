"""Sessions: who is signed in, kept on the server under a hash of what the browser holds."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, or_, select, update

from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Session", "Sessions"]


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in that lasts.

    Args:
        hashed_id: SHA-256 of the session id; the id itself is only in the browser's cookie.
        user_id: Who signed in.
        csrf_secret: What the session's form tokens are made from.
        created_at: When the person signed in.
        seen_at: When the session was last used, to the tenth of its idle time.
        idle_until: When it ends if it is not used.
        ends_at: When it ends in any case.
    """

    hashed_id: str
    user_id: str
    csrf_secret: str
    created_at: datetime
    seen_at: datetime
    idle_until: datetime
    ends_at: datetime


class Sessions:
    """The sessions of a shop.

    Args:
        database: Where they are kept.
        idle: How long one lasts unused.
        absolute: How long one lasts at most.
    """

    def __init__(
        self, database: Database, idle: timedelta = timedelta(hours=2), absolute: timedelta = timedelta(hours=12)
    ) -> None:
        self._database = database
        self._idle, self._absolute = idle, absolute

    def start(self, user_id: str, *, now: datetime) -> tuple[str, Session]:
        """Signs a user in.

        Returns:
            The session id for the cookie (256 random bits, nowhere kept) and the session.

        Raises:
            MissingError: There is no such user.
        """
        session_id = secrets.token_urlsafe(32)
        session = Session(
            _hashed(session_id),
            user_id,
            secrets.token_urlsafe(32),
            now,
            now,
            min(now + self._idle, now + self._absolute),
            now + self._absolute,
        )
        row = {name: getattr(session, name) for name in Session.__slots__}
        with self._database.write() as connection:
            connection.execute(tables.sessions.insert().values(row))
        return session_id, session

    def find(self, session_id: str, *, now: datetime) -> Session | None:
        """Gives the live session of a cookie and notes that it was used; None if it ended or the user is disabled."""
        sessions, users = tables.sessions, tables.users
        query = (
            select(sessions)
            .join(users, users.c.id == sessions.c.user_id)
            .where(
                sessions.c.hashed_id == _hashed(session_id),
                sessions.c.idle_until > now,
                sessions.c.ends_at > now,
                users.c.disabled_at.is_(None),
            )
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        session = Session(**row)
        return self._used(session, now) if now - session.seen_at >= self._idle / 10 else session

    def end(self, session_id: str) -> None:
        """Signs out; a session that is not there is signed out already."""
        with self._database.write() as connection:
            connection.execute(delete(tables.sessions).where(tables.sessions.c.hashed_id == _hashed(session_id)))

    def end_all(self, user_id: str) -> int:
        """Signs a user out everywhere and says from how many sessions."""
        with self._database.write() as connection:
            return connection.execute(delete(tables.sessions).where(tables.sessions.c.user_id == user_id)).rowcount

    def of(self, user_id: str, *, now: datetime) -> list[Session]:
        """Gives a user's live sessions, newest first."""
        sessions = tables.sessions
        live = and_(sessions.c.user_id == user_id, sessions.c.idle_until > now, sessions.c.ends_at > now)
        with self._database.read() as connection:
            rows = connection.execute(select(sessions).where(live).order_by(sessions.c.created_at.desc()))
            return [Session(**row) for row in rows.mappings()]

    def sweep(self, *, now: datetime) -> int:
        """Removes the sessions that ended and says how many."""
        sessions = tables.sessions
        with self._database.write() as connection:
            ended = or_(sessions.c.idle_until <= now, sessions.c.ends_at <= now)
            return connection.execute(delete(sessions).where(ended)).rowcount

    def _used(self, session: Session, now: datetime) -> Session:
        idle_until = min(now + self._idle, session.ends_at)
        change = update(tables.sessions).where(tables.sessions.c.hashed_id == session.hashed_id)
        with self._database.write() as connection:
            connection.execute(change.values(seen_at=now, idle_until=idle_until))
        values = {name: getattr(session, name) for name in Session.__slots__}
        return Session(**(values | {"seen_at": now, "idle_until": idle_until}))


def _hashed(session_id: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(session_id.encode()).hexdigest()
