"""The map of identifiers to persons while a batch of events is linked: what is known, and what changes."""

from collections.abc import Iterable

import msgspec

from shopkeeper.identity.link import Known, Linked, Loaded, rank, record_id

__all__ = ["Book", "Changes", "Merge", "Moved"]


class Merge(msgspec.Struct, frozen=True):
    """One person becomes part of another: all that is theirs moves.

    Args:
        person_id: The person that ends.
        into_id: The person that stays.
    """

    person_id: str
    into_id: str


class Moved(msgspec.Struct, frozen=True):
    """One record that belongs to another person than its own.

    Args:
        record_id: The record, as the person it would be by itself.
        token: Its token.
        person_id: The person it belongs to.
    """

    record_id: str
    token: str
    person_id: str


class Changes(msgspec.Struct, frozen=True):
    """What a batch changed, to be kept in this order.

    Args:
        merges: Persons that became part of others.
        known: Identifiers that are new or changed.
        seen: Identifiers of which only the sight is new: days, source, whether they are verified.
        followed: Identifiers whose person changed without a merge: what they claimed follows them.
        moved: Records that belong to another person than their own.
    """

    merges: tuple[Merge, ...]
    known: tuple[Known, ...]
    seen: tuple[Known, ...]
    followed: tuple[str, ...]
    moved: tuple[Moved, ...]


class Book:
    """Carries out what events and records of files are evidence of.

    Args:
        known: What the map says of every identifier on the batch's events, and of those that these claimed.
    """

    def __init__(self, known: Iterable[Known]) -> None:
        self.known: dict[str, Known] = {}
        self._claimed: dict[str, dict[str, None]] = {}  # by whoever claimed them: nobody looks through all for these
        self._changed: set[str] = set()
        self._seen: set[str] = set()
        self._new: set[str] = set()
        self._into: dict[str, str] = {}
        self._followed: dict[str, None] = {}
        self._records: dict[tuple[str, str], None] = {}
        for one in known:
            self._learn(one)

    def person(self, token: str) -> str:
        """The person an identifier belongs to."""
        return self._stays(self.known[token].person_id)

    def add(self, linked: Linked, source: str, at: int, day: int, *, verified: bool) -> None:
        """Takes in one event.

        Args:
            linked: What it is evidence of.
            source: Its source.
            at: When it happened, in microseconds since 1970.
            day: The day (UTC) of that.
            verified: Whether it came with a server key.
        """
        for token in linked.seen:
            self._see(token, source, day, day, verified=verified)
        for token in linked.joined[1:]:
            self._merge(self.person(linked.joined[0]), self.person(token))
        for token in linked.claims:
            if linked.claimant is not None and token != linked.claimant:
                self._claim(token, linked.claimant, at)
        if linked.record in self.known:
            self._records[source, str(linked.record)] = None

    def add_record(self, linked: Linked, loaded: Loaded, person: str) -> None:
        """Takes in one record of a file.

        Args:
            linked: What it is evidence of.
            loaded: The record.
            person: The person it belongs to as far as the map knows; its own where it was never linked.
        """
        is_named = linked.record is None
        for token in linked.seen:
            if is_named and token not in self.known and token in linked.joined:
                # It never stood for itself, so nothing of its own need be moved.
                first, last, home = loaded.first_day, loaded.last_day, self._stays(person)
                self._new.add(token)
                self._put(Known(token, home, loaded.source, first, last, verified=True))
            else:
                self._see(token, loaded.source, loaded.first_day, loaded.last_day, verified=True)
        for token in linked.joined:
            self._merge(self._stays(person) if is_named else self.person(linked.joined[0]), self.person(token))
        for token in linked.claims:
            self._claim(token, str(linked.claimant), loaded.at)
        if linked.record is not None:
            self._records[loaded.source, linked.record] = None

    def changes(self) -> Changes:
        """What is to be kept."""
        moved = (Moved(record_id(source, token), token, self.person(token)) for source, token in self._records)
        return Changes(
            tuple(Merge(person, self._stays(person)) for person in self._into),
            tuple(
                msgspec.structs.replace(self.known[token], person_id=self.person(token))
                for token in sorted(self._changed)
            ),
            tuple(self.known[token] for token in sorted(self._seen - self._changed)),
            tuple(self._followed),
            tuple(one for one in moved if one.record_id != one.person_id),
        )

    def _see(self, token: str, source: str, first: int, last: int, *, verified: bool) -> None:
        own = record_id(source, token)
        found = self.known.get(token)
        if found is None:
            self._new.add(token)
            self._put(Known(token, own, source, first, last, verified))
            return
        # Nearly always it was seen so before.
        if not (
            source >= found.source
            and found.first_day <= first
            and last <= found.last_day
            and found.verified >= verified
        ):
            self._seen.add(token)
            self._learn(
                msgspec.structs.replace(
                    found,
                    source=min(source, found.source),
                    first_day=min(first, found.first_day),
                    last_day=max(last, found.last_day),
                    verified=found.verified or verified,
                )
            )
            if verified and not found.verified and _is_contact_claim(found):
                self._stand_alone(token)
        person = self.person(token)
        if person != own and self.known[token].claimed_by is None and rank(own) < rank(person):
            self._merge(own, person)

    def _stand_alone(self, token: str) -> None:
        """A claim without proof ends where there is proof of another life."""
        found = self.known[token]
        own = self._stays(record_id(found.source, token))
        self._put(msgspec.structs.replace(found, person_id=own, claimed_by=None, claimed_at=None))
        self._follow(token)

    def _claim(self, token: str, claimant: str, at: int) -> None:
        found = self.known[token]
        if found.claimed_by is not None and (found.claimed_at or 0, found.claimed_by) <= (at, claimant):
            return
        person = self.person(claimant)
        moves = person != self.person(token)
        self._put(msgspec.structs.replace(found, person_id=person, claimed_by=claimant, claimed_at=at))
        if moves:
            self._follow(token)

    def _follow(self, token: str) -> None:
        if token not in self._new:
            self._followed[token] = None
        for other in self._claimed.get(token, ()):
            self._put(msgspec.structs.replace(self.known[other], person_id=self.person(token)))

    def _merge(self, one: str, other: str) -> None:
        one, other = self._stays(one), self._stays(other)
        if one == other:
            return
        stays, ends = sorted((one, other), key=rank)
        self._into[ends] = stays

    def _stays(self, person: str) -> str:
        while person in self._into:
            person = self._into[person]
        return person

    def _put(self, known: Known) -> None:
        self._learn(known)
        self._changed.add(known.token)

    def _learn(self, known: Known) -> None:
        before = self.known.get(known.token)
        self.known[known.token] = known
        was = None if before is None else before.claimed_by
        if was != known.claimed_by:
            if was is not None:
                self._claimed[was].pop(known.token, None)
            if known.claimed_by is not None:
                self._claimed.setdefault(known.claimed_by, {})[known.token] = None


def _is_contact_claim(known: Known) -> bool:
    # Cookies and devices stay claimed: a server that names one proves nothing about it.
    return known.claimed_by is not None and not known.token.startswith(("ck_", "dv_"))
