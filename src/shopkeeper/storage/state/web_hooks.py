"""Web hooks that hear of segment changes, and the outbox: every change waits there until it was taken or given up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update

from shopkeeper.base.errors import AlreadyThereError, MissingError
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database
from shopkeeper.storage.state.live_segments import Change

__all__ = ["HELD_FOR", "Delivery", "Hook", "Hooks", "Waiting"]

HELD_FOR = 4
"""After so many tries of a message those behind it go on without it."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One web hook.

    Args:
        name: Its name.
        url: Where to.
        segments: The segments it hears of; none of them: all.
        secret_key_id: The shop key that its secret is wrapped with.
        sealed_secret: The wrapped secret, base64.
        created_by: Who made it.
        created_at: When.
    """

    name: str
    url: str
    segments: Sequence[str]
    secret_key_id: str
    sealed_secret: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message of the outbox."""

    webhook: str
    attempts: int
    change: Change


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of the outbox as it stands.

    Args:
        webhook: The web hook.
        state: `waiting`, `sent` or `given up`.
        attempts: How often it was tried.
        next_at: When it is tried next, while it waits.
        answer: Why it was not taken the last time.
        segment: The segment that changed.
        kind: Whether somebody entered or left it.
        occurred_at: When.
    """

    webhook: str
    state: str
    attempts: int
    next_at: datetime
    answer: str | None
    segment: str
    kind: str
    occurred_at: datetime


class Hooks:
    """The web hooks of a shop and what is still to be sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, hook: Hook) -> None:
        """Adds a web hook: it hears of what changes from now on.

        Raises:
            AlreadyThereError: There is one of the name.
        """
        row = {name: getattr(hook, name) for name in Hook.__slots__} | {"segments": list(hook.segments)}
        insert = self._database.insert(tables.webhooks).values(row).on_conflict_do_nothing()
        with self._database.write() as connection:
            if not connection.execute(insert).rowcount:
                raise AlreadyThereError(
                    f"there is a web hook '{hook.name}'", next_step="take another name, or remove it"
                )

    def all(self) -> list[Hook]:
        """Gives all web hooks by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(tables.webhooks).order_by(tables.webhooks.c.name)).mappings()
            return [Hook(**row) for row in rows]

    def reseal(self, name: str, was: str, key_id: str, sealed_secret: str) -> None:
        """Changes what a secret is wrapped with, unless somebody did meanwhile.

        Args:
            name: The web hook.
            was: The key it was wrapped with.
            key_id: The key it is wrapped with now.
            sealed_secret: The wrapped secret, base64.
        """
        held = (tables.webhooks.c.name == name) & (tables.webhooks.c.secret_key_id == was)
        change = update(tables.webhooks).where(held).values(secret_key_id=key_id, sealed_secret=sealed_secret)
        with self._database.write() as connection:
            connection.execute(change)

    def wanted(self) -> dict[str, frozenset[str]]:
        """Gives the segments that each web hook hears of; none of them: all."""
        return {hook.name: frozenset(hook.segments) for hook in self.all()}

    def remove(self, name: str) -> None:
        """Removes a web hook and what waits for it.

        Raises:
            MissingError: There is none.
        """
        with self._database.write() as connection:
            if not connection.execute(delete(tables.webhooks).where(tables.webhooks.c.name == name)).rowcount:
                raise MissingError(f"there is no web hook '{name}'")

    def due(self, now: datetime, most: int, but: Collection[str] = ()) -> list[Waiting]:
        """Gives messages that are to be sent by now, in the order of the stream; none of the web hooks `but`.

        A web hook rests as long as a message of it that was not taken waits for its next try, so that those behind it
        do not overtake it; after `HELD_FOR` tries they do.

        Args:
            now: The present instant.
            most: At most so many of each web hook: one of which many wait holds up no other.
            but: The web hooks that are left out.
        """
        outbox, changes = tables.webhook_outbox, tables.segment_changes
        waiting = outbox.c.state == "waiting"
        resting = select(outbox.c.webhook).where(
            waiting, outbox.c.next_at > now, outbox.c.attempts.between(1, HELD_FOR)
        )
        place = func.row_number().over(partition_by=outbox.c.webhook, order_by=outbox.c.seq)
        ready = (
            select(outbox.c.webhook, outbox.c.attempts, outbox.c.seq, place.label("place"))
            .where(waiting, outbox.c.next_at <= now)
            .where(outbox.c.webhook.not_in(list(but)), outbox.c.webhook.not_in(resting))
            .subquery()
        )
        query = (
            select(ready.c.webhook, ready.c.attempts, changes)
            .join(changes, changes.c.seq == ready.c.seq)
            .where(ready.c.place <= most)
            .order_by(ready.c.seq, ready.c.webhook)
        )
        with self._database.read() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
        return [Waiting(row.pop("webhook"), row.pop("attempts"), Change(**row)) for row in found]

    def is_waiting(self, message: Waiting) -> bool:
        """Whether a message still waits: its person may have been erased since it was read, or its web hook removed."""
        outbox = tables.webhook_outbox
        query = select(outbox.c.state).where(outbox.c.webhook == message.webhook, outbox.c.seq == message.change.seq)
        with self._database.read() as connection:
            return connection.scalar(query) == "waiting"

    def sent(self, message: Waiting) -> None:
        """Notes that a message was taken."""
        self._note(message, state="sent", answer=None)

    def again(self, message: Waiting, answer: str, next_at: datetime) -> None:
        """Notes that a message was not taken, and when it is tried again."""
        self._note(message, state="waiting", answer=answer, next_at=next_at)

    def give_up(self, message: Waiting, answer: str) -> None:
        """Notes that a message is tried no more; it stays in the outbox with the reason."""
        self._note(message, state="given up", answer=answer)

    def counts(self) -> dict[tuple[str, str], int]:
        """How many messages each web hook has in each state: `waiting`, `sent`, `given up`."""
        outbox = tables.webhook_outbox
        query = select(outbox.c.webhook, outbox.c.state, func.count()).group_by(outbox.c.webhook, outbox.c.state)
        with self._database.read() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(query)}

    def recent(self, name: str, most: int) -> list[Delivery]:
        """Gives the newest messages of a web hook, the newest first."""
        outbox, changes = tables.webhook_outbox, tables.segment_changes
        query = (
            select(
                outbox.c.webhook,
                outbox.c.state,
                outbox.c.attempts,
                outbox.c.next_at,
                outbox.c.answer,
                changes.c.segment,
                changes.c.kind,
                changes.c.occurred_at,
            )
            .join(changes, changes.c.seq == outbox.c.seq)
            .where(outbox.c.webhook == name)
            .order_by(outbox.c.seq.desc())
            .limit(most)
        )
        with self._database.read() as connection:
            return [Delivery(**row) for row in connection.execute(query).mappings()]

    def _note(self, message: Waiting, **values: object) -> None:
        outbox = tables.webhook_outbox
        this = (outbox.c.webhook == message.webhook) & (outbox.c.seq == message.change.seq)
        with self._database.write() as connection:
            connection.execute(update(outbox).where(this).values(attempts=message.attempts + 1, **values))
