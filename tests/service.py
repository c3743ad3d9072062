"""A whole service as people start it: `shopkeeper serve` on a free port, its shop in a folder, ended when done."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from shopkeeper.app.api_key import create_key
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.shop import init, open_shop
from shopkeeper.collect.event_table import logged_events
from shopkeeper.schema.event import Event
from shopkeeper.storage.log_reader import LogReader

_STARTS_WITHIN = 60.0


@dataclass(frozen=True)
class Running:
    """A service that runs."""

    folder: Path
    url: str
    server_key: str
    browser_key: str
    process: subprocess.Popen[str]

    def parts(self) -> dict[str, int]:
        """The processes of the service by the command they run, but for the one that watches them."""
        return parts(self.folder)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def events(self, *, at_least: int = 0, within: float = 10.0) -> list[Event]:
        """What the log holds, once there are so many."""
        until = time.monotonic() + within
        while True:
            with LogReader(self.folder / LOG_FILE) as log:
                found = [one.event for one in logged_events(log.read(0, 100_000))]
            if len(found) >= at_least or time.monotonic() > until:
                return found
            time.sleep(0.05)

    def post(self, path: str, content: object, key: str | None = None) -> httpx.Response:
        """Sends JSON with the server key."""
        return httpx.post(f"{self.url}{path}", json=content, auth=(key or self.server_key, ""), timeout=20)


def parts(folder: Path) -> dict[str, int]:
    """The processes of a shop's service by the command they run, but for the one that watches them."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    found = [line.split() for line in listed.splitlines() if f"--shop {folder}" in line and " serve " not in line]
    return {words[words.index("shopkeeper") + 1]: int(words[0]) for words in found}


@contextmanager
def running(
    folder: Path, settings: Mapping[str, str] | None = None, workers: int = 1, ends: int = 0
) -> Iterator[Running]:
    """Makes a shop and serves it until the block ends."""
    values = {"chain.time_zone": "Asia/Shanghai", "engine.memory_limit": "500MB"}
    with init(folder, values) as shop:
        pass
    with open_shop(folder) as shop:
        server_key = create_key(shop, ["collect"], source="app")[1]
        browser_key = create_key(shop, ["collect"], source="web", is_browser=True)[1]
    environment = os.environ | {"SHOPKEEPER_SCHEDULE__ENABLED": "false"} | dict(settings or {})
    with serving(folder, environment, workers, ends) as (process, url):
        yield Running(folder, url, server_key, browser_key, process)


@contextmanager
def serving(
    folder: Path, environment: Mapping[str, str], workers: int = 1, ends: int = 0
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serves a shop that is there; gives the process and where it answers. It must end with a code, 0 unless said."""
    command = [sys.executable, "-m", "shopkeeper", "serve", "--shop", str(folder), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--workers", str(workers)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        url = _url(process)
        _wait_until_ready(process, url)
        yield process, url
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == ends
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        found = re.search(r"http://[\d.]+:\d+", line)
        if found:
            return found[0]
    raise AssertionError(f"the service said no address: {said}")


def _wait_until_ready(process: subprocess.Popen[str], url: str) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            # The worker begins last, and few tests need it: they wait for what they need themselves.
            if httpx.get(f"{url}/readyz", params={"of": ["log", "state", "lake"]}, timeout=2).json()["ready"]:
                return
        except (httpx.HTTPError, json.JSONDecodeError):
            pass
        time.sleep(0.1)
    raise AssertionError("the service did not become ready")
