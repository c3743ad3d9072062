"""Segment changes reach a real receiver: signed, tried again, none lost, and doubled only with the same id."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from shopkeeper.app.web_hooks import ATTEMPTS, add_hook, send_due, wait_after
from shopkeeper.base.errors import AlreadyThereError, MissingError, UsageError
from shopkeeper.storage.keys import Key
from shopkeeper.storage.sealing import Sealing
from shopkeeper.storage.state import State
from shopkeeper.storage.state.live_segments import NewChange, Turn
from shopkeeper.storage.state.web_hooks import HELD_FOR
from shopkeeper.storage.web_hook import Door
from tests.storage.test_web_hook import Receiver

_NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
_SEALING = Sealing([Key(b"k" * 32)])
_DOOR = Door(allow_loopback=True)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(f"sqlite:///{tmp_path / 'state.db'}") as opened:
        opened.upgrade()
        yield opened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def _hook(state: State, receiver: Receiver, name: str = "crm", segments: tuple[str, ...] = ()) -> str:
    url = f"http://127.0.0.1:{receiver.port}/hook"
    return add_hook(state, _SEALING, _DOOR, name, url, segments, by="t", now=_NOW)


def _change(state: State, people: int = 1, segment: str = "buyers", kind: str = "entered") -> None:
    changes = [NewChange(segment, 1, f"p{place}", kind, _NOW, "event") for place in range(people)]
    state.live_segments.keep(Turn(changes), state.web_hooks.wanted())


def _send(state: State, now: datetime = _NOW, door: Door = _DOOR) -> int:
    return send_due(state, _SEALING, door, now=now, random=Random(1))  # noqa: S311 - spreads retries


def test_a_change_arrives_signed(state: State, receiver: Receiver) -> None:
    secret = base64.b64decode(_hook(state, receiver).removeprefix("whsec_"))
    _change(state)
    assert _send(state) == 1
    ((_, headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert int(headers["webhook-timestamp"]) == _NOW.timestamp()
    assert json.loads(body) == {
        "type": "segment.entered",
        "timestamp": "2026-03-10T12:00:00+00:00",
        "data": {"segment": "buyers", "version": 1, "person_id": "p0", "seq": 1, "cause": "event"},
    }
    assert _send(state) == 0
    assert len(receiver.got) == 1


def test_secrets_are_sealed_at_rest(state: State, receiver: Receiver, tmp_path: Path) -> None:
    secret = _hook(state, receiver).removeprefix("whsec_")
    written = b"".join(file.read_bytes() for file in tmp_path.glob("state.db*"))
    assert secret.encode() not in written
    assert base64.b64decode(secret) not in written


def test_a_receiver_that_fails_is_tried_later_and_loses_nothing(state: State, receiver: Receiver) -> None:
    _hook(state, receiver)
    _change(state, people=3)
    receiver.status = 500
    assert _send(state) == 0
    assert len(receiver.got) == 1, "a receiver that is down is not hammered"
    receiver.status = 204
    assert _send(state) == 0, "the first waits for its time, and nothing overtakes it"
    assert _send(state, _NOW + timedelta(seconds=5)) == 3
    ids = [headers["webhook-id"] for _, headers, _ in receiver.got]
    assert ids == ["chg_1", "chg_1", "chg_2", "chg_3"]
    assert state.web_hooks.counts() == {("crm", "sent"): 3}


def test_a_message_that_is_never_taken_holds_the_others_up_for_a_minute(state: State, receiver: Receiver) -> None:
    _hook(state, receiver)
    _change(state)
    receiver.status, now = 400, _NOW
    for _ in range(HELD_FOR):
        assert _send(state, now) == 0
        now += timedelta(seconds=40)
    assert len(receiver.got) == HELD_FOR
    _change(state, segment="other")
    assert _send(state, now) == 0, "the first is due once more"
    receiver.status = 200
    assert _send(state, now) == 1
    assert json.loads(receiver.got[-1][2])["data"]["segment"] == "other"


def test_a_hook_of_which_many_wait_holds_no_other_up(state: State, receiver: Receiver) -> None:
    _hook(state, receiver, "many")
    _change(state, people=500)
    state.segments.save("late", {"all": []}, label_en="b", label_zh="b", by="t", now=_NOW)
    _hook(state, receiver, "few", ("late",))
    _change(state, segment="late")
    receiver.status = 500
    assert _send(state) == 0
    assert len(receiver.got) == 2, "one try of each"


def test_nothing_is_sent_of_who_is_erased_while_others_are_sent(state: State, receiver: Receiver) -> None:
    _hook(state, receiver)
    _change(state, people=2)
    receiver.answered = lambda: state.live_segments.erase(["p1"])
    assert _send(state) == 1
    assert len(receiver.got) == 1


def test_a_message_taken_and_not_noted_comes_again_with_its_id(
    state: State, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is killed between the receiver's answer and the note of it."""
    _hook(state, receiver)
    _change(state)

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(state.web_hooks, "sent", killed)
        with pytest.raises(KeyboardInterrupt):
            _send(state)
    assert _send(state) == 1
    assert [(headers["webhook-id"], body) for _, headers, body in receiver.got] == 2 * [("chg_1", receiver.got[0][2])]


def test_what_is_never_taken_is_given_up_and_stays(state: State, receiver: Receiver) -> None:
    _hook(state, receiver)
    _change(state)
    receiver.status, now = 410, _NOW
    for _ in range(ATTEMPTS + 3):
        _send(state, now)
        now += timedelta(hours=3)
    assert len(receiver.got) == ATTEMPTS
    assert state.web_hooks.counts() == {("crm", "given up"): 1}


def test_a_hook_hears_of_its_segments_only(state: State, receiver: Receiver) -> None:
    state.segments.save("buyers", {"all": []}, label_en="b", label_zh="b", by="t", now=_NOW)
    _change(state, segment="before")
    _hook(state, receiver, "all")
    _hook(state, receiver, "some", ("buyers",))
    _change(state, segment="buyers")
    _change(state, segment="other")
    assert _send(state) == 3
    assert state.web_hooks.counts() == {("all", "sent"): 2, ("some", "sent"): 1}
    state.web_hooks.remove("all")
    assert state.web_hooks.counts() == {("some", "sent"): 1}


def test_wrong_hooks_are_refused(state: State, receiver: Receiver) -> None:
    with pytest.raises(UsageError):
        add_hook(state, _SEALING, Door(), "x", "http://10.0.0.1/", (), by="t", now=_NOW)
    with pytest.raises(MissingError, match="no segment 'none'"):
        _hook(state, receiver, "x", ("none",))
    _hook(state, receiver, "x")
    with pytest.raises(AlreadyThereError):
        _hook(state, receiver, "x")
    with pytest.raises(MissingError):
        state.web_hooks.remove("y")


def test_an_address_that_became_forbidden_is_given_up(state: State, receiver: Receiver) -> None:
    _hook(state, receiver)
    _change(state)
    assert _send(state, door=Door()) == 0
    assert state.web_hooks.counts() == {("crm", "given up"): 1}
    assert receiver.got == []


def test_waits_grow_and_are_spread() -> None:
    random = Random(7)  # noqa: S311 - spreads retries
    waits = [[wait_after(failures, random).total_seconds() for _ in range(50)] for failures in (1, 2, 5, 30)]
    assert [(min(some) >= low / 2, max(some) <= low) for some, low in zip(waits, (5, 10, 80, 7200), strict=True)] == [
        (True, True)
    ] * 4
    assert all(len(set(some)) == 50 for some in waits)
