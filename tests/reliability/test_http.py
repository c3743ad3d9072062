"""The promises of the log behind HTTP, in small counts: the whole service is killed, poisoned and flooded."""

import time
from collections.abc import Callable, Iterator

import pytest

from reliability.http_door import HttpDoor
from reliability.http_flood import flooded_over_http
from reliability.http_poison import poisoned_over_http
from reliability.kills import killed
from tests.service import Running, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("http") / "shop") as found:
        yield found


def _wait_for(holds: Callable[[], bool], within: float = 60.0) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def _door(service: Running, *, seed: int = 1, trusting: bool = False) -> HttpDoor:
    key, parent = service.server_key, service.process.pid
    return HttpDoor(service.folder, service.url, key, parent, seed=seed, trusting=trusting)


def test_poison_harms_no_good_event_and_no_answer_is_a_failure(service: Running) -> None:
    found = poisoned_over_http(_door(service), pieces=30, seed=1)
    assert found.holds, found


def test_a_flood_is_asked_to_come_again_and_memory_is_bounded(service: Running) -> None:
    found = flooded_over_http(_door(service), senders=4, batches=4, slow=150)
    assert found.verdict.holds
    assert found.half_mb > 64
    assert found.refused > 0
    assert found.failed == 0
    assert found.peak_mb - found.before_mb < 200


def test_what_is_acknowledged_survives_kills_of_any_part_and_is_there_once(service: Running) -> None:
    door, before = _door(service, seed=9), service.parts()  # a seed that kills all four
    found = killed(door, kills=1, seed=1, name="k")
    assert sorted(door.killed) == ["loader", "log", "web", "worker"]
    assert found.acknowledged > 20
    assert found.holds, found
    _wait_for(lambda: set(service.parts()) == set(before))
    assert not set(service.parts().values()) & set(before.values())  # each was begun again


def test_control_a_sender_that_takes_no_answer_for_an_answer_is_found_out(service: Running) -> None:
    assert killed(_door(service, seed=3, trusting=True), kills=1, seed=2, name="c").lost > 0
