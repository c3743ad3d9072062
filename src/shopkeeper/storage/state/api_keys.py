"""API keys: what a program shows instead of signing in; of a key only its hash is kept."""

import hashlib
import secrets
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, select, update

from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.base.ids import new_id
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["ApiKey", "ApiKeys", "looks_like_key"]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET = 43  # characters of 62: 256 bits
_CHECK = 6
_SHOWN = 8
_MOST_KNOWN = 1_000


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key; its secret was shown once and is nowhere.

    Args:
        id: Its id.
        name: What it is for, in people's words.
        prefix: How its secret begins, so that its owner knows it.
        scopes: What it may do; `collect` for a write key of the Segment API.
        source: The source of what it brings, for a write key.
        is_browser: Whether it stands in a page or an app, where anybody may read it.
        user_kind: What the user ids are that it brings: `user` or `member_no`.
        created_by: Who made it.
        created_at: When.
        expires_at: Until when it holds, None for ever.
        last_used_at: When it was used last, to the minute.
        revoked_at: Since when it holds no more.
    """

    id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    source: str | None
    is_browser: bool
    user_kind: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it may be used."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


_COLUMNS = [column for column in tables.api_keys.c if column.name != "hash"]
# Asked for with every request of a program: put together once.
_BY_HASH = select(*_COLUMNS).where(tables.api_keys.c.hash == bindparam("wanted"))
_BY_ID = select(*_COLUMNS).where(tables.api_keys.c.id == bindparam("wanted"))


def looks_like_key(secret: str) -> bool:
    """Whether a text has the form of a key and its check digits: a mistyped one need not be looked up."""
    head, _, rest = secret.rpartition("_")
    return (
        head in ("sk_server", "sk_browser")
        and len(rest) == _SECRET + _CHECK
        and rest[_SECRET:] == _check(f"{head}_{rest[:_SECRET]}")
    )


class ApiKeys:
    """The API keys of a shop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[tuple[Any, ...], ApiKey]] = {}

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        by: str,
        now: datetime,
        source: str | None = None,
        is_browser: bool = False,
        user_kind: str = "user",
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Makes a key.

        Args:
            name: What it is for.
            scopes: What it may do.
            by: Who makes it.
            now: The present instant.
            source: The source of what it brings.
            is_browser: Whether anybody may read it where it stands.
            user_kind: What the user ids are that it brings.
            expires_at: Until when it holds.

        Returns:
            The key and its secret, which cannot be had again.

        Raises:
            UsageError: It has no name or no scope.
        """
        if not name.strip() or not scopes:
            raise UsageError("a key needs a name and a scope", next_step="shopkeeper key create --help")
        head = (
            f"sk_{'browser' if is_browser else 'server'}_{''.join(secrets.choice(_ALPHABET) for _ in range(_SECRET))}"
        )
        secret = head + _check(head)
        key = ApiKey(
            new_id("key"),
            name.strip(),
            secret[: len("sk_browser_" if is_browser else "sk_server_") + _SHOWN],
            tuple(scopes),
            source,
            is_browser,
            user_kind,
            by,
            now,
            expires_at,
            None,
            None,
        )
        row = {column.name: getattr(key, column.name) for column in _COLUMNS}
        row |= {"scopes": list(key.scopes), "hash": _hash(secret)}
        with self._database.write() as connection:
            connection.execute(tables.api_keys.insert().values(row))
        return key, secret

    def find(self, secret: str, *, now: datetime) -> ApiKey | None:
        """Gives the key of a secret, None where there is none that holds."""
        return self._holding(_BY_HASH, _hash(secret), now) if looks_like_key(secret) else None

    def get(self, key_id: str, *, now: datetime) -> ApiKey | None:
        """Gives the key of an id, None where there is none that holds."""
        return self._holding(_BY_ID, key_id, now)

    def _holding(self, query: Select[Any], wanted: str, now: datetime) -> ApiKey | None:
        kept = next(iter(self._database.ask(query, {"wanted": wanted})), None)
        if kept is None:
            return None
        known = self._known.get(wanted)
        if known is None or known[0] != kept:
            # It is read whole only when its row is another than last time.
            with self._database.read() as connection:
                row = connection.execute(query, {"wanted": wanted}).mappings().first()
            if row is None:
                return None
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[wanted] = kept, _key(row)
        return known[1] if known[1].holds(now) else None

    def all(self) -> list[ApiKey]:
        """Gives all keys, the newest first, revoked ones too."""
        query = select(*_COLUMNS).order_by(tables.api_keys.c.created_at.desc(), tables.api_keys.c.id.desc())
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(query).mappings()]

    def revoke(self, key_id: str, *, now: datetime) -> ApiKey:
        """Ends a key at once; one that has ended stays as it was.

        Raises:
            MissingError: There is no such key.
        """
        keys = tables.api_keys
        with self._database.write() as connection:
            held = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(revoked_at=now)
            connection.execute(held)
            row = connection.execute(select(*_COLUMNS).where(keys.c.id == key_id)).mappings().first()
        if row is None:
            raise MissingError(f"there is no key '{key_id}'", next_step="shopkeeper key list")
        return _key(row)

    def used(self, last_used: Mapping[str, datetime]) -> None:
        """Notes when keys were used last, by id."""
        keys = tables.api_keys
        with self._database.write() as connection:
            for key_id, at in last_used.items():
                connection.execute(update(keys).where(keys.c.id == key_id).values(last_used_at=at))


def _key(row: RowMapping) -> ApiKey:
    values: dict[str, Any] = dict(row)
    return ApiKey(**{**values, "scopes": tuple(values["scopes"])})


def _hash(secret: str) -> str:
    # Of 256 random bits a plain hash is enough: nobody guesses them.
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(text: str) -> str:
    number, found = zlib.crc32(text.encode()), ""
    for _ in range(_CHECK):
        number, rest = divmod(number, len(_ALPHABET))
        found = _ALPHABET[rest] + found
    return found
