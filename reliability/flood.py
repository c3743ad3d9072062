"""A flood: senders that never wait for an answer; what is too much is turned away at once, and memory stays bounded."""

import socket
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from reliability.door import ServiceDoor
from reliability.ledger import Ledger, Verdict, batch_of
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_frame import Frames, Word, asked

__all__ = ["Flooded", "flooded"]

_SECONDS = 120
_SIZE = 100
_WIDTH = 2_000


@dataclass(frozen=True, slots=True)
class Flooded:
    """What was found.

    Args:
        verdict: What was acknowledged against what is stored.
        sent_mb: How much was sent.
        busy: How many batches were turned away.
        before_mb: Memory of the writer before.
        peak_mb: The most it held.
    """

    verdict: Verdict
    sent_mb: float
    busy: int
    before_mb: float
    peak_mb: float


def flooded(door: ServiceDoor, *, senders: int, batches: int) -> Flooded:
    """Sends all batches of all senders as fast as the sockets take them.

    Args:
        door: The way in.
        senders: How many connections.
        batches: Batches of 100 events, 200 KB, of each.
    """
    ledger, busy = Ledger(), [0] * senders
    door.start()
    before = _memory(door.pid, "VmRSS")
    threads = [
        threading.Thread(target=_pour, args=(door.place, ledger, busy, each, batches)) for each in range(senders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    peak = _memory(door.pid, "VmHWM")
    after = batch_of("after", 3)
    ledger.sends(after)
    if door.send(after):
        ledger.answered(after)
    door.stop()
    sent = senders * batches * _SIZE * _WIDTH / 1e6
    if after.entries[0].message_id not in ledger.acknowledged:
        raise RuntimeError("the writer takes nothing after the flood")
    return Flooded(ledger.verdict(door.file), sent, sum(busy), before, peak)


def _pour(place: Path, ledger: Ledger, busy: list[int], sender: int, count: int) -> None:
    batches = [batch_of(f"{sender}.{number}", _SIZE, width=_WIDTH) for number in range(count)]
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(str(place))
        listening = threading.Thread(target=_listen, args=(connection, ledger, busy, sender, batches))
        listening.start()
        for number, batch in enumerate(batches):
            ledger.sends(batch)
            connection.sendall(asked(number, Word.APPEND, batch))
        listening.join()


def _listen(connection: socket.socket, ledger: Ledger, busy: list[int], sender: int, batches: list[Batch]) -> None:
    frames, left = Frames(), len(batches)
    while left and (data := connection.recv(65536)):
        for number, word, _ in frames.fed(data):
            left -= 1
            if word == Word.KEPT:
                ledger.answered(batches[number])
            else:
                busy[sender] += word == Word.BUSY


def _memory(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    return 0.0
