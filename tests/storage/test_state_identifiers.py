"""The map of identifiers: kept, moved and asked in sets, on either database."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from shopkeeper.storage.state import State
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


def test_what_an_identifier_claimed_follows_it(state: State, now: datetime) -> None:
    state.identifiers.keep([one("ph_1", "web:us_a", claimed_by="us_a"), one("ck_1", "web:us_a", claimed_by="ph_1")])
    state.identifiers.belong({"web:ck_1": ("ck_1", "web:us_a"), "web:ph_1": ("ph_1", "web:us_a")}, now=now)
    for _ in range(2):
        moved = {"ph_1": (one("ph_1", "web:ph_1"), "web:ph_1")}
        state.identifiers.follow(moved, now=now + timedelta(hours=1))
    assert {each.person_id for each in state.identifiers.known(["ph_1", "ck_1"])} == {"web:ph_1"}
    assert state.identifiers.records("web:ph_1") == ["web:ck_1", "web:ph_1"]
    assert state.identifiers.records("web:us_a") == ["web:us_a"]
