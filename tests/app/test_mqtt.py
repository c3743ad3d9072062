"""The bridge behind a real broker: what was published is in the log once, whoever is away or killed meanwhile."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from shopkeeper.app.collect import Reception
from shopkeeper.app.event_log import LOG_FILE, client_of
from shopkeeper.app.mqtt import Bridge
from shopkeeper.app.plan_file import PlanFile
from shopkeeper.app.shop import Shop, init
from shopkeeper.cli.main import main
from shopkeeper.collect.event_table import logged_events
from shopkeeper.schema.event import Event
from shopkeeper.storage.log import Refusal, Stored
from shopkeeper.storage.log_place import socket_of
from shopkeeper.storage.log_reader import LogReader
from tests.broker import MOSQUITTO, Broker
from tests.storage.log_parts import ServedLog

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


class Chain:
    """A shop whose log is written by this process, and a broker beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop"
        init(self.folder).close()
        self.broker = Broker(folder / "broker").start()
        self.log: ServedLog | None = None
        self.begin_log()

    def begin_log(self) -> None:
        file = self.folder / LOG_FILE
        self.log = ServedLog(file, socket_of(file))

    def end_log(self) -> None:
        assert self.log is not None
        self.log.close()

    def settings(self, **more: str) -> dict[str, str]:
        topics = '["doors/{store_id}/{device_id}/{kind}"]'
        given = {"URL": self.broker.url, "TOPICS": topics} | more
        return {f"SHOPKEEPER_MQTT__{name}": value for name, value in given.items()}

    def process(self) -> subprocess.Popen[bytes]:
        """The bridge as a process of its own."""
        command = [sys.executable, "-m", "shopkeeper", "mqtt", "--shop", str(self.folder)]
        return subprocess.Popen(command, env=os.environ | self.settings(), stderr=subprocess.DEVNULL)

    @contextmanager
    def bridge(self, **more: str) -> Iterator[None]:
        """The bridge in a thread of this process; at the end it is told to stop."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings(**more).items():
                patch.setenv(name, value)
            shop = Shop.open(self.folder)
        told = asyncio.Event()
        loops: list[asyncio.AbstractEventLoop] = []

        async def run() -> None:
            loops.append(asyncio.get_running_loop())
            log = client_of(shop)
            try:
                await Bridge(shop, Reception(shop, log, PlanFile(shop.folder).plan), {}).run(told)
            finally:
                await log.close()

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        wait(lambda: bool(loops))
        try:
            yield
        finally:
            loops[0].call_soon_threadsafe(told.set)
            thread.join(60)
            shop.close()
            assert not thread.is_alive()

    def stored(self) -> tuple[list[Event], list[Refusal]]:
        batches: list[Stored] = []
        with LogReader(self.folder / LOG_FILE) as log:
            while some := log.read(batches[-1].position if batches else 0, 100_000):
                batches += some
        return [one.event for one in logged_events(batches)], [each for batch in batches for each in batch.refusals]

    def signals(self, numbers: Sequence[int], device: str) -> None:
        payloads = [json.dumps({"in": 1, "sequence": number}).encode() for number in numbers]
        self.broker.publish(f"doors/s1/{device}/counter", payloads)

    def comes(self, device: str, numbers: Sequence[int], last: int) -> bool:
        """Whether the log holds these; the last one is published, again where it was before."""
        if self.holds(device, numbers):
            return True
        self.signals([last], device)
        return False

    def holds(self, device: str, numbers: Sequence[int]) -> bool:
        """Whether the log holds these signals of a door, each once, in whatever order."""
        found = sorted(event.message_id for event in self.stored()[0] if event.message_id.startswith(f"{device}:"))
        return found == sorted(f"{device}:{number}:Store Entered" for number in numbers)


def wait(holds: Callable[[], bool], within: float = 60.0) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    made = Chain(tmp_path_factory.mktemp("mqtt"))
    yield made
    made.end_log()
    made.broker.stop()


def test_what_is_published_while_the_bridge_is_killed_and_away_is_there_once(chain: Chain) -> None:
    bridge = chain.process()
    wait(lambda: chain.comes("door-1", [0], 0))  # until it has subscribed nobody keeps anything for it
    chain.signals(range(1, 300), "door-1")
    bridge.kill()
    bridge.wait()
    chain.signals(range(300, 400), "door-1")
    bridge = chain.process()
    wait(lambda: chain.holds("door-1", range(400)))
    bridge.send_signal(signal.SIGTERM)
    assert bridge.wait(60) == 0


def test_the_broker_and_the_log_may_go_and_come_back(chain: Chain) -> None:
    with chain.bridge():
        wait(lambda: chain.comes("door-2", [0], 0))
        chain.broker.stop()
        chain.broker.start()
        wait(lambda: chain.comes("door-2", range(2), 1))
        chain.end_log()
        chain.signals(range(2, 20), "door-2")
    # It ended while the log was away, so nothing of that was acknowledged, and the broker brings it again.
    with chain.bridge():
        chain.signals(range(20, 30), "door-2")
        chain.begin_log()
        wait(lambda: chain.holds("door-2", range(30)))


def test_what_is_no_signal_is_refused_and_kept_and_stops_nothing(chain: Chain) -> None:
    bad = [b"{not json", b"\xff\xfe", b"7", b'{"in": 3}', b"", b"[" * 100_000]
    good = [json.dumps({"in": 2, "sequence": number}).encode() for number in range(len(bad))]
    before = len(chain.stored()[1])
    with chain.bridge():
        chain.broker.publish("doors/s1/door-3/counter", [each for pair in zip(bad, good, strict=True) for each in pair])
        wait(lambda: chain.holds("door-3", range(len(bad))))
    refused = chain.stored()[1][before:]
    assert sorted(each.reason for each in refused) == ["no_time", *["not_an_object"] * 4]
    (first,) = [event for event in chain.stored()[0] if event.message_id == "door-3:0:Store Entered"]
    assert (first.source, first.store_id, first.properties["people"]) == ("mqtt", "s1", 2)


def test_large_payloads_that_come_together_are_kept_in_parts(chain: Chain) -> None:
    with chain.bridge():
        wait(lambda: chain.comes("door-5", [0], 0))
    before = len(chain.stored()[1])
    large = [b"%d " % number + b"x" * 500_000 for number in range(20)]
    chain.broker.publish("doors/s1/door-5/counter", large)
    chain.signals([1], "door-5")
    with chain.bridge():
        wait(lambda: chain.holds("door-5", range(2)))
    # What the broker brings again is refused again, under the same id.
    assert len({each.refused_id for each in chain.stored()[1][before:]}) == len(large)


def test_a_broker_that_asks_for_a_password_is_shown_it(tmp_path: Path, chain: Chain) -> None:
    word = tmp_path / "password"
    word.write_text("only tests know\n")
    broker = Broker(tmp_path / "broker", "only tests know").start()
    payload = json.dumps({"in": 1, "sequence": 1}).encode()

    def came() -> bool:
        broker.publish("doors/s1/door-4/counter", [payload], "only tests know")
        return chain.holds("door-4", [1])

    try:
        with chain.bridge(URL=broker.url, USERNAME="shop", PASSWORD_FILE=str(word)):
            wait(came)
    finally:
        broker.stop()


def test_settings_that_are_no_broker_are_named(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "mqtt://127.0.0.1:1"
    for settings, code, said in (
        ({}, 2, "the settings name no broker"),
        ({"URL": url, "TOPICS": '["a/{phone}"]'}, 2, "'a/{phone}' is no topic"),
        ({"URL": "mqtt://shop:word@127.0.0.1:1"}, 2, "mqtt.url"),
        ({"URL": url, "PASSWORD_FILE": "/nowhere"}, 1, "the password of the broker cannot be read"),
    ):
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(f"SHOPKEEPER_MQTT__{name}", value)
            assert main(["mqtt", "--shop", str(chain.folder)]) == code
            assert said in capsys.readouterr().err
