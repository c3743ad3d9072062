"""Consent of persons: given and withdrawn with one call each, default no, the last word holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NotRequired, TypedDict, Unpack

from shopkeeper.base.errors import ForbiddenError, UsageError
from shopkeeper.schema.consent import CHANNELS, PURPOSES, check_consent
from shopkeeper.storage.state.consents import ConsentChange, Consents
from shopkeeper.storage.state.flags import NO_AUTOMATED_DECISIONS, FlagChange, Flags

__all__ = ["Ledger", "Said", "Standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands to one purpose on one channel.

    Args:
        purpose: The purpose.
        channel: The channel.
        granted: Whether the person agrees; nobody does who never said so.
        change: The change that holds, None where nothing was ever said.
    """

    purpose: str
    channel: str
    granted: bool
    change: ConsentChange | None


class Said(TypedDict):
    """How a person said that they agree or withdraw.

    Args:
        source: Where it was said.
        who: Who notes it.
        occurred_at: When it was said.
        now: The present instant.
        text_version: Version of the text that was shown.
        text_language: Its language.
        evidence: What else proves it.
        message_id: Id of the message that brought it.
    """

    source: str
    who: str
    occurred_at: datetime
    now: datetime
    text_version: NotRequired[str | None]
    text_language: NotRequired[str | None]
    evidence: NotRequired[Mapping[str, Any] | None]
    message_id: NotRequired[str | None]


class Ledger:
    """The consent ledger of a shop as persons use it.

    Args:
        consents: Where the changes are kept.
        flags: Where the flag against automated decisions is kept.
        is_erased: Whether a person was erased; nothing is noted of such a person any more.
    """

    def __init__(self, consents: Consents, flags: Flags, is_erased: Callable[[str], bool]) -> None:
        self._consents = consents
        self._flags = flags
        self._is_erased = is_erased

    def give(self, person_id: str, purpose: str, channel: str, **said: Unpack[Said]) -> ConsentChange:
        """Notes that a person agrees; it holds at once unless the person said otherwise later.

        Args:
            person_id: Who.
            purpose: For what, of `schema.consent.PURPOSES`.
            channel: By which channel, of `schema.consent.CHANNELS`.
            **said: Who said so where, and what proves it; without the version of the text it has no proof.

        Raises:
            ForbiddenError: The person was erased.
            UsageError: The purpose or channel is not declared, or no version of the text is named.
        """
        if not said.get("text_version"):
            raise UsageError(
                "a consent needs the version of the text that was shown", next_step="name it as text_version"
            )
        return self._add(_change(person_id, purpose, channel, said, granted=True))

    def withdraw(self, person_id: str, purpose: str, channel: str, **said: Unpack[Said]) -> ConsentChange:
        """Notes that a person withdraws; takes what `give` takes, and needs less of it.

        Raises:
            ForbiddenError: The person was erased.
            UsageError: The purpose or channel is not declared.
        """
        return self._add(_change(person_id, purpose, channel, said, granted=False))

    def standing(self, person_id: str, purpose: str, channel: str, *, now: datetime) -> Standing:
        """Gives how a person stands to a purpose on a channel now.

        Raises:
            UsageError: The purpose or channel is not declared.
        """
        check_consent(purpose, channel)
        change = self._consents.last(person_id, purpose, channel, until=now)
        return Standing(purpose, channel, change is not None and change.granted, change)

    def standings(self, person_id: str, *, now: datetime) -> list[Standing]:
        """Gives how a person stands to every purpose that needs consent, on every channel."""
        return [
            self.standing(person_id, purpose.name, channel, now=now)
            for purpose in PURPOSES.values()
            if purpose.message_class.needs_consent
            for channel in CHANNELS
        ]

    def history(self, person_id: str) -> list[ConsentChange]:
        """Gives all changes of a person with their evidence, the newest first."""
        return self._consents.of(person_id)

    def stop_automated_decisions(
        self, person_id: str, *, source: str, who: str, occurred_at: datetime, now: datetime
    ) -> None:
        """Notes that nothing may be decided about a person by machines from their data.

        Raises:
            ForbiddenError: The person was erased.
        """
        self._flag(FlagChange(person_id, NO_AUTOMATED_DECISIONS, True, source, who, occurred_at, now))  # noqa: FBT003

    def allow_automated_decisions(
        self, person_id: str, *, source: str, who: str, occurred_at: datetime, now: datetime
    ) -> None:
        """Takes that back.

        Raises:
            ForbiddenError: The person was erased.
        """
        self._flag(FlagChange(person_id, NO_AUTOMATED_DECISIONS, False, source, who, occurred_at, now))  # noqa: FBT003

    def may_decide(self, person_id: str) -> bool:
        """Whether a machine may decide about a person from their data; every decision asks this first."""
        return not self._flags.is_set(person_id, NO_AUTOMATED_DECISIONS)

    def none_may_decide(self) -> set[str]:
        """Gives all persons of whom `may_decide` is false, for what decides about many at once."""
        return self._flags.all_set(NO_AUTOMATED_DECISIONS)

    def _add(self, change: ConsentChange) -> ConsentChange:
        check_consent(change.purpose, change.channel)
        self._refuse_erased(change.person_id)
        self._consents.add([change])
        return change

    def _flag(self, change: FlagChange) -> None:
        self._refuse_erased(change.person_id)
        self._flags.add(change)

    def _refuse_erased(self, person_id: str) -> None:
        if self._is_erased(person_id):
            raise ForbiddenError("the person was erased: nothing is noted of them any more")


def _change(person_id: str, purpose: str, channel: str, said: Said, *, granted: bool) -> ConsentChange:
    return ConsentChange(
        person_id,
        purpose,
        channel,
        granted=granted,
        source=said["source"],
        who=said["who"],
        occurred_at=said["occurred_at"],
        recorded_at=said["now"],
        text_version=said.get("text_version"),
        text_language=said.get("text_language"),
        evidence=said.get("evidence") or {},
        message_id=said.get("message_id"),
    )
