"""Segments: saved audience definitions, each change a new version, none ever lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, select, update

from shopkeeper.base.errors import ConflictError, MissingError, UsageError
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["SegmentVersion", "Segments"]


@dataclass(frozen=True, slots=True)
class SegmentVersion:
    """One version of one segment.

    Args:
        name: The segment's name.
        version: From 1 on.
        tree: The audience tree (JSON).
        label_en: What it is called in English.
        label_zh: What it is called in Chinese.
        published: Whether it runs live and for everybody.
        created_by: Who saved this version.
        created_at: When.
        archived_at: Since when the segment is archived, if it is.
    """

    name: str
    version: int
    tree: Mapping[str, Any]
    label_en: str
    label_zh: str
    published: bool
    created_by: str
    created_at: datetime
    archived_at: datetime | None = None


class Segments:
    """The saved segments of a shop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        name: str,
        tree: Mapping[str, Any],
        *,
        label_en: str,
        label_zh: str,
        by: str,
        now: datetime,
        published: bool | None = None,
        expected: int | None = None,
    ) -> SegmentVersion:
        """Saves a segment as its next version; the same content again makes no new version.

        Args:
            name: Its name; an archived segment of the name comes back.
            tree: The checked audience tree.
            label_en: What it is called in English.
            label_zh: What it is called in Chinese.
            by: Who saves it.
            now: The present instant.
            published: Whether it runs live and for everybody; as it was by default, and at first not.
            expected: The version the editor started from (0: none), if that is to be held.

        Raises:
            ConflictError: Somebody saved another version since `expected`.
            UsageError: The name is empty.
        """
        if not name.strip():
            raise UsageError("a segment needs a name", next_step="give it one")
        with self._database.write() as connection:
            head = _head(connection, name)
            newest = head.version if head else 0
            if expected is not None and expected != newest:
                raise ConflictError(
                    f"segment '{name}' is at version {newest} by now, not {expected}",
                    next_step="look at the newest version and save again",
                )
            if published is None:
                published = head is not None and head.published
            wanted = SegmentVersion(name, newest + 1, dict(tree), label_en, label_zh, published, by, now)
            if head is not None and head.archived_at is None and _content(head) == _content(wanted):
                return head
            self._append(connection, wanted)
        return wanted

    def publish(self, name: str, *, by: str, now: datetime, published: bool = True) -> SegmentVersion:
        """Saves the newest version again as published, or as not published.

        Raises:
            MissingError: There is no such segment.
        """
        head = self.get(name)
        return self.save(
            name,
            head.tree,
            label_en=head.label_en,
            label_zh=head.label_zh,
            by=by,
            now=now,
            published=published,
            expected=head.version,
        )

    def get(self, name: str, version: int | None = None) -> SegmentVersion:
        """Gives the newest version of a segment that is not archived, or a named version of any.

        Raises:
            MissingError: There is none.
        """
        versions = tables.segment_versions
        query = _versions().where(versions.c.name == name)
        if version is None:
            query = query.where(
                versions.c.version == tables.segments.c.version, tables.segments.c.archived_at.is_(None)
            )
        else:
            query = query.where(versions.c.version == version)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            said = f" version {version}" if version is not None else ""
            raise MissingError(f"there is no segment '{name}'{said}", next_step="shopkeeper segment list")
        return SegmentVersion(**row)

    def all(self, *, archived: bool = False) -> list[SegmentVersion]:
        """Gives the newest version of every segment by name, or of every archived one."""
        segments = tables.segments
        wanted = segments.c.archived_at.is_not(None) if archived else segments.c.archived_at.is_(None)
        newest = tables.segment_versions.c.version == segments.c.version
        return self._found(_versions().where(and_(wanted, newest)).order_by(segments.c.name))

    def published(self) -> tuple[tuple[str, int], ...]:
        """Gives name and version of every segment that is published and not archived, by name."""
        segments, versions = tables.segments, tables.segment_versions
        newest = and_(versions.c.name == segments.c.name, versions.c.version == segments.c.version)
        query = (
            select(segments.c.name, segments.c.version)
            .join(versions, newest)
            .where(versions.c.published.is_(True), segments.c.archived_at.is_(None))
            .order_by(segments.c.name)
        )
        with self._database.read() as connection:
            return tuple((row.name, row.version) for row in connection.execute(query))

    def versions(self, name: str) -> list[SegmentVersion]:
        """Gives all versions of a segment, newest first; none for an unknown name."""
        versions = tables.segment_versions
        return self._found(_versions().where(versions.c.name == name).order_by(versions.c.version.desc()))

    def archive(self, name: str, *, by: str, now: datetime) -> None:
        """Deletes a segment so that `restore` can undo it.

        Raises:
            MissingError: There is no such segment, or it is archived already.
        """
        self._mark(name, archived=True, values={"archived_at": now, "archived_by": by})

    def restore(self, name: str) -> SegmentVersion:
        """Undoes `archive`.

        Raises:
            MissingError: No archived segment has the name.
        """
        self._mark(name, archived=False, values={"archived_at": None, "archived_by": None})
        return self.get(name)

    def _mark(self, name: str, *, archived: bool, values: dict[str, object]) -> None:
        segments = tables.segments
        before = segments.c.archived_at.is_(None) if archived else segments.c.archived_at.is_not(None)
        with self._database.write() as connection:
            if not connection.execute(update(segments).where(segments.c.name == name, before).values(values)).rowcount:
                said = "" if archived else "archived "
                raise MissingError(f"there is no {said}segment '{name}'", next_step="shopkeeper segment list")

    def _append(self, connection: Connection, version: SegmentVersion) -> None:
        head = {"version": version.version, "archived_at": None, "archived_by": None}
        upsert = self._database.insert(tables.segments).values(name=version.name, **head)
        moved = connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["name"],
                set_=head,
                where=tables.segments.c.version == version.version - 1,
            ).returning(tables.segments.c.name)
        )
        if moved.first() is None:
            raise ConflictError(f"somebody else saved segment '{version.name}' just now", next_step="save again")
        row = {name: getattr(version, name) for name in SegmentVersion.__slots__ if name != "archived_at"}
        connection.execute(tables.segment_versions.insert().values(row))

    def _found(self, query: Select[Any]) -> list[SegmentVersion]:
        with self._database.read() as connection:
            return [SegmentVersion(**row) for row in connection.execute(query).mappings()]


def _versions() -> Select[Any]:
    joined = tables.segment_versions.join(tables.segments, tables.segments.c.name == tables.segment_versions.c.name)
    return select(tables.segment_versions, tables.segments.c.archived_at).select_from(joined)


def _head(connection: Connection, name: str) -> SegmentVersion | None:
    versions = tables.segment_versions
    newest = versions.c.version == tables.segments.c.version
    row = connection.execute(_versions().where(versions.c.name == name, newest)).mappings().first()
    return SegmentVersion(**row) if row is not None else None


def _content(version: SegmentVersion) -> tuple[object, ...]:
    return (version.tree, version.label_en, version.label_zh, version.published)
