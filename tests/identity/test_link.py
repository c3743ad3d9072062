"""Whose an event is: what links and what never does, and that the order of events changes nothing."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.clock import microseconds
from shopkeeper.identity.book import Book
from shopkeeper.identity.link import kind_of, link, rank, record_id
from shopkeeper.schema.event import Event, EventType, Identifier

START = datetime(2026, 3, 1, tzinfo=UTC)


def token(prefix: str, name: str) -> str:
    return f"{prefix}_{name:_<24}"


ANN, BOB = token("us", "ann"), token("us", "bob")
PHONE, CARD = token("ph", "1"), token("cd", "1")
MEMBER = token("mb", "7")
BROWSER, DEVICE = token("ck", "1"), token("dv", "1")


def event(
    *,
    user: str | None = None,
    anonymous: str | None = None,
    more: Sequence[str] = (),
    previous: str | None = None,
    kind: EventType = "track",
    source: str = "web",
    verified: bool = False,
    minute: int = 0,
    channel: str | None = None,
) -> Event:
    at = START + timedelta(minutes=minute)
    return Event(
        source=source,
        message_id=f"m{minute}",
        type=kind,
        occurred_at=at,
        received_at=at,
        user_id=user,
        anonymous_id=anonymous,
        previous_id=previous,
        identifiers=tuple(Identifier(kind_of(each), each) for each in more),
        is_verified=verified,
        channel=channel,
    )


def linked(events: Iterable[Event]) -> dict[str, str]:
    book = Book(())
    for each in events:
        at = each.occurred_at
        book.add(link(each, book.known), each.source, microseconds(at), at.toordinal(), verified=each.is_verified)
    return {name: book.person(name) for name in book.known}


def test_a_record_is_the_user_else_the_browser_else_what_names_somebody() -> None:
    assert link(event(user=ANN, anonymous=BROWSER), {}).record == ANN
    assert link(event(anonymous=BROWSER), {}).record == BROWSER
    assert link(event(more=[PHONE, MEMBER]), {}).record == MEMBER
    assert link(event(), {}).record is None
    assert record_id("a:b%", "7") == "a%3Ab%25:7"


def test_history_of_a_browser_joins_the_person_who_signs_in() -> None:
    people = linked([event(anonymous=BROWSER), event(anonymous=BROWSER, user=ANN, minute=1)])
    assert people == {BROWSER: f"web:{ANN}", ANN: f"web:{ANN}"}


def test_a_verified_scan_links_member_phone_and_card() -> None:
    people = linked(
        [event(user=MEMBER, more=[PHONE], verified=True), event(more=[PHONE, CARD], verified=True, minute=1)]
    )
    assert set(people.values()) == {f"web:{MEMBER}"}


def test_an_unverified_event_never_merges_two_known_members() -> None:
    known = [event(user=ANN, minute=0), event(more=[PHONE], verified=True, source="till", minute=1)]
    claim = event(user=ANN, more=[PHONE, MEMBER], kind="identify", minute=2)
    alias = event(user=ANN, previous=BOB, kind="alias", minute=3)
    people = linked([*known, event(user=BOB, minute=4), claim, alias])
    assert len({people[ANN], people[BOB], people[PHONE], people[MEMBER]}) == 4
    proven = event(user=ANN, previous=BOB, kind="alias", verified=True, minute=5)
    people = linked([*known, alias, proven])
    assert people[ANN] == people[BOB] == f"web:{ANN}"


def test_an_unverified_claim_of_an_unknown_phone_holds_until_there_is_proof_of_another_life() -> None:
    claim = event(user=ANN, more=[PHONE], anonymous=BROWSER, kind="identify")
    assert set(linked([claim]).values()) == {f"web:{ANN}"}
    people = linked([claim, event(user=MEMBER, more=[PHONE], verified=True, source="till", minute=1)])
    assert people == {ANN: f"web:{ANN}", BROWSER: f"web:{ANN}", PHONE: f"till:{MEMBER}", MEMBER: f"till:{MEMBER}"}


def test_a_shared_browser_or_a_virtual_number_makes_nobody_one() -> None:
    people = linked([event(user=ANN, anonymous=BROWSER), event(user=BOB, anonymous=BROWSER, verified=True, minute=1)])
    assert people == {ANN: f"web:{ANN}", BOB: f"web:{BOB}", BROWSER: f"web:{ANN}"}
    meal = event(user=ANN, more=[PHONE], verified=True, channel="marketplace")
    assert PHONE not in linked([meal])


def test_a_merged_person_keeps_the_id_of_a_loaded_record() -> None:
    assert min((f"web:{ANN}", "pos:7", f"web:{BROWSER}", f"web:{PHONE}"), key=rank) == "pos:7"
    assert min((f"web:{BROWSER}", f"web:{PHONE}"), key=rank) == f"web:{PHONE}"


TOKENS = [ANN, BOB, MEMBER, PHONE, CARD, BROWSER, DEVICE]
USERS = st.sampled_from([ANN, BOB, MEMBER, PHONE, None, None])
EVENTS = st.lists(
    st.builds(
        event,
        user=USERS,
        anonymous=st.sampled_from([BROWSER, None]),
        more=st.lists(st.sampled_from([MEMBER, PHONE, CARD, DEVICE]), max_size=2, unique=True),
        previous=st.sampled_from([ANN, BROWSER, None]),
        kind=st.sampled_from(["track", "identify", "alias"]),
        source=st.sampled_from(["web", "app"]),
        verified=st.booleans(),
        minute=st.integers(0, 5),
    ),
    max_size=7,
)


@given(EVENTS, st.randoms(use_true_random=False))
def test_any_order_of_events_gives_the_same_persons(events: list[Event], chance: random.Random) -> None:
    expected = linked(events)
    shuffled = events * 2
    chance.shuffle(shuffled)
    assert linked(shuffled) == expected
