"""The contract of the consent ledger, the flags and the requests, held by SQLite and PostgreSQL alike."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shopkeeper.base.errors import AlreadyThereError, ConflictError, MissingError, StorageError, UsageError
from shopkeeper.storage.state import State, tables
from shopkeeper.storage.state.consents import ConsentChange, ConsentText
from shopkeeper.storage.state.flags import NO_AUTOMATED_DECISIONS, FlagChange
from shopkeeper.storage.state.forget import forget_persons, persons_known

HOUR = timedelta(hours=1)


def change(now: datetime, *, granted: bool = True, **more: object) -> ConsentChange:
    made = ConsentChange("p1", "marketing", "sms", granted, "till", "ann", now, now, "v1", "zh", {"form": "7"}, None)
    return replace(made, **more)  # type: ignore[arg-type]


def test_the_same_message_has_one_effect_and_other_words_another(state: State, now: datetime) -> None:
    first = change(now, message_id="m1")
    assert state.consents.add([first, first]) == 1
    assert state.consents.add([replace(first, recorded_at=now + HOUR)]) == 0
    assert state.consents.add([change(now), change(now)]) == 1
    assert state.consents.add([change(now + HOUR)]) == 1
    assert len(state.consents.of("p1")) == 3
    assert state.consents.of("p1")[-1] in (first, change(now))
    assert state.consents.of("p2") == []


def test_the_last_word_holds_and_of_one_instant_the_withdrawal(state: State, now: datetime) -> None:
    assert state.consents.last("p1", "marketing", "sms", until=now) is None
    state.consents.add([change(now + HOUR, granted=False)])
    state.consents.add([change(now)])
    state.consents.add([change(now + HOUR)])
    last = state.consents.last("p1", "marketing", "sms", until=now + 2 * HOUR)
    assert last == change(now + HOUR, granted=False)
    assert state.consents.last("p1", "marketing", "email", until=now) is None


def test_a_withdrawal_of_a_clock_that_is_ahead_holds_now_and_a_consent_does_not(state: State, now: datetime) -> None:
    state.consents.add([change(now + HOUR)])
    assert state.consents.last("p1", "marketing", "sms", until=now) is None
    state.consents.add([change(now + HOUR, granted=False)])
    last = state.consents.last("p1", "marketing", "sms", until=now)
    assert last is not None
    assert not last.granted


def test_the_snapshot_has_a_row_for_each_instant(state: State, now: datetime) -> None:
    before = state.consents.state()
    state.consents.add([change(now), change(now, granted=False), change(now + HOUR), change(now, channel="email")])
    rows = [row for batch in state.consents.batches(rows=2) for row in batch]
    assert [(row.channel, row.occurred_at, row.refused) for row in rows] == [
        ("email", now, 0),
        ("sms", now, 1),
        ("sms", now + HOUR, 0),
    ]
    assert state.consents.state() != before


@pytest.mark.parametrize("table", ["consents", "consent_texts", "person_flags"])
def test_nothing_that_was_said_can_be_changed(state: State, now: datetime, table: str) -> None:
    state.consents.add([change(now)])
    state.consents.put_text(ConsentText("v1", "zh", "marketing", "我同意", "ann", now))
    state.flags.add(FlagChange("p1", NO_AUTOMATED_DECISIONS, True, "till", "ann", now, now))  # noqa: FBT003
    with pytest.raises(StorageError), state.database.write() as connection:
        connection.execute(tables.METADATA.tables[table].update())


def test_a_text_never_changes_under_its_version(state: State, now: datetime) -> None:
    text = ConsentText("v1", "zh", "marketing", "我同意", "ann", now)
    state.consents.put_text(text)
    state.consents.put_text(text)
    with pytest.raises(AlreadyThereError, match="version v1"):
        state.consents.put_text(replace(text, body="别的"))
    assert state.consents.text("v1", "zh") == text
    assert state.consents.text("v1", "en") is None


def test_a_flag_holds_until_it_is_taken_back_whatever_the_order_of_arrival(state: State, now: datetime) -> None:
    def say(*, is_set: bool, at: datetime) -> None:
        state.flags.add(FlagChange("p1", NO_AUTOMATED_DECISIONS, is_set, "till", "ann", at, now))

    assert not state.flags.is_set("p1", NO_AUTOMATED_DECISIONS)
    say(is_set=True, at=now + HOUR)
    say(is_set=False, at=now)
    assert state.flags.is_set("p1", NO_AUTOMATED_DECISIONS)
    say(is_set=False, at=now + HOUR)
    assert state.flags.is_set("p1", NO_AUTOMATED_DECISIONS)
    assert state.flags.all_set(NO_AUTOMATED_DECISIONS) == {"p1"}
    say(is_set=False, at=now + 2 * HOUR)
    assert not state.flags.is_set("p1", NO_AUTOMATED_DECISIONS)
    assert state.flags.all_set(NO_AUTOMATED_DECISIONS) == set()


def test_a_request_runs_on_the_clock_of_the_first_asking(state: State, now: datetime) -> None:
    due = now + timedelta(days=15)
    first = state.requests.add("erasure", "p1", by="ann", asked_at=now, due_at=due, note="no more")
    again = state.requests.add("erasure", "p1", by="bob", asked_at=now + HOUR, due_at=due + HOUR)
    assert again == first == state.requests.get(first.id)
    assert not first.overdue(due)
    assert first.overdue(due + timedelta(seconds=1))
    assert state.requests.overdue(due + timedelta(seconds=1)) == 1
    state.requests.add("correction", "p1", by="ann", asked_at=now, due_at=due - HOUR, note="the name")
    assert [each.kind for each in state.requests.all()] == ["correction", "erasure"]
    closed = state.requests.close(first.id, "done", by="ann", now=now + HOUR, receipt={"counts": {"lake": 3}})
    assert (closed.state, closed.done_by, closed.receipt) == ("done", "ann", {"counts": {"lake": 3}})
    with pytest.raises(ConflictError, match="done already"):
        state.requests.close(first.id, "refused", by="ann", now=now)
    with pytest.raises(MissingError):
        state.requests.get("request_of_nobody")
    with pytest.raises(UsageError, match="access, correction, erasure"):
        state.requests.add("praise", "p1", by="ann", asked_at=now, due_at=due)
    assert [each.state for each in state.requests.of("p1")] == ["done", "open"]


def test_a_forgotten_person_is_in_no_table(state: State, now: datetime) -> None:
    for person in ("canary-person", "other"):
        state.consents.add([change(now, person_id=person)])
        state.flags.add(FlagChange(person, NO_AUTOMATED_DECISIONS, True, "till", "ann", now, now))  # noqa: FBT003
        state.assignments.keep("c1", [(person, "a")], now=now)
        state.requests.add("access", person, by="ann", asked_at=now, due_at=now, note="canary-note")
    assert persons_known(state.database) == {"canary-person", "other"}
    done = forget_persons(state.database, ["canary-person"])
    assert done == {"consents": 1, "person_flags": 1, "assignments": 1, "requests": 1}
    assert persons_known(state.database) == {"other"}
    assert len(state.requests.all()) == 2
    if state.database.is_sqlite:
        folder = Path(str(state.database.engine.url.database)).parent
        held = b"".join(file.read_bytes() for file in folder.iterdir())
        assert b"canary-person" not in held
        assert b"other" in held
