"""Settings that people change while the shop runs, such as the lifecycle's cut-points: each change a new version."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from shopkeeper.base.errors import ConflictError
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Setting", "Settings"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One version of one setting.

    Args:
        name: Its name.
        version: From 1 on.
        value: Its value (JSON).
        set_by: Who set it.
        set_at: When.
    """

    name: str
    version: int
    value: Any
    set_by: str
    set_at: datetime


class Settings:
    """The versioned settings of a shop; what `shopkeeper.toml` holds is elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, name: str, value: Any, *, by: str, now: datetime, expected: int | None = None) -> Setting:
        """Sets a value as the next version; the same value again makes no new version.

        Args:
            name: Its name.
            value: Its value (JSON).
            by: Who sets it.
            now: When.
            expected: The version it was made from (0: none), if that is to be held.

        Raises:
            ConflictError: Somebody set another version since `expected`.
        """
        settings = tables.settings
        newest = select(settings).where(settings.c.name == name).order_by(settings.c.version.desc()).limit(1)
        with self._database.write() as connection:
            while True:
                row = connection.execute(newest).mappings().first()
                last = row["version"] if row is not None else 0
                if expected is not None and expected != last:
                    raise ConflictError(
                        f"setting '{name}' is at version {last} by now, not {expected}",
                        next_step="look at the newest version and set it again",
                    )
                if row is not None and row["value"] == value:
                    return Setting(**row)
                setting = Setting(name, last + 1, value, by, now)
                made = self._database.insert(settings).values({key: getattr(setting, key) for key in Setting.__slots__})
                # In PostgreSQL two may make the same version at once: the later one looks again.
                if connection.scalar(made.on_conflict_do_nothing().returning(settings.c.version)) is not None:
                    return setting

    def get(self, name: str, *, version: int | None = None, at: datetime | None = None) -> Setting | None:
        """Gives the newest version of a setting, or a named one, or the one that held at an instant; None if none."""
        settings = tables.settings
        query = select(settings).where(settings.c.name == name).order_by(settings.c.version.desc()).limit(1)
        if version is not None:
            query = query.where(settings.c.version == version)
        if at is not None:
            query = query.where(settings.c.set_at <= at)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return Setting(**row) if row is not None else None

    def history(self, name: str) -> list[Setting]:
        """Gives all versions of a setting, newest first."""
        settings = tables.settings
        query = select(settings).where(settings.c.name == name).order_by(settings.c.version.desc())
        with self._database.read() as connection:
            return [Setting(**row) for row in connection.execute(query).mappings()]
