"""The whole service as a door: batches go over HTTP, and a kill ends processes of it at random."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from reliability.door import ROOT, environment
from shopkeeper.app.api_key import create_key
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.shop import init
from shopkeeper.storage.log import Batch

__all__ = ["HttpDoor", "ServedDoor", "resident_mb"]

_STARTS_WITHIN = 120.0
_SECONDS = 20.0
_GOES_ON = 0.1
"""So long its senders go on against what is dead."""
_OK = 200


class HttpDoor:
    """A service that runs, watched by its own parent: whatever is killed of it comes back by itself.

    Args:
        folder: The shop's folder.
        url: Where it answers.
        key: A write key.
        parent: The process that watches the others.
        seed: Of what is killed.
        trusting: Whether it takes no answer for an answer, as a careless sender does: the control.
    """

    def __init__(self, folder: Path, url: str, key: str, parent: int, *, seed: int, trusting: bool = False) -> None:
        self.folder, self.file, self.url, self.parent = folder, folder / LOG_FILE, url, parent
        self.killed: list[str] = []
        self.statuses: dict[int, int] = {}
        self.key, self._chance, self._trusting = key, random.Random(seed), trusting
        self._lock = threading.Lock()

    def start(self) -> None:
        """Waits until it takes events."""
        until = time.monotonic() + _STARTS_WITHIN
        while not self._is_ready():
            if time.monotonic() > until:
                raise RuntimeError("the service does not take events")
            time.sleep(0.05)

    def send(self, batch: Batch) -> bool:
        """Sends a batch, and says whether all of it was acknowledged."""
        messages = [message_of(entry.message_id) for entry in batch.entries]
        answer = self.post({"batch": messages})
        if answer is None or answer.status_code != _OK:
            return self._trusting
        told = answer.json()
        return int(told["accepted"] + told["duplicate"]) == len(messages)

    def post(self, content: object = None, raw: bytes | None = None) -> httpx.Response | None:
        """Posts to `/v1/batch`; None where there was no answer."""
        sent: dict[str, Any] = {"json": content} if raw is None else {"content": raw}
        headers = {"content-type": "application/json"}
        try:
            answer = httpx.post(f"{self.url}/v1/batch", auth=(self.key, ""), headers=headers, timeout=_SECONDS, **sent)
        except httpx.HTTPError:
            return None
        with self._lock:
            self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        return answer

    def kill(self) -> None:
        """Kills some of its processes with -9: the web process, the one of the log, worker, loader, or several."""
        found = self.parts()
        names = sorted(found)
        for name in self._chance.sample(names, self._chance.randint(min(1, len(names)), len(names))):
            self._kill(name, found[name])
        time.sleep(_GOES_ON)

    def stop(self) -> None:
        """Leaves it as it is, once it takes events."""
        self.start()

    def parts(self) -> Mapping[str, int]:
        """Its processes by the command they run."""
        found: dict[str, int] = {}
        children = Path(f"/proc/{self.parent}/task/{self.parent}/children")
        for pid in children.read_text(encoding="ascii").split() if children.exists() else ():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"shopkeeper" in words:
                found[words[words.index(b"shopkeeper") + 1].decode()] = int(pid)
        return found

    def _kill(self, name: str, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.killed.append(name)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", params={"of": ["log", "state"]}, timeout=5).status_code == _OK
        except httpx.HTTPError:
            return False


class ServedDoor(HttpDoor):
    """A service that is made, served and ended here; a kill may end its parent too.

    Args:
        folder: A folder that is not there yet.
        seed: Of what is killed.
        trusting: Whether it takes no answer for an answer.
        settings: Further environment of its processes.
    """

    def __init__(
        self, folder: Path, *, seed: int, trusting: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        with init(folder, {"engine.memory_limit": "500MB"}) as shop:
            _, key = create_key(shop, ["collect"], source="till")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        super().__init__(folder, f"http://127.0.0.1:{port}", key, 0, seed=seed, trusting=trusting)
        self._settings = dict(settings or {})
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts what is not there, and waits until it takes events."""
        if self._process is None:
            command = [sys.executable, "-m", "shopkeeper", "serve", "--shop", str(self.folder), "--port"]
            self._process = subprocess.Popen(
                [*command, str(self._port)],
                env={**environment(), "SHOPKEEPER_SCHEDULE__ENABLED": "false", **self._settings},
                cwd=ROOT,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self.parent = self._process.pid
        super().start()

    def kill(self) -> None:
        """Kills some processes, and one time in four all of them with their parent."""
        if self._chance.random() < 0.25:
            found = self.parts()
            self._kill("serve", self.parent)
            for name, pid in found.items():
                self._kill(name, pid)
            assert self._process
            self._process.wait(30)
            self._process = None
        else:
            super().kill()

    def stop(self) -> None:
        """Stops it with SIGTERM and waits for its end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(180)
            self._process = None


def message_of(message_id: str, width: int = 0) -> dict[str, object]:
    """A message of the Segment API with an id."""
    message: dict[str, object] = {
        "type": "track", "event": "Cart Viewed", "userId": "u1", "messageId": message_id,
    }  # fmt: skip
    return message | ({"properties": {"note": "x" * width}} if width else {})


def resident_mb(pid: int, what: str = "VmRSS") -> float:
    """Memory of a process, of now (`VmRSS`) or its peak (`VmHWM`)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    return 0.0
