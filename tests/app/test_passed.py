"""What a reader passes without anything to do is noted now and then, and all of it once it rests."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopkeeper.app.passed import Passed
from shopkeeper.storage.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(f"sqlite:///{tmp_path / 'state.db'}") as opened:
        opened.upgrade()
        yield opened


def test_what_was_done_is_noted_at_once_and_the_rest_in_time(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    at = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: at)
    passed = Passed(state.positions, "consent")
    passed.move(3, did=False)
    assert state.positions.of("consent") == 3
    passed.move(5, did=False)
    passed.rest()
    assert (passed.position(), state.positions.of("consent")) == (5, 3)
    passed.move(7, did=True)
    assert state.positions.of("consent") == 7
    passed.move(8, did=False)
    at += 2.0
    passed.rest()
    assert state.positions.of("consent") == 8
    assert Passed(state.positions, "consent").position() == 8
