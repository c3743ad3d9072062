"""The one gate: what may be sent to a person comes out of it as `Permitted`, asked of the ledger each time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from shopkeeper.base.clock import Clock
from shopkeeper.privacy.consent import Ledger
from shopkeeper.privacy.permitted import Permitted, Recipient, by_the_gate
from shopkeeper.schema.consent import Purpose, ReachChannel, check_consent
from shopkeeper.storage.vault import Vault

__all__ = ["Gate", "Permitted", "Reason", "Recipient", "Withheld"]

_Sent = TypeVar("_Sent")


class Reason(StrEnum):
    """Why a message is withheld."""

    NO_CONSENT = "no_consent"  # the person never agreed
    WITHDRAWN = "withdrawn"  # the person agreed and took it back
    NO_AUTOMATED_DECISIONS = "no_automated_decisions"  # chosen from the person's data, which they do not want
    NO_ADDRESS = "no_address"  # nothing in the vault to reach them at, or they were erased


@dataclass(frozen=True, slots=True)
class Withheld:
    """A message that may not go out.

    Args:
        person_id: Whom it was for.
        purpose: For what.
        channel: By which channel.
        reason: Why not.
    """

    person_id: str
    purpose: str
    channel: str
    reason: Reason


class Gate:
    """The gate of a shop.

    Args:
        ledger: The consent ledger.
        vault: Where the addresses are.
    """

    def __init__(self, ledger: Ledger, vault: Vault) -> None:
        self._ledger = ledger
        self._vault = vault

    def permit(
        self,
        recipient: Recipient,
        purpose: str,
        channel: str,
        *,
        now: datetime,
        token: str | None = None,
        is_personalised: bool = False,
    ) -> Permitted | Withheld:
        """Says whether a message may go to a person, and gives the address.

        Service and entitlement messages need no consent and are never withheld for the want of it (DESIGN.md section
        1, principle 5); marketing goes only to who agreed for this purpose on this channel. What a machine chose from
        a person's data is withheld from whoever does not want that, these two apart; the same person may still get
        what everybody gets.

        Args:
            recipient: Whom it is for.
            purpose: For what, of `schema.consent.PURPOSES`.
            channel: By which channel, of `schema.consent.CHANNELS`.
            now: The present instant.
            token: Which of the person's addresses, where there are several; by default the first by token.
            is_personalised: Whether the content was chosen from the person's data.

        Raises:
            UsageError: The purpose or channel is not declared.
        """
        declared, way = check_consent(purpose, channel)
        reason, text_version = self._judge(recipient.person_id, declared, way, now, is_personalised=is_personalised)
        if reason is not None:
            return Withheld(recipient.person_id, purpose, channel, reason)
        found = self._address(recipient, way, token)
        if found is None:
            return Withheld(recipient.person_id, purpose, channel, Reason.NO_ADDRESS)
        return Permitted(
            by_the_gate(),
            recipient=recipient,
            purpose=purpose,
            channel=channel,
            message_class=declared.message_class,
            text_version=text_version,
            token=found[0],
            address=found[1],
            is_personalised=is_personalised,
            checked_at=now,
        )

    def again(self, permitted: Permitted, *, now: datetime) -> Permitted | Withheld:
        """Asks anew for what was permitted before: whatever the person said since holds."""
        return self.permit(
            permitted.recipient,
            permitted.purpose,
            permitted.channel,
            now=now,
            token=permitted.token,
            is_personalised=permitted.is_personalised,
        )

    def send(self, permitted: Permitted, deliver: Callable[[Permitted], _Sent], *, clock: Clock) -> _Sent | Withheld:
        """Hands a message to a channel, asking the ledger once more just before.

        A withdrawal that was noted before this call begins always wins, however long the message waited.

        Args:
            permitted: What was permitted when the message was chosen.
            deliver: The channel.
            clock: Gives the present instant.

        Returns:
            What the channel gives, or why it was not asked.
        """
        fresh = self.again(permitted, now=clock())
        return fresh if isinstance(fresh, Withheld) else deliver(fresh)

    def _judge(
        self, person_id: str, purpose: Purpose, way: ReachChannel, now: datetime, *, is_personalised: bool
    ) -> tuple[Reason | None, str | None]:
        if not purpose.message_class.needs_consent:
            return None, None
        standing = self._ledger.standing(person_id, purpose.name, way.name, now=now)
        if not standing.granted:
            return (Reason.NO_CONSENT if standing.change is None else Reason.WITHDRAWN), None
        if is_personalised and not self._ledger.may_decide(person_id):
            return Reason.NO_AUTOMATED_DECISIONS, None
        return None, standing.change.text_version if standing.change else None

    def _address(self, recipient: Recipient, way: ReachChannel, wanted: str | None) -> tuple[str, str] | None:
        held = sorted(
            (token, raw)
            for subject in recipient.subjects
            for kind, token, raw in self._vault.of(subject)
            if kind == way.identifier and wanted in (None, token)
        )
        return held[0] if held else None
