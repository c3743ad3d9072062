"""A real broker for tests: mosquitto on a free port, with a session store that outlives it."""

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
_STARTS_WITHIN = 10.0


class Broker:
    """Mosquitto in a folder of its own.

    Args:
        folder: Where its settings and sessions are.
        password: What the user `shop` must show; nobody is asked by default.
    """

    def __init__(self, folder: Path, password: str | None = None) -> None:
        folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        settings = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'false' if password else 'true'}",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
            "user root",
        ]
        if password:
            words = folder / "passwords"
            subprocess.run(["mosquitto_passwd", "-b", "-c", words, "shop", password], check=True, capture_output=True)
            settings.append(f"password_file {words}")
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text("\n".join(settings) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Self:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", self._settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + _STARTS_WITHIN
        while True:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            assert time.monotonic() < until, "the broker does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends it as its operator would: sessions and what waits in them are kept."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def publish(self, topic: str, payloads: Sequence[bytes], password: str | None = None) -> None:
        """Publishes at QoS 1 and returns once the broker has all of them."""
        client = Client(CallbackAPIVersion.VERSION2)
        if password:
            client.username_pw_set("shop", password)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for told in [client.publish(topic, payload, qos=1) for payload in payloads]:
            told.wait_for_publish(10)
            assert told.is_published()
        client.disconnect()
        client.loop_stop()
