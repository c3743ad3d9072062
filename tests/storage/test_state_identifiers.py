"""The map of identifiers: kept, moved and asked in sets, on either database."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from shopkeeper.storage.state import State
from shopkeeper.storage.state.consents import ConsentChange
from shopkeeper.storage.state.flags import NO_AUTOMATED_DECISIONS, FlagChange
from shopkeeper.storage.state.identifiers import Identified, RecordOf

DAY = date(2026, 3, 1)


def one(token: str, person: str, *, claimed_by: str | None = None) -> Identified:
    return Identified(token, person, "user", "web", DAY, DAY, verified=True, claimed_by=claimed_by, claimed_at=None)


def test_identifiers_are_kept_changed_and_forgotten_in_sets(state: State) -> None:
    many = [one(f"us_{number:024}", f"web:us_{number:024}") for number in range(2_500)]
    state.identifiers.keep(many)
    state.identifiers.keep([replace(many[0], last_seen_on=DAY + timedelta(days=1))])
    found = {each.token: each for each in state.identifiers.known([each.token for each in many] + ["us_nobody"])}
    assert len(found) == 2_500
    assert found[many[1].token] == many[1]
    assert found[many[0].token].last_seen_on == DAY + timedelta(days=1)
    assert state.identifiers.of(many[5].person_id) == [many[5]]
    assert state.identifiers.forget([each.token for each in many[1:]]) == 2_499
    assert [each.token for each in state.identifiers.known([each.token for each in many])] == [many[0].token]


def test_a_sight_changes_days_and_nothing_else_and_brings_nobody_back(state: State) -> None:
    known, gone = one("us_a", "web:us_a"), one("us_b", "web:us_b")
    state.identifiers.keep([known])
    now = datetime.combine(DAY, time(), UTC)
    later = replace(known, person_id="web:nobody", last_seen_on=DAY + timedelta(days=1), source="app")
    new = one("ck_1", "web:us_a", claimed_by="us_a")
    state.identifiers.remember([new], [later, gone], {"web:ck_1": ("ck_1", "web:us_a")}, now=now)
    found = {each.token: each for each in state.identifiers.known(["us_a", "us_b", "ck_1"])}
    assert found == {"us_a": replace(later, person_id="web:us_a"), "ck_1": new}
    assert state.identifiers.fold("web:ck_1") == ("web:us_a", ["web:ck_1", "web:us_a"])
    moved = state.identifiers.version()
    state.identifiers.remember([new], [later], {"web:ck_1": ("ck_1", "web:us_a")}, now=now + timedelta(days=1))
    assert state.identifiers.version() == moved


def test_more_than_one_transaction_takes_are_all_kept(state: State) -> None:
    many = [one(f"us_{number:024}", f"web:us_{number:024}") for number in range(900)]
    seen = [replace(each, last_seen_on=DAY + timedelta(days=1)) for each in many]
    records = {f"app:{each.token}": (each.token, each.person_id) for each in many}
    state.identifiers.remember(many, seen, records, now=datetime.combine(DAY, time(), UTC))
    found = state.identifiers.known([each.token for each in many])
    assert sorted(found, key=lambda each: each.token) == seen
    assert state.identifiers.persons(list(records)) == {record: who for record, (_, who) in records.items()}


def test_a_merge_moves_identifiers_and_records_and_says_since_when(state: State, now: datetime) -> None:
    later, last = now + timedelta(hours=1), now + timedelta(hours=2)
    state.identifiers.keep(
        [one("us_a", "web:us_a"), one("us_b", "app:us_b"), one("ck_1", "web:us_a", claimed_by="us_a")]
    )
    state.identifiers.belong({"web:ck_1": ("ck_1", "web:us_a")}, now=now)
    for _ in range(2):
        state.identifiers.merge([("web:us_a", "app:us_b")], now=later)
    assert {each.person_id for each in state.identifiers.known(["us_a", "us_b", "ck_1"])} == {"app:us_b"}
    assert state.identifiers.records("app:us_b") == ["app:us_b", "web:ck_1", "web:us_a"]
    assert state.identifiers.records("web:us_a") == []
    assert state.identifiers.person("web:us_a") == "app:us_b" == state.identifiers.person("app:us_b")
    assert state.identifiers.persons(["web:ck_1", "app:us_b"]) == {"web:ck_1": "app:us_b"}
    state.identifiers.merge([("app:us_b", "pos:7")], now=last)
    assert state.identifiers.records("pos:7") == ["app:us_b", "pos:7", "web:ck_1", "web:us_a"]
    assert list(state.identifiers.moves(at_once=2)) == [
        RecordOf("app:us_b", "us_b", "pos:7", last, None),
        RecordOf("web:ck_1", "ck_1", "web:us_a", now, later),
        RecordOf("web:ck_1", "ck_1", "app:us_b", later, last),
        RecordOf("web:ck_1", "ck_1", "pos:7", last, None),
        RecordOf("web:us_a", "us_a", "app:us_b", later, last),
        RecordOf("web:us_a", "us_a", "pos:7", last, None),
    ]


def test_who_is_forgotten_stays_in_nobodys_history(state: State, now: datetime) -> None:
    state.identifiers.belong({"web:ck_1": ("ck_1", "till:7")}, now=now)
    state.identifiers.belong({"web:ck_1": ("ck_1", "till:8")}, now=now + timedelta(hours=1))
    state.identifiers.forget([], ["till:7"])
    assert list(state.identifiers.moves()) == [RecordOf("web:ck_1", "ck_1", "till:8", now + timedelta(hours=1), None)]


def test_what_an_identifier_claimed_follows_it(state: State, now: datetime) -> None:
    state.identifiers.keep([one("ph_1", "web:us_a", claimed_by="us_a"), one("ck_1", "web:us_a", claimed_by="ph_1")])
    state.identifiers.belong({"web:ck_1": ("ck_1", "web:us_a"), "web:ph_1": ("ph_1", "web:us_a")}, now=now)
    for _ in range(2):
        moved = {"ph_1": (one("ph_1", "web:ph_1"), "web:ph_1")}
        state.identifiers.follow(moved, now=now + timedelta(hours=1))
    assert {each.person_id for each in state.identifiers.known(["ph_1", "ck_1"])} == {"web:ph_1"}
    assert state.identifiers.records("web:ph_1") == ["web:ck_1", "web:ph_1"]
    assert state.identifiers.records("web:us_a") == ["web:us_a"]


def test_the_version_counts_moves_and_the_mark_says_what_was_read(state: State, now: datetime) -> None:
    assert (state.identifiers.version(), state.identifiers.seeded()) == (0, 0)
    state.identifiers.keep([one("us_a", "web:us_a")])
    assert state.identifiers.version() == 0
    state.identifiers.merge([("web:us_a", "till:7"), ("till:9", "till:7")], now=now)
    moved = state.identifiers.version()
    assert moved > 0
    state.identifiers.merge([("till:9", "till:7")], now=now + timedelta(hours=1))
    assert state.identifiers.version() == moved
    assert state.identifiers.records("till:7") == ["till:7", "till:9", "web:us_a"]
    assert state.identifiers.forget([], ["till:9"]) == 0
    assert state.identifiers.version() > moved
    assert list(state.identifiers.tokens()) == ["us_a"]
    for snapshot in (2**62, 5):
        state.identifiers.note_seeded(snapshot)
        assert state.identifiers.seeded() == snapshot


def test_one_at_a_time_changes_the_map(state: State) -> None:
    with state.identifiers.alone_seeding(waits=False) as first, state.identifiers.alone():
        assert first
        with state.identifiers.alone_seeding(waits=False) as second:
            assert not second
    with state.identifiers.alone_seeding(waits=True) as third:
        assert third


def test_what_was_said_under_any_name_holds_for_the_one_person(state: State, now: datetime) -> None:
    said = ConsentChange("web:us_a", "marketing", "sms", False, "web", "us", now, now)  # noqa: FBT003 - a record
    other = replace(said, person_id="till:7", granted=True, occurred_at=now - timedelta(days=1))
    state.consents.add([said, other])
    state.flags.add(FlagChange("web:us_a", NO_AUTOMATED_DECISIONS, True, "web", "us", now, now))  # noqa: FBT003 - a record
    last = state.consents.last("till:7", "marketing", "sms", until=now)
    assert last is not None
    assert last.granted
    state.identifiers.merge([("web:us_a", "till:7")], now=now)
    for name in ("till:7", "web:us_a"):
        assert state.consents.last(name, "marketing", "sms", until=now) == said
        assert state.consents.of(name) == [said, other]
        assert state.flags.is_set(name, NO_AUTOMATED_DECISIONS)
    assert {row[0] for batch in state.consents.batches() for row in batch} == {"till:7"}
    assert state.flags.all_set(NO_AUTOMATED_DECISIONS) == {"till:7"}
