"""An event as it stands in the log: checked, tokenised, one shape whatever API it came by."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

__all__ = ["Event", "EventType", "Identifier"]

EventType = Literal["track", "page", "screen", "identify", "group", "alias"]


class Identifier(msgspec.Struct, frozen=True, array_like=True):
    """One more identifier that an event carried, such as the phone among its traits.

    Args:
        kind: Its kind, as in `storage.token.KINDS`.
        token: Its keyed token; the raw value is nowhere but in the vault.
    """

    kind: str
    token: str


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One accepted event; the columns of the table `event`, and what linking needs.

    Args:
        source: The source of the key it came with.
        message_id: Its id in the source; the two together have one effect for ever.
        type: The Segment type.
        name: The canonical name of a track event, the name of a page or screen.
        anonymous_id: Token of the anonymous id.
        user_id: Token of the user id.
        previous_id: Token of the id before an alias.
        group_id: Token of the group.
        occurred_at: When it happened, by our clock: `timestamp` + (`receivedAt` - `sentAt`) of Segment.
        sent_at: When the client says it sent it.
        received_at: When it was received.
        session_id: The session it belongs to.
        channel: Channel it happened in, of the dictionary.
        store_id: Store it happened in.
        product_id: Product it is about; of several, none.
        category: Category it is about.
        query: What was searched for.
        value: What it was worth, in the shop's currency.
        traits: Traits, personal values as tokens.
        context: Context, addresses cut to /24 and /48; `consent` is kept as it came.
        properties: Properties, personal values found in them as tokens.
        identifiers: Further identifiers it carried.
        is_verified: Whether it came with a server key: only then may it link two known members.
        is_live: Whether it may trigger anything; false for `/v1/import` and replays of the old.
    """

    source: str
    message_id: str
    type: EventType
    occurred_at: datetime
    received_at: datetime
    name: str | None = None
    anonymous_id: str | None = None
    user_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    sent_at: datetime | None = None
    session_id: str | None = None
    channel: str | None = None
    store_id: str | None = None
    product_id: str | None = None
    category: str | None = None
    query: str | None = None
    value: Decimal | None = None
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    identifiers: tuple[Identifier, ...] = ()
    is_verified: bool = False
    is_live: bool = True
