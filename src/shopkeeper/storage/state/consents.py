"""The consent ledger: every change with its evidence, added to and never changed; the last one holds.

A change is kept under the id that the person had when they said so. What is one person now is asked with all its ids,
so that a withdrawal holds for whoever the person was linked to since.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import RowMapping, Select, case, func, select

from shopkeeper.base.errors import AlreadyThereError
from shopkeeper.base.ids import derived_id
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database
from shopkeeper.storage.state.identifiers import person_now, same_person

__all__ = ["ConsentChange", "ConsentText", "Consents"]

_ROWS_AT_ONCE = 2_000  # keeps a transaction well below a tenth of a second


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """One change in the ledger.

    Args:
        person_id: Who gave or withdrew it.
        purpose: For what.
        channel: By which channel.
        granted: Whether it was given; false is a withdrawal.
        source: Where: a write key's source, `console`, `api`, `sample`.
        who: Who noted it: a user, a key, the person.
        occurred_at: When the person said so.
        recorded_at: When it came into the ledger.
        text_version: Version of the text shown.
        text_language: Language of the text shown.
        evidence: What else proves it (JSON), such as the form or the call's reference; never a raw identifier.
        message_id: Id of the message that brought it: with the source the same message has one effect for ever.
    """

    person_id: str
    purpose: str
    channel: str
    granted: bool
    source: str
    who: str
    occurred_at: datetime
    recorded_at: datetime
    text_version: str | None = None
    text_language: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict, hash=False)
    message_id: str | None = None

    @property
    def id(self) -> str:
        """Its id: the same for the same message, or for the same words where no message brought it."""
        own = (self.message_id,) if self.message_id else (str(self.granted), self.occurred_at.isoformat())
        kind = "message" if self.message_id else "said"
        return derived_id("consent", kind, self.source, self.person_id, self.purpose, self.channel, *own)


@dataclass(frozen=True, slots=True)
class ConsentText:
    """One text that persons were shown, in one language.

    Args:
        version: Its version; the texts of all languages of a version say the same.
        language: Its language, such as `zh`.
        purpose: The purpose it asks consent for.
        body: The whole text.
        set_by: Who put it in.
        set_at: When.
    """

    version: str
    language: str
    purpose: str
    body: str
    set_by: str
    set_at: datetime


class Consents:
    """The consent ledger of a shop and the texts it refers to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, changes: Iterable[ConsentChange]) -> int:
        """Adds changes, those that are there already left out, and says how many are new."""
        return sum(self._add_some(chunk) for chunk in _chunks(changes))

    def of(self, person_id: str) -> list[ConsentChange]:
        """Gives all changes of a person, the newest first; of one instant the withdrawal comes first."""
        consents = tables.consents
        query = (
            select(consents)
            .where(consents.c.person_id.in_(same_person(person_id)))
            .order_by(consents.c.occurred_at.desc(), consents.c.granted, consents.c.recorded_at.desc(), consents.c.id)
        )
        with self._database.read() as connection:
            return [_change(row) for row in connection.execute(query).mappings()]

    def of_people(self, people: Collection[str]) -> list[ConsentChange]:
        """Gives all changes of some people, in no order."""
        consents, found = tables.consents, []
        wanted = sorted(people)
        with self._database.read() as connection:
            for start in range(0, len(wanted), _ROWS_AT_ONCE):
                some = wanted[start : start + _ROWS_AT_ONCE]
                rows = connection.execute(select(consents).where(consents.c.person_id.in_(some))).mappings()
                found += [_change(row) for row in rows]
        return found

    def recorded_since(self, moment: datetime) -> list[tuple[str, datetime]]:
        """Gives who said something that came into the ledger from an instant on, and when."""
        consents = tables.consents
        query = select(consents.c.person_id, consents.c.recorded_at).where(consents.c.recorded_at >= moment)
        with self._database.read() as connection:
            return [(row.person_id, row.recorded_at) for row in connection.execute(query)]

    def last(self, person_id: str, purpose: str, channel: str, *, until: datetime) -> ConsentChange | None:
        """Gives the change that holds at an instant: the last by when it was said, of one instant the withdrawal.

        A consent of a later instant does not hold yet; a withdrawal does: a clock that is ahead must not delay it.
        """
        consents = tables.consents
        query = (
            select(consents)
            .where(
                consents.c.person_id.in_(same_person(person_id)),
                consents.c.purpose == purpose,
                consents.c.channel == channel,
                (consents.c.occurred_at <= until) | consents.c.granted.is_(False),
            )
            .order_by(consents.c.occurred_at.desc(), consents.c.granted)
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return _change(row) if row is not None else None

    def batches(self, rows: int = 50_000) -> Iterator[Sequence[Any]]:
        """Gives the whole ledger for its snapshot in the lake, batch by batch, of one instant, by who persons are now.

        What holds of one person, purpose, channel and instant is one row, granted only if nothing there withdrew it.
        """
        consents = tables.consents
        person = person_now(consents.c.person_id).label("person")
        key = (person, consents.c.purpose, consents.c.channel, consents.c.occurred_at)
        refused = func.max(case((consents.c.granted.is_(False), 1), else_=0)).label("refused")
        query: Select[Any] = (
            select(*key, refused, func.max(consents.c.text_version), func.max(consents.c.source))
            .group_by(*key)
            .order_by(*key)
        )
        with self._database.read() as connection:
            found = connection.execution_options(yield_per=rows).execute(query)
            yield from found.partitions()

    def state(self) -> str:
        """Tells apart any two states of the ledger: how many changes, and when the last came in."""
        consents = tables.consents
        query = select(func.count(), func.max(consents.c.recorded_at), func.max(consents.c.id))
        with self._database.read() as connection:
            number, last, largest = connection.execute(query).one()
        return f"{number} {last.isoformat() if last else ''} {largest or ''}"

    def put_text(self, text: ConsentText) -> None:
        """Keeps a text; a version never changes once it may have been shown.

        Raises:
            AlreadyThereError: The version has another text in this language.
        """
        values = {name: getattr(text, name) for name in ConsentText.__slots__}
        insert = self._database.insert(tables.consent_texts).values(values).on_conflict_do_nothing()
        with self._database.write() as connection:
            connection.execute(insert)
        kept = self.text(text.version, text.language)
        if kept is None or kept.body != text.body:
            raise AlreadyThereError(
                f"version {text.version} of the consent text is there and says something else",
                next_step="give the new text a new version",
            )

    def text(self, version: str, language: str) -> ConsentText | None:
        """Gives a text, None where there is none."""
        return next((each for each in self.texts() if (each.version, each.language) == (version, language)), None)

    def texts(self) -> list[ConsentText]:
        """Gives all texts, the newest first."""
        texts = tables.consent_texts
        with self._database.read() as connection:
            rows = connection.execute(select(texts).order_by(texts.c.set_at.desc(), texts.c.version, texts.c.language))
            return [ConsentText(**row) for row in rows.mappings()]

    def _add_some(self, changes: list[ConsentChange]) -> int:
        consents = tables.consents
        values = [
            {
                "id": each.id,
                **{name: getattr(each, name) for name in ConsentChange.__slots__},
                "evidence": dict(each.evidence),
            }
            for each in {each.id: each for each in reversed(changes)}.values()
        ]
        present = select(func.count()).where(consents.c.id.in_([each["id"] for each in values]))
        with self._database.write() as connection:
            before = connection.scalar(present) or 0
            connection.execute(self._database.insert(consents).on_conflict_do_nothing(), values)
            return (connection.scalar(present) or 0) - before


def _change(row: RowMapping) -> ConsentChange:
    return ConsentChange(**{name: row[name] for name in ConsentChange.__slots__})


def _chunks(changes: Iterable[ConsentChange]) -> Iterator[list[ConsentChange]]:
    rows = iter(changes)
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        yield chunk
