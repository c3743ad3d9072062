"""Users: the people who sign in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update

from shopkeeper.base.errors import AlreadyThereError, MissingError, UsageError
from shopkeeper.base.ids import new_id
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database
from shopkeeper.storage.state.password import Passwords

__all__ = ["User", "Users"]


@dataclass(frozen=True, slots=True)
class User:
    """One person who may sign in; the password stays in the store.

    Args:
        id: Its id.
        name: The name to sign in with.
        email_token: Token of the e-mail address, if one was given.
        role: What the person may do; `app` says which roles there are.
        language: `en` or `zh`.
        created_at: When it was made.
        disabled_at: Since when it may not sign in any more.
        org_unit: The branch of the organisation it sees, if it sees one.
    """

    id: str
    name: str
    email_token: str | None
    role: str
    language: str
    created_at: datetime
    disabled_at: datetime | None
    org_unit: str | None = None

    @property
    def disabled(self) -> bool:
        """Whether the person may not sign in any more."""
        return self.disabled_at is not None


_COLUMNS = [column for column in tables.users.c if column.name != "password_hash"]


class Users:
    """The users of a shop."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    def add(
        self,
        name: str,
        password: str,
        role: str,
        *,
        now: datetime,
        language: str = "en",
        email_token: str | None = None,
        first: bool = False,
        org_unit: str | None = None,
        stores: Sequence[str] = (),
    ) -> User:
        """Adds a user.

        Args:
            name: The name to sign in with; surrounding space is dropped.
            password: Clear text; only its argon2id hash is kept.
            role: What the person may do.
            now: The present instant.
            language: `en` or `zh`.
            email_token: Token of the e-mail address.
            first: Whether it must be the shop's first user, as `init` makes it.
            org_unit: The branch of the organisation it sees.
            stores: The stores it sees.

        Raises:
            AlreadyThereError: The name is taken, or with `first` there is a user already.
            UsageError: The name is empty or the password too short.
        """
        name = name.strip()
        if not name:
            raise UsageError("a user needs a name", next_step="shopkeeper user add NAME")
        user = User(new_id("user"), name, email_token, role, language, now, None, org_unit)
        row = {column.name: getattr(user, column.name) for column in _COLUMNS}
        row["password_hash"] = self._passwords.hash(password)
        with self._database.write() as connection:
            if first and connection.scalar(select(func.count()).select_from(tables.users)):
                raise AlreadyThereError("the shop has its first user already", next_step="shopkeeper user add NAME")
            taken = select(tables.users.c.id).where(tables.users.c.name == name)
            if connection.scalar(taken) is not None:
                raise AlreadyThereError(f"there is a user '{name}' already", next_step="choose another name")
            connection.execute(tables.users.insert().values(row))
            for store_id in sorted(set(stores)):
                connection.execute(tables.user_stores.insert().values(user_id=user.id, store_id=store_id))
        return user

    def get(self, user_id: str) -> User:
        """Gives a user by id.

        Raises:
            MissingError: There is none.
        """
        return self._one(tables.users.c.id == user_id, user_id)

    def named(self, name: str) -> User:
        """Gives a user by name.

        Raises:
            MissingError: There is none.
        """
        return self._one(tables.users.c.name == name.strip(), name)

    def all(self) -> list[User]:
        """Gives all users by name, disabled ones too."""
        query = select(*_COLUMNS).order_by(tables.users.c.name)
        with self._database.read() as connection:
            return [User(**row) for row in connection.execute(query).mappings()]

    def stores_of(self, user_id: str) -> tuple[str, ...]:
        """Gives the stores that a user was given to see."""
        stores = tables.user_stores
        query = select(stores.c.store_id).where(stores.c.user_id == user_id).order_by(stores.c.store_id)
        with self._database.read() as connection:
            return tuple(connection.scalars(query))

    def check(self, name: str, password: str) -> User | None:
        """Gives the user whose name and password these are, else None, after the same time whoever exists.

        A hash made with older parameters is made anew.

        Raises:
            UnavailableError: Too many sign-ins at once.
        """
        query = select(*_COLUMNS, tables.users.c.password_hash).where(tables.users.c.name == name.strip())
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        values = dict(row or {})
        password_hash = values.pop("password_hash", None)
        matches = self._passwords.matches(password_hash, password)
        if not matches or values["disabled_at"] is not None:
            return None
        if self._passwords.outgrown(password_hash):
            self._keep_password(values["id"], password, instead_of=password_hash)
        return User(**values)

    def set_password(self, user_id: str, password: str) -> None:
        """Gives a user another password and ends all sessions.

        Raises:
            MissingError: There is no such user.
            UsageError: The password is too short.
        """
        self._keep_password(user_id, password)

    def change(
        self, user_id: str, *, role: str | None = None, language: str | None = None, email_token: str | None = None
    ) -> User:
        """Changes what is given and leaves the rest.

        Raises:
            MissingError: There is no such user.
        """
        given = {"role": role, "language": language, "email_token": email_token}
        return self._change(user_id, {name: value for name, value in given.items() if value is not None})

    def place(self, user_id: str, role: str, *, org_unit: str | None = None, stores: Sequence[str] = ()) -> User:
        """Gives a user another role, and what it sees in place of what it saw.

        Raises:
            MissingError: There is no such user.
        """
        mine = tables.user_stores.c.user_id == user_id
        with self._database.write() as connection:
            change = update(tables.users).where(tables.users.c.id == user_id).values(role=role, org_unit=org_unit)
            if connection.execute(change).rowcount:
                connection.execute(tables.user_stores.delete().where(mine))
                for store_id in sorted(set(stores)):
                    connection.execute(tables.user_stores.insert().values(user_id=user_id, store_id=store_id))
        return self.get(user_id)

    def disable(self, user_id: str, *, now: datetime) -> User:
        """Takes the right to sign in and ends all sessions.

        Raises:
            MissingError: There is no such user.
        """
        return self._change(user_id, {"disabled_at": now}, end_sessions=True)

    def enable(self, user_id: str) -> User:
        """Gives the right to sign in back.

        Raises:
            MissingError: There is no such user.
        """
        return self._change(user_id, {"disabled_at": None})

    def _change(self, user_id: str, values: dict[str, object], *, end_sessions: bool = False) -> User:
        if values:
            with self._database.write() as connection:
                connection.execute(update(tables.users).where(tables.users.c.id == user_id).values(values))
                if end_sessions:
                    connection.execute(tables.sessions.delete().where(tables.sessions.c.user_id == user_id))
        return self.get(user_id)

    def _keep_password(self, user_id: str, password: str, instead_of: str | None = None) -> None:
        hashed = self._passwords.hash(password)
        change = update(tables.users).where(tables.users.c.id == user_id).values(password_hash=hashed)
        if instead_of is not None:
            # A password changed meanwhile must not come back.
            change = change.where(tables.users.c.password_hash == instead_of)
        with self._database.write() as connection:
            changed = connection.execute(change).rowcount
            if instead_of is None:
                if not changed:
                    raise MissingError(f"there is no user '{user_id}'", next_step="shopkeeper user list")
                connection.execute(tables.sessions.delete().where(tables.sessions.c.user_id == user_id))

    def _one(self, condition: ColumnElement[bool], said: str) -> User:
        with self._database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(condition)).mappings().first()
        if row is None:
            raise MissingError(f"there is no user '{said}'", next_step="shopkeeper user add NAME")
        return User(**row)
