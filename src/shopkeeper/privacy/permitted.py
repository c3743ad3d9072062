"""What may be sent: made by the gate and by nothing else, so that no message goes around it."""

from datetime import datetime
from typing import NoReturn

from shopkeeper.schema.consent import MessageClass

__all__ = ["Permitted", "Recipient"]


class Recipient:
    """Whom a message is for.

    Args:
        person_id: The person.
        subjects: The customer records of the person, as the vault calls them (`collect.people.subject`).
    """

    __slots__ = ("person_id", "subjects")

    def __init__(self, person_id: str, subjects: tuple[str, ...]) -> None:
        self.person_id = person_id
        self.subjects = subjects


_BY_THE_GATE = object()


class Permitted:
    """A message that may go out: to whom, for what, by which channel, and the address itself.

    Only `Gate.permit` and `Gate.again` make one. It cannot be changed, copied, pickled or derived from.

    Args:
        key: What only the gate has.
        recipient: Whom it is for.
        purpose: For what.
        channel: By which channel.
        message_class: Service, entitlement or marketing.
        text_version: Version of the text the person agreed to; None where no consent is needed.
        token: The address's token, for the ledger of deliveries.
        address: The address in the clear; it goes to the channel and into no record.
        is_personalised: Whether the content was chosen from the person's data.
        checked_at: When the gate looked last.
    """

    __slots__ = (
        "address",
        "channel",
        "checked_at",
        "is_personalised",
        "message_class",
        "purpose",
        "recipient",
        "text_version",
        "token",
    )
    address: str
    channel: str
    checked_at: datetime
    is_personalised: bool
    message_class: MessageClass
    purpose: str
    recipient: Recipient
    text_version: str | None
    token: str

    def __init__(
        self,
        key: object,
        *,
        recipient: Recipient,
        purpose: str,
        channel: str,
        message_class: MessageClass,
        text_version: str | None,
        token: str,
        address: str,
        is_personalised: bool,
        checked_at: datetime,
    ) -> None:
        if key is not _BY_THE_GATE:
            raise TypeError("only the gate (privacy/gate.py) says what may be sent")
        for name, value in (
            ("recipient", recipient),
            ("purpose", purpose),
            ("channel", channel),
            ("message_class", message_class),
            ("text_version", text_version),
            ("token", token),
            ("address", address),
            ("is_personalised", is_personalised),
            ("checked_at", checked_at),
        ):
            object.__setattr__(self, name, value)

    @property
    def person_id(self) -> str:
        """The person it is for."""
        return self.recipient.person_id

    def __init_subclass__(cls) -> None:
        raise TypeError("nothing derives from Permitted")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"what may be sent cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"what may be sent cannot be changed: {name}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("what may be sent cannot be copied or kept: ask the gate again")

    def __repr__(self) -> str:
        return f"Permitted({self.person_id!r}, {self.purpose!r}, {self.channel!r}, token={self.token!r})"


def by_the_gate() -> object:
    """The key to make a `Permitted`; a test sees to it that `privacy/gate.py` alone asks for it."""
    return _BY_THE_GATE
