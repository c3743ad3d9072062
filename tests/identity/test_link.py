"""Whose an event is: what links and what never does, and that the order of events changes nothing."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.clock import microseconds
from shopkeeper.identity.book import Book
from shopkeeper.identity.link import Known, Loaded, kind_of, link, link_loaded, rank, record_id
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


def loaded(customer: str, *tokens: str, source: str = "till", minute: int = 0) -> Loaded:
    at = START + timedelta(minutes=minute)
    return Loaded(source, customer, tokens, at.toordinal(), at.toordinal(), microseconds(at))


def linked(happened: Iterable[Event | Loaded]) -> dict[str, str]:
    """Who each identifier is, each event and record coming by itself: what the map knows is all that stays."""
    people: dict[str, str] = {}
    book = Book(())
    for each in happened:
        if isinstance(each, Loaded):
            own = record_id(each.source, each.customer_id)
            book.add_record(link_loaded(each), each, people.get(own, own))
        else:
            at = each.occurred_at
            book.add(link(each, book.known), each.source, microseconds(at), at.toordinal(), verified=each.is_verified)
        changes = book.changes()
        into = {one.person_id: one.into_id for one in changes.merges}
        people = {record: into.get(person, person) for record, person in people.items()} | into
        people |= {one.record_id: one.person_id for one in changes.moved}
        book = Book(one for one in _kept(book))
    return {name: book.person(name) for name in book.known}


def _kept(book: Book) -> Iterable[Known]:
    return [msgspec.structs.replace(one, person_id=book.person(name)) for name, one in book.known.items()]


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


def test_a_record_of_a_file_takes_in_what_was_seen_with_it() -> None:
    member = loaded("007", PHONE, CARD, BROWSER)
    assert set(linked([member]).values()) == {"till:007"}
    paid = event(user=ANN, more=[PHONE], verified=True, source="app", minute=1)
    for both in ([member, paid], [paid, member]):
        assert set(linked(both).values()) == {"till:007"}
    assert set(linked([member, loaded("9", PHONE, source="crm")]).values()) == {"crm:9"}


def test_a_record_that_only_its_phone_names_is_who_has_the_phone() -> None:
    ticket, paid = loaded(PHONE, PHONE), event(user=ANN, more=[PHONE], verified=True, source="app")
    assert linked([ticket, paid]) == {PHONE: f"app:{ANN}", ANN: f"app:{ANN}"}


def test_a_file_is_proof_where_a_browser_is_none() -> None:
    member, claim = loaded("007", PHONE), event(user=ANN, more=[PHONE], kind="identify")
    for both in ([member, claim], [claim, member]):
        assert linked(both) == {PHONE: "till:007", ANN: f"web:{ANN}"}


def test_browsers_and_devices_of_a_file_link_nobody_by_themselves() -> None:
    assert linked([loaded("1", BROWSER), loaded("2", BROWSER, DEVICE)]) == {}
    people = linked([loaded("1", PHONE, BROWSER), loaded("2", CARD, BROWSER, minute=1)])
    assert people == {PHONE: "till:1", BROWSER: "till:1", CARD: "till:2"}


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


RECORDS = st.lists(
    st.builds(
        lambda customer, tokens, source, minute: loaded(customer, *tokens, source=source, minute=minute),
        st.sampled_from(["1", "2", PHONE, CARD]),
        st.lists(st.sampled_from([MEMBER, PHONE, CARD, DEVICE, BROWSER]), max_size=3, unique=True),
        st.sampled_from(["till", "crm"]),
        st.integers(0, 5),
    ),
    max_size=4,
)


@given(EVENTS, RECORDS, st.randoms(use_true_random=False))
def test_any_order_of_events_and_records_gives_the_same_persons(
    events: list[Event], records: list[Loaded], chance: random.Random
) -> None:
    happened = [*events, *records]
    expected = linked(happened)
    shuffled = happened * 2
    chance.shuffle(shuffled)
    assert linked(shuffled) == expected
