"""The service as one: a part that falls is begun again, all end when told, and none outlives its parent."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service import Running, running


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "shop") as found:
        yield found


def _parts(folder: Path) -> dict[str, int]:
    """The processes of a shop's service, but for the one that watches them."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    found = [line.split() for line in listed.splitlines() if f"--shop {folder}" in line and " serve " not in line]
    return {words[words.index("shopkeeper") + 1]: int(words[0]) for words in found}


def _wait(holds: object, within: float = 30.0) -> None:
    until = time.monotonic() + within
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.1)


def _sends(service: Running, number: int) -> bool:
    message = {"event": "Cart Viewed", "userId": "u", "messageId": f"m{number}"}
    try:
        return service.post("/v1/track", message).status_code == 200
    except httpx.HTTPError:
        return False


def test_each_part_that_falls_is_begun_again(service: Running) -> None:
    before = _parts(service.folder)
    assert set(before) == {"log", "web", "worker"}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    _wait(lambda: _sends(service, 1))
    _wait(lambda: set(_parts(service.folder)) == set(before))
    assert not set(_parts(service.folder).values()) & set(before.values())
    assert [event.message_id for event in service.events(at_least=1)] == ["m1"]


def test_no_part_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    with running(tmp_path / "shop", ends=-signal.SIGKILL) as service:
        assert set(_parts(service.folder)) == {"log", "web", "worker"}
        service.process.kill()
        _wait(lambda: _parts(service.folder) == {})
    assert _parts(tmp_path / "shop") == {}


def test_told_to_end_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path / "shop") as service:
        assert _sends(service, 1)
    assert service.process.returncode == 0
    assert _parts(tmp_path / "shop") == {}
