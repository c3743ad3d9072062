"""What a monitor sees of a running service: which part is not ready, and the figures of all its processes."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from shopkeeper.app.api_key import create_key
from shopkeeper.app.counts import Counts
from shopkeeper.app.shop import open_shop
from tests.canary import EMAILS, PHONES
from tests.service import Running, running

_LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (-?[0-9.e+-]+|nan)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("health") / "shop"
    with running(folder, {"SHOPKEEPER_COLLECT__LOAD_SECONDS": "0.5"}) as found:
        yield found


@pytest.fixture(scope="module")
def key(service: Running) -> str:
    with open_shop(service.folder) as shop:
        return create_key(shop, ["metrics.read"], name="monitor")[1]


def _read(service: Running, key: str) -> dict[tuple[str, ...], float]:
    """The figures by name and the values of the labels, sorted."""
    answer = httpx.get(f"{service.url}/metrics", headers={"authorization": f"Bearer {key}"}, timeout=20)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[tuple[str, ...], float] = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            read = _LINE.fullmatch(line)
            assert read is not None, line
            found[read[1], *sorted(value for _, value in _LABEL.findall(read[2] or ""))] = float(read[3])
    return found


def _until(holds: Callable[[], bool], within: float = 60.0) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.1)


def test_the_figures_tell_what_came_in_how_far_it_was_read_and_nothing_of_anybody(service: Running, key: str) -> None:
    track = {"type": "track", "event": "Product Viewed", "userId": PHONES[0], "messageId": "m1"}
    batch = [track, track, {"type": "track", "userId": EMAILS[0]}, 7]
    for _ in range(8):
        assert service.post("/v1/batch", {"batch": batch}).status_code == 200
    httpx.get(f"{service.url}/people/{PHONES[0]}")
    httpx.get(f"{service.url}/{EMAILS[0]}")
    httpx.post(f"{service.url}/v1/{PHONES[0]}")
    httpx.request("PHONES", f"{service.url}/v1/batch")

    def all_is_read() -> bool:
        found = _read(service, key)
        read = [found["shopkeeper_reader_backlog_batches", name] for name in ("live", "vault", "consent", "loader")]
        counted = sum(
            value
            for name, value in found.items()
            if name[0] == "shopkeeper_http_requests_total" and name[1:4] == ("/v1/batch", "200", "POST")
        )
        return read == [0, 0, 0, 0] and counted == 8

    _until(all_is_read)
    found = _read(service, key)
    assert found["shopkeeper_events_received_total", "app"] == 32
    assert found["shopkeeper_events_total", "accepted", "app"] == 1
    assert found["shopkeeper_events_total", "app", "duplicate"] == 15
    assert found["shopkeeper_events_total", "app", "refused"] == 16
    end = found["shopkeeper_log_end_position",]
    assert end > 0
    for reader in ("live", "vault", "loader"):
        assert found["shopkeeper_reader_position", reader] == end
        assert found["shopkeeper_reader_oldest_unread_seconds", reader] == 0
        assert found["shopkeeper_reader_failures", reader] == 0
    appends = [value for name, value in found.items() if name[0] == "shopkeeper_append_seconds_count"]
    assert sum(appends) == 8
    for part in ("log", "worker", "loader"):
        assert found["shopkeeper_part_resident_bytes", part] > 10 * 2**20
    processes = {name[1] for name in found if name[0] == "shopkeeper_web_resident_bytes"}
    assert processes == {"web 0"}
    assert found["shopkeeper_heartbeat_age_seconds", "worker"] < 20
    assert found["shopkeeper_ready", "log"] == found["shopkeeper_ready", "worker"] == 1
    assert found["shopkeeper_disk_free_bytes",] > 0
    assert found["shopkeeper_log_waiting_batches",] == 0
    routes = {name[1:] for name in found if name[0] == "shopkeeper_http_requests_total"}
    assert {route[:3] for route in routes if "other" in route} >= {("404", "GET", "other"), ("404", "POST", "other")}
    assert any("/people/{person_id}" in route for route in routes)
    shown = str(found)
    assert PHONES[0] not in shown
    assert EMAILS[0] not in shown
    assert "PHONES" not in shown


def test_the_figures_are_for_a_key_that_may_read_them_alone(service: Running) -> None:
    url = f"{service.url}/metrics"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"authorization": "Bearer nonsense"}).status_code == 401
    assert httpx.get(url, headers={"authorization": f"Bearer {service.server_key}"}).status_code == 403
    # Behind a proxy on this machine everybody comes from here.
    assert httpx.get(url, headers={"x-forwarded-for": "127.0.0.1"}).status_code == 401


def test_without_the_process_that_writes_the_log_the_service_is_not_ready(service: Running, key: str) -> None:
    def asked(**of: str) -> tuple[int, dict[str, str]]:
        answer = httpx.get(f"{service.url}/readyz", params=of, timeout=20)
        return answer.status_code, answer.json()["dependencies"]

    whole = {"state": "ok", "lake": "ok", "log": "ok", "worker": "ok", "loader": "ok", "disk": "ok"}
    _until(lambda: asked() == (200, whole))
    writer = service.parts()["log"]
    os.kill(writer, signal.SIGSTOP)  # it is there, and answers nothing
    try:
        assert asked() == (503, whole | {"log": "UnavailableError"})
        assert asked(of="state") == (200, {"state": "ok"})
        assert _read(service, key)["shopkeeper_ready", "log"] == 0
    finally:
        os.kill(writer, signal.SIGCONT)
    _until(lambda: asked() == (200, whole))


def test_a_process_that_is_gone_is_told_of_no_more(service: Running) -> None:
    with open_shop(service.folder) as shop:
        gone = Counts(shop, "web 7")
        gone.request("/people", "GET", 200, 0.1)
        gone.publish()
        seen = Counts(shop, "web 8")
        assert "web 0" in str(seen.metrics())  # the one that runs tells of itself
        assert "web 7" in str(seen.metrics())
        told = gone._file.read_bytes()
        gone._file.write_bytes(told.replace(f'"pid":{os.getpid()}'.encode(), b'"pid":999999999'))
        assert "web 7" not in str(seen.metrics())
        gone._file.write_bytes(b"half a fi")
        assert "web 7" not in str(seen.metrics())
        gone._file.unlink()
