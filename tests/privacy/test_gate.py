"""The gate: only what it permits is sent, by nothing else made, and a withdrawal wins until the last moment."""

import ast
import copy
import pickle
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.base.errors import UsageError
from shopkeeper.privacy.consent import Ledger
from shopkeeper.privacy.gate import Gate, Permitted, Reason, Recipient, Withheld
from shopkeeper.schema.consent import MessageClass
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault
from tests.privacy.conftest import NOW

P1 = Recipient("p1", ("till|1", "app|9"))
SAID: dict[str, Any] = {"source": "till", "who": "ann", "now": NOW, "occurred_at": NOW, "text_version": "v1"}
SOURCE = Path(__file__).parents[2] / "src" / "shopkeeper"


def permitted(gate: Gate, **more: Any) -> Permitted:
    found = gate.permit(P1, "marketing", "email", now=NOW, **more)
    assert isinstance(found, Permitted)
    return found


def test_marketing_needs_consent_for_this_purpose_on_this_channel(gate: Gate, ledger: Ledger, tokens: Tokens) -> None:
    assert gate.permit(P1, "marketing", "email", now=NOW) == Withheld("p1", "marketing", "email", Reason.NO_CONSENT)
    ledger.give("p1", "marketing", "sms", **SAID)
    ledger.give("p1", "research", "email", **SAID)
    assert gate.permit(P1, "marketing", "email", now=NOW) == Withheld("p1", "marketing", "email", Reason.NO_CONSENT)
    ledger.give("p1", "marketing", "email", **SAID)
    found = permitted(gate)
    assert (found.person_id, found.purpose, found.channel, found.text_version) == ("p1", "marketing", "email", "v1")
    assert (found.address, found.token) == ("canary.one@example.com", tokens.token("email", "canary.one@example.com"))
    assert (found.message_class, found.checked_at) == (MessageClass.MARKETING, NOW)
    ledger.withdraw("p1", "marketing", "email", **SAID)
    assert gate.permit(P1, "marketing", "email", now=NOW) == Withheld("p1", "marketing", "email", Reason.WITHDRAWN)


@pytest.mark.parametrize("purpose", ["service", "entitlement"])
def test_service_and_entitlement_are_never_withheld_for_want_of_consent(
    gate: Gate, ledger: Ledger, purpose: str
) -> None:
    ledger.withdraw("p1", purpose, "sms", **SAID)
    ledger.stop_automated_decisions("p1", source="till", who="ann", occurred_at=NOW, now=NOW)
    found = gate.permit(P1, purpose, "sms", now=NOW, is_personalised=True)
    assert isinstance(found, Permitted)
    assert found.text_version is None


def test_who_wants_no_automated_decisions_gets_what_everybody_gets(gate: Gate, ledger: Ledger) -> None:
    ledger.give("p1", "marketing", "email", **SAID)
    ledger.stop_automated_decisions("p1", source="till", who="ann", occurred_at=NOW, now=NOW)
    withheld = gate.permit(P1, "marketing", "email", now=NOW, is_personalised=True)
    assert withheld == Withheld("p1", "marketing", "email", Reason.NO_AUTOMATED_DECISIONS)
    assert permitted(gate).address == "canary.one@example.com"


def test_without_an_address_nothing_goes_and_one_of_several_can_be_named(
    gate: Gate, vault: Vault, tokens: Tokens
) -> None:
    held = {tokens.token("phone", raw): raw for raw in ("13812345678", "13987654321")}
    first = gate.permit(P1, "service", "sms", now=NOW)
    assert isinstance(first, Permitted)
    assert first.token == min(held)
    for token, raw in held.items():
        named = gate.permit(P1, "service", "sms", now=NOW, token=token)
        assert isinstance(named, Permitted)
        assert named.address == raw
    assert gate.permit(P1, "service", "wechat", now=NOW) == Withheld("p1", "service", "wechat", Reason.NO_ADDRESS)
    for subject in P1.subjects:
        vault.shred(subject)
    assert gate.permit(P1, "service", "sms", now=NOW) == Withheld("p1", "service", "sms", Reason.NO_ADDRESS)
    assert gate.again(first, now=NOW) == Withheld("p1", "service", "sms", Reason.NO_ADDRESS)
    with pytest.raises(UsageError, match="no channel 'pigeon'"):
        gate.permit(P1, "service", "pigeon", now=NOW)


def test_nothing_but_the_gate_makes_what_may_be_sent(gate: Gate, ledger: Ledger) -> None:
    ledger.give("p1", "marketing", "email", **SAID)
    good = permitted(gate)
    fields = {name: getattr(good, name) for name in Permitted.__slots__}
    for key in (None, object(), good):
        with pytest.raises(TypeError, match="only the gate"):
            Permitted(key, **fields)
    with pytest.raises(TypeError):
        type("Mine", (Permitted,), {})
    for name in Permitted.__slots__:
        with pytest.raises(AttributeError, match="cannot be changed"):
            setattr(good, name, "x")
        with pytest.raises(AttributeError, match="cannot be changed"):
            delattr(good, name)
    with pytest.raises(AttributeError):
        good.more = 1  # type: ignore[attr-defined]
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied"):
            copied(good)
    assert "canary" not in repr(good)
    assert "canary" not in str(good)


def test_only_the_gate_asks_for_the_key_and_only_privacy_reveals() -> None:
    asking, revealing = set(), set()
    for file in SOURCE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "by_the_gate" in text or "_BY_THE_GATE" in text:
            asking.add(str(file.relative_to(SOURCE)))
        calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        if any(isinstance(each, ast.Attribute) and each.attr in ("reveal", "reveal_many") for each in calls):
            revealing.add(file.relative_to(SOURCE).parts[0])
    assert asking == {"privacy/permitted.py", "privacy/gate.py"}
    assert revealing <= {"privacy", "storage"}


def test_a_withdrawal_between_choice_and_sending_wins(gate: Gate, ledger: Ledger) -> None:
    ledger.give("p1", "marketing", "email", **SAID)
    waiting = permitted(gate)
    sent: list[str] = []

    def deliver(each: Permitted) -> str:
        sent.append(each.address)
        return "sent"

    assert gate.send(waiting, deliver, clock=lambda: NOW) == "sent"
    ledger.withdraw("p1", "marketing", "email", **SAID)
    assert gate.send(waiting, deliver, clock=lambda: NOW) == Withheld("p1", "marketing", "email", Reason.WITHDRAWN)
    assert sent == ["canary.one@example.com"]


@pytest.mark.parametrize("asks_again", [True, False], ids=["gate", "control without asking again"])
def test_a_withdrawal_races_the_senders_and_nothing_starts_after_it(
    gate: Gate, ledger: Ledger, *, asks_again: bool
) -> None:
    """Every sending that begins after the withdrawal was acknowledged is withheld, with four senders at full speed."""
    late = 0
    for turn in range(6):
        at = NOW + timedelta(minutes=turn)
        said = SAID | {"occurred_at": at, "now": at}
        ledger.give("p1", "marketing", "email", **said)
        queue = [permitted_at(gate, at) for _ in range(4)]
        acknowledged: list[float] = []
        begun: list[float] = []
        stop, running = threading.Event(), threading.Barrier(5)

        def send(
            waiting: Permitted,
            begun: list[float] = begun,
            stop: threading.Event = stop,
            running: threading.Barrier = running,
        ) -> None:
            running.wait()
            while not stop.is_set():
                began = time.perf_counter()
                if asks_again:
                    gate.send(waiting, lambda _, began=began: begun.append(began), clock=lambda: datetime.now(UTC))
                else:
                    begun.append(began)
                    time.sleep(0.001)

        threads = [threading.Thread(target=send, args=(waiting,)) for waiting in queue]
        for thread in threads:
            thread.start()
        running.wait()
        time.sleep(0.05)
        ledger.withdraw("p1", "marketing", "email", **said | {"occurred_at": at + timedelta(seconds=1)})
        acknowledged.append(time.perf_counter())
        time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
        assert begun, "nothing was sent, so nothing was raced"
        late += sum(began > acknowledged[0] for began in begun)
    assert (late == 0) == asks_again


def permitted_at(gate: Gate, at: datetime) -> Permitted:
    found = gate.permit(P1, "marketing", "email", now=at)
    assert isinstance(found, Permitted)
    return found
