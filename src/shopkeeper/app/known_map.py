"""What identity decides, read from and kept in the map of identifiers."""

from collections.abc import Collection
from datetime import date, datetime

from shopkeeper.identity.book import Book
from shopkeeper.identity.link import Known, kind_of, record_id
from shopkeeper.storage.state.identifiers import Identified, Identifiers

__all__ = ["known_to", "remember"]


def known_to(identifiers: Identifiers, tokens: Collection[str]) -> list[Known]:
    """Gives what the map says of some identifiers, and of those that claimed them."""
    found = identifiers.known(sorted(tokens))
    claimants = {one.claimed_by for one in found if one.claimed_by is not None} - {one.token for one in found}
    if claimants:
        found += identifiers.known(sorted(claimants))
    return [_known(one) for one in found]


def remember(identifiers: Identifiers, book: Book, at: datetime) -> None:
    """Keeps what a book changed; doing it twice is harmless.

    Args:
        identifiers: The map, held `alone` since the book was opened.
        book: The book.
        at: Since when records belong to others.
    """
    changes = book.changes()
    if changes.merges:
        identifiers.merge([(each.person_id, each.into_id) for each in changes.merges], now=at)
    if changes.followed:
        moved = {
            token: (_identified(book.known[token], book.person(token)), record_id(book.known[token].source, token))
            for token in changes.followed
        }
        identifiers.follow(moved, now=at)
    identifiers.remember(
        [_identified(one, one.person_id) for one in changes.known],
        [_identified(one, one.person_id) for one in changes.seen],
        {one.record_id: (one.token, one.person_id) for one in changes.moved},
        now=at,
    )


def _known(one: Identified) -> Known:
    return Known(
        one.token,
        one.person_id,
        one.source,
        one.first_seen_on.toordinal(),
        one.last_seen_on.toordinal(),
        one.verified,
        one.claimed_by,
        one.claimed_at,
    )


def _identified(one: Known, person_id: str) -> Identified:
    return Identified(
        one.token,
        person_id,
        kind_of(one.token),
        one.source,
        date.fromordinal(one.first_day),
        date.fromordinal(one.last_day),
        one.verified,
        one.claimed_by,
        one.claimed_at,
    )
