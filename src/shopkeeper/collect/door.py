"""What a message is taken against, and what becomes of it."""

from dataclasses import dataclass, field
from datetime import datetime

from shopkeeper.collect.clean import Cleaner
from shopkeeper.collect.plan import ALLOW_ALL, Plan
from shopkeeper.storage.log import Entry, Refusal
from shopkeeper.storage.token import Tokens

__all__ = ["Door", "Note", "Personal", "Taken"]


@dataclass(frozen=True, slots=True)
class Door:
    """What one request is taken against.

    Args:
        source: The key's source.
        tokens: Makes the tokens; its country is that of phones without a country code.
        received_at: When the request came.
        is_browser: Whether its key is public: then orders, coupons, points and consent are refused.
        user_kind: What its user ids are where they do not look like a phone or an e-mail: `user` or `member_no`.
        plan: The tracking plan.
        currency: The shop's currency.
        channel: The channel its events happen in, where they do not say.
        store_id: The store its events happen in, where they do not say.
        is_live: Whether its events may trigger anything; false for imports and for replays of the old.
        cleaner: Takes out what is personal; one for many requests saves making it anew.
    """

    source: str
    tokens: Tokens
    received_at: datetime
    is_browser: bool = False
    user_kind: str = "user"
    plan: Plan = ALLOW_ALL
    currency: str = "CNY"
    channel: str | None = None
    store_id: str | None = None
    is_live: bool = True
    cleaner: Cleaner | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Personal:
    """One raw value for the vault.

    Args:
        subject: Whose it is: the source and the token of the record.
        kind: Its kind.
        token: Its token.
        raw: The value, normalised.
    """

    subject: str
    kind: str
    token: str
    raw: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Note:
    """Something an accepted event should not have had.

    Args:
        place: The message's place in the request.
        path: Where it stands.
        what: `phone`, `email`, `id_card`, `bank_card` for what the scan found; a word of the plan's else.
    """

    place: int
    path: str
    what: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the messages of one request.

    Args:
        items: An entry or a refusal for each message, in their order.
        personal: Raw values for the vault, each once.
        bodies: The refused messages whole, by their `refused_id`.
        notes: What the scan found and the plan warned of.
    """

    items: tuple[Entry | Refusal, ...]
    personal: tuple[Personal, ...] = field(repr=False)
    bodies: tuple[tuple[str, bytes], ...] = field(repr=False)
    notes: tuple[Note, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The accepted ones."""
        return tuple(item for item in self.items if isinstance(item, Entry))

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The refused ones."""
        return tuple(item for item in self.items if isinstance(item, Refusal))
