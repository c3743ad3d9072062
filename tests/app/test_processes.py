"""The service as one: all its parts end when told, and none outlives its parent."""

import signal
import time
from pathlib import Path

import httpx

from tests.service import Running, parts, running


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


def test_no_part_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    with running(tmp_path / "shop", ends=-signal.SIGKILL) as service:
        _wait(lambda: set(parts(service.folder)) == {"log", "web", "worker", "loader"})
        service.process.kill()
        _wait(lambda: parts(service.folder) == {})
    assert parts(tmp_path / "shop") == {}


def test_told_to_end_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path / "shop") as service:
        assert _sends(service, 1)
    assert service.process.returncode == 0
    assert parts(tmp_path / "shop") == {}
