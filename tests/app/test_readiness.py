"""Whether the service can do its work, of each thing it needs, and the heartbeats by which a part is known to work."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from shopkeeper.app.heartbeat import Heartbeat, beats
from shopkeeper.app.readiness import readiness
from shopkeeper.app.shop import Shop, init

_NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with init(tmp_path / "shop") as made:
        made.clock = lambda: _NOON
        yield made


def _goes_by(shop: Shop, seconds: float) -> None:
    at = shop.clock() + timedelta(seconds=seconds)
    shop.clock = lambda: at


@pytest.mark.parametrize("part", ["worker", "loader"])
def test_a_half_of_the_worker_is_ready_while_its_heart_beats(shop: Shop, part: Literal["worker", "loader"]) -> None:
    assert readiness(shop, [part]) == {part: "no_heartbeat"}
    heartbeat = Heartbeat(shop, part)
    heartbeat.beat()
    assert readiness(shop, ["worker", "loader"]) == {"worker": "no_heartbeat", "loader": "no_heartbeat"} | {part: "ok"}
    _goes_by(shop, 29)
    assert readiness(shop, [part]) == {part: "ok"}
    _goes_by(shop, 2)
    assert readiness(shop, [part]) == {part: "no_heartbeat"}
    heartbeat.beat()
    assert readiness(shop, [part]) == {part: "ok"}
    heartbeat.end()
    assert readiness(shop, [part]) == {part: "no_heartbeat"}


def test_a_worker_whose_reader_fails_again_and_again_is_not_ready(shop: Shop) -> None:
    failures = 2
    heartbeat = Heartbeat(shop, "worker", lambda: {"readers": {"live": {"failures": failures, "seconds": 9}}})
    heartbeat.beat()
    assert readiness(shop, ["worker"]) == {"worker": "ok"}
    failures = 3
    _goes_by(shop, 6)
    heartbeat.beat()
    assert readiness(shop, ["worker"]) == {"worker": "failing_live"}


def test_a_heart_beats_no_oftener_than_is_needed_and_says_who_is_alive(shop: Shop) -> None:
    said = iter(range(10))
    heartbeat = Heartbeat(shop, "worker", lambda: {"number": next(said)})
    for _ in range(3):
        heartbeat.beat()
        _goes_by(shop, 2)
    Heartbeat(shop, "worker").beat()
    newest, first = beats(shop, shop.clock(), "worker")
    assert (newest.note.get("number"), first.note["number"]) == (None, 0)
    assert newest.resident > 10 * 2**20
    assert beats(shop, shop.clock(), "mqtt") == []


def test_each_thing_that_is_needed_is_named_and_only_what_is_asked_for_counts(shop: Shop) -> None:
    assert readiness(shop) == {
        "state": "ok",
        "lake": "ok",
        "log": "UnavailableError",  # no process writes it
        "worker": "no_heartbeat",
        "loader": "no_heartbeat",
        "disk": "ok",
    }
    assert readiness(shop, ["lake", "disk"]) == {"lake": "ok", "disk": "ok"}


def test_a_state_store_and_a_lake_that_do_not_open_are_not_ready(tmp_path: Path) -> None:
    init(tmp_path / "shop").close()
    for name, file in (("lake", "lake/catalog.db"), ("state", "state.db")):
        (tmp_path / "shop" / file).write_bytes(b"no database" * 1000)
        with Shop.open(tmp_path / "shop") as damaged:
            assert readiness(damaged, ["lake" if name == "lake" else "state"])[name] != "ok"


def test_a_bridge_is_needed_where_a_broker_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "mqtt" not in readiness(shop, ["mqtt"])
    monkeypatch.setenv("SHOPKEEPER_MQTT__URL", "mqtt://127.0.0.1:1")
    with Shop.open(shop.folder) as bridged:
        assert readiness(bridged, ["mqtt"]) == {"mqtt": "no_heartbeat"}
        heartbeat = Heartbeat(bridged, "mqtt", lambda: {"connected": False})
        heartbeat.beat()
        assert readiness(bridged, ["mqtt"]) == {"mqtt": "no_broker"}
        heartbeat.end()
        Heartbeat(bridged, "mqtt", lambda: {"connected": True}).beat()
        assert readiness(bridged, ["mqtt"]) == {"mqtt": "ok"}
