"""Consent: default no, the last word holds in whatever order it comes, withdrawing is as easy as giving."""

import inspect
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkeeper.base.errors import ForbiddenError, UsageError
from shopkeeper.privacy.consent import Ledger
from shopkeeper.schema.consent import CHANNELS, PURPOSES
from shopkeeper.storage.vault import Vault
from tests.privacy.conftest import NOW

SAID: dict[str, Any] = {"source": "till", "who": "ann", "now": NOW, "text_version": "v1"}


def test_nobody_agrees_who_never_said_so(ledger: Ledger) -> None:
    standings = ledger.standings("p1", now=NOW)
    assert len(standings) == sum(p.message_class.needs_consent for p in PURPOSES.values()) * len(CHANNELS)
    assert not any(each.granted or each.change for each in standings)


def test_withdrawing_takes_the_same_call_and_needs_less(ledger: Ledger) -> None:
    give, withdraw = (inspect.signature(call) for call in (ledger.give, ledger.withdraw))
    assert give == withdraw
    ledger.give("p1", "marketing", "sms", occurred_at=NOW, **SAID)
    assert ledger.standing("p1", "marketing", "sms", now=NOW).granted
    assert not ledger.standing("p1", "marketing", "email", now=NOW).granted
    assert not ledger.standing("p1", "research", "sms", now=NOW).granted
    ledger.withdraw("p1", "marketing", "sms", occurred_at=NOW, source="till", who="ann", now=NOW)
    assert not ledger.standing("p1", "marketing", "sms", now=NOW).granted
    assert [each.granted for each in ledger.history("p1")] == [False, True]
    assert ledger.history("p1")[1].text_version == "v1"


def test_a_consent_without_proof_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="version of the text"):
        ledger.give("p1", "marketing", "sms", occurred_at=NOW, **SAID | {"text_version": None})
    for purpose, channel in (("everything", "sms"), ("marketing", "pigeon")):
        with pytest.raises(UsageError, match="name one of"):
            ledger.give("p1", purpose, channel, occurred_at=NOW, **SAID)
        with pytest.raises(UsageError, match="name one of"):
            ledger.standing("p1", purpose, channel, now=NOW)
    assert ledger.history("p1") == []


def test_nothing_is_noted_of_who_was_erased(ledger: Ledger, vault: Vault) -> None:
    vault.shred("person|p1")
    for call in (ledger.give, ledger.withdraw):
        with pytest.raises(ForbiddenError, match="erased"):
            call("p1", "marketing", "sms", occurred_at=NOW, **SAID)
    with pytest.raises(ForbiddenError, match="erased"):
        ledger.stop_automated_decisions("p1", source="till", who="ann", occurred_at=NOW, now=NOW)


def test_automated_decisions_stop_and_may_go_on(ledger: Ledger) -> None:
    assert ledger.may_decide("p1")
    ledger.stop_automated_decisions("p1", source="till", who="ann", occurred_at=NOW, now=NOW)
    assert not ledger.may_decide("p1")
    assert ledger.none_may_decide() == {"p1"}
    later = NOW + timedelta(hours=1)
    ledger.allow_automated_decisions("p1", source="till", who="ann", occurred_at=later, now=later)
    assert ledger.may_decide("p1")
    assert ledger.none_may_decide() == set()


MESSAGE = st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from(["sms", "email"]))


def _model(said: list[tuple[int, bool, str]], channel: str) -> bool:
    """Who spoke last; of one minute a withdrawal."""
    words = [(minute, not granted) for minute, granted, on in said if on == channel]
    return bool(words) and not max(words)[1]


_PERSONS = count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(MESSAGE, min_size=1, max_size=8), data=st.data())
def test_any_order_of_arrival_and_any_repetition_gives_what_was_said(
    ledger: Ledger, said: list[tuple[int, bool, str]], data: st.DataObject
) -> None:
    person = f"person {next(_PERSONS)}"
    for number, (minute, granted, channel) in data.draw(st.permutations(list(enumerate(said)) * 2)):
        call = ledger.give if granted else ledger.withdraw
        at = NOW + timedelta(minutes=minute)
        call(person, "marketing", channel, occurred_at=at, message_id=f"m{number}", **SAID)
    after = NOW + timedelta(hours=1)
    for channel in ("sms", "email"):
        assert ledger.standing(person, "marketing", channel, now=after).granted == _model(said, channel)
    assert len(ledger.history(person)) == len(said)
