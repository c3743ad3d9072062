"""Garbage on the writer's socket, between and beside good batches: each of those is kept, and the writer lives."""

import random
import socket
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from reliability.door import ServiceDoor
from reliability.ledger import Ledger, Verdict, batch_of
from shopkeeper.storage.log_frame import HEADER, MOST_BYTES, Frames, TooLongError, Word, asked

__all__ = ["Poisoned", "poisoned"]

_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Poisoned:
    """What was found.

    Args:
        verdict: All good batches against what is stored.
        garbage: How many pieces of garbage were sent.
        unanswered: Good batches beside it that were not acknowledged.
    """

    verdict: Verdict
    garbage: int
    unanswered: int

    @property
    def holds(self) -> bool:
        """Whether it is as promised."""
        return self.verdict.holds and self.garbage > 0 and self.unanswered == 0


def poisoned(door: ServiceDoor, *, pieces: int, seed: int) -> Poisoned:
    """Sends garbage on connections of its own and good batches on others, and good ones around the garbage.

    Args:
        door: The way in.
        pieces: How many pieces of garbage.
        seed: Of the garbage.
    """
    chance, ledger = random.Random(seed), Ledger()
    door.start()
    ended = threading.Event()
    beside = threading.Thread(target=_send_on, args=(door, ledger, ended))
    beside.start()
    for number in range(pieces):
        _around(door.place, ledger, number, _garbage(chance))
    ended.set()
    beside.join()
    unanswered = len(ledger.unanswered)
    door.stop()
    return Poisoned(ledger.verdict(door.file), pieces, unanswered)


def _send_on(door: ServiceDoor, ledger: Ledger, ended: threading.Event) -> None:
    number = 0
    while not ended.is_set():
        number += 1
        batch = batch_of(f"beside.{number}", 3)
        ledger.sends(batch)
        if door.send(batch):
            ledger.answered(batch)


def _around(place: Path, ledger: Ledger, number: int, garbage: bytes) -> None:
    """A good batch, then garbage, on one connection: the good one is answered, whatever follows."""
    batch = batch_of(f"before.{number}", 2)
    ledger.sends(batch)
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(str(place))
        connection.sendall(asked(1, Word.APPEND, batch))
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
        frames = Frames()
        with suppress(TooLongError, ConnectionResetError):
            while data := connection.recv(65536):
                if any((each, word) == (1, Word.KEPT) for each, word, _ in frames.fed(data)):
                    ledger.answered(batch)
                    return


def _garbage(chance: random.Random) -> bytes:
    good = bytearray(asked(2, Word.APPEND, batch_of("never", 3)))
    content = chance.choice([
        lambda: chance.randbytes(chance.randint(1, 4000)),
        lambda: bytes(good[: chance.randint(1, len(good) - 1)]),
        lambda: HEADER.pack(MOST_BYTES + chance.randint(1, 2**31), 2, Word.APPEND) + bytes(100),
        lambda: _packed(chance.randbytes(chance.randint(0, 500))),
        lambda: _packed(b"\x91" * chance.randint(1, 100_000)),
        lambda: _packed(msgspec.msgpack.encode(["till", float("nan"), [["till", "never.0", b"", b""]]])),
        lambda: _packed(msgspec.msgpack.encode(["till", 1e300, [], [], b""])),
        lambda: _packed(msgspec.msgpack.encode(["till", 1.0, [["till", "never.0", bytes(16), b""]] * 5000])),
        lambda: HEADER.pack(0, 2, chance.randint(0, 255)),
    ])  # fmt: skip
    made: bytes = content()
    return made


def _packed(content: bytes) -> bytes:
    return HEADER.pack(len(content), 2, Word.APPEND) + content
