"""kill -9 of what writes while it erases and trims: each batch is as it was or as was asked, and no other is gone."""

import random
import threading
import time
from dataclasses import dataclass

from reliability.door import ServiceDoor
from reliability.ledger import batch_of
from shopkeeper.base.errors import ShopkeeperError, StorageError
from shopkeeper.storage.log import Batch, Entry, Erasure, Stored, place_of
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_row import mark_of

__all__ = ["Erased", "erased"]

_BATCHES = 60
_LONGEST = 0.15


@dataclass
class Erased:
    """What was found.

    Args:
        asked: Events whose erasure was asked for.
        answered: Events whose erasure was said to be done.
        trimmed: Batches that were trimmed.
        damaged: Times that the log could not be read after a kill.
        lost: Events gone that nobody asked to go.
        back: Events there though their erasure was said to be done.
        left: Events of which bytes are in the files at the end, when all that was asked was said to be done.
        forgotten: Ids of erased events that were taken as new.
    """

    asked: int = 0
    answered: int = 0
    trimmed: int = 0
    damaged: int = 0
    lost: int = 0
    back: int = 0
    left: int = 0
    forgotten: int = 0

    @property
    def holds(self) -> bool:
        """Whether it is as promised."""
        return not (self.damaged or self.lost or self.back or self.left or self.forgotten)


class _Book:
    """What was sent, asked to go, and said to be gone."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, bytes]] = {}
        self.asked: dict[str, Entry] = {}
        self.done: set[str] = set()
        self.trims: set[int] = {0}

    def send(self, door: ServiceDoor, batch: Batch) -> bool:
        """Sends a batch, and says whether it was acknowledged."""
        try:
            position = door.outcome(batch).position
        except ShopkeeperError:
            return False
        self.kept.update({entry.message_id: (position, entry.body) for entry in batch.entries})
        return True

    def erase(self, door: ServiceDoor, batches: list[Stored], chance: random.Random) -> bool:
        """Asks for some entries of some batches to go, and says whether that was answered."""
        erasures, going = [], {}
        for batch in batches:
            chosen = [each for each in zip(batch.offsets, batch.entries, strict=True) if chance.random() < 0.5]
            going.update({entry.message_id: entry for _, entry in chosen})
            erasures.append(Erasure(batch.position, mark_of(batch), tuple(place_of(offset)[1] for offset, _ in chosen)))
        self.asked.update(going)
        if not door.erase(erasures):
            return False
        self.done.update(going)
        return True

    def trim(self, door: ServiceDoor, through: int) -> bool:
        """Asks for batches to go, and says whether that was answered."""
        self.trims.add(through)
        return door.trim(through)


def erased(door: ServiceDoor, *, kills: int, seed: int) -> Erased:
    """Erases, trims and sends while the writer is killed so many times.

    Args:
        door: The way in; it is stopped at the end.
        kills: How often.
        seed: Of the moments, and of what goes.
    """
    chance, book, found = random.Random(seed), _Book(), Erased()
    door.start()
    for number in range(_BATCHES):
        book.send(door, batch_of(f"first.{number}", chance.randint(1, 20)))
    book.trim(door, 2)
    for number in range(kills):
        threads = [
            threading.Thread(target=_let_go, args=(door, book, chance.random())),
            threading.Thread(target=_send_on, args=(door, book, f"{number}")),
        ]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.01, _LONGEST))
        door.kill()
        for thread in threads:
            thread.join()
        door.start()
        _look(door, book, found)
    try:
        _finish(door, book)
    except StorageError:
        found.damaged += 1
    _look(door, book, found)
    gone = list(book.asked.values())
    for start in range(0, len(gone), 100):
        again = door.outcome(Batch("till", 1_772_366_400.0, tuple(gone[start : start + 100])))
        found.forgotten += again.statuses.count(0)
    door.stop()
    content = b"".join(path.read_bytes() for path in door.file.parent.glob(f"{door.file.name}*"))
    found.left = sum(entry.body.rstrip() in content for entry in gone)
    found.asked, found.answered = len(book.asked), len(book.done)
    return found


def _let_go(door: ServiceDoor, book: _Book, seed: float) -> None:
    chance = random.Random(seed)
    try:
        batches = _batches(door)
    except StorageError:
        return  # damaged: `_look` counts it
    while len(batches) > 10:
        place = chance.randrange(3, len(batches) - 3)
        if not book.erase(door, batches[place : place + 3], chance):
            return
        del batches[place : place + 3]
        if chance.random() < 0.2 and not book.trim(door, batches.pop(0).position):
            return


def _send_on(door: ServiceDoor, book: _Book, name: str) -> None:
    number = 0
    while book.send(door, batch_of(f"{name}.{number}", 1 + number % 20)):
        number += 1


def _look(door: ServiceDoor, book: _Book, found: Erased) -> None:
    """Holds what was sent and asked against what the log has."""
    there: dict[str, bytes] = {}
    try:
        with LogReader(door.file) as log:
            found.trimmed = log.begin() - 1
        for batch in _batches(door):
            there.update({entry.message_id: entry.body for entry in batch.entries})
    except StorageError:
        found.damaged += 1
        return
    found.back += len(book.done & there.keys())
    trimmed = max(book.trims)
    for name, (position, body) in book.kept.items():
        may_go = position <= trimmed or name in book.asked
        found.lost += there.get(name) != body and not (may_go and name not in there)


def _finish(door: ServiceDoor, book: _Book) -> None:
    """Asks again for what had no answer."""
    erasures = []
    for batch in _batches(door):
        pairs = zip(batch.offsets, batch.entries, strict=True)
        places = tuple(place_of(offset)[1] for offset, entry in pairs if entry.message_id in book.asked)
        if places:
            erasures.append(Erasure(batch.position, mark_of(batch), places))
    if door.erase(erasures):
        book.done.update(book.asked)


def _batches(door: ServiceDoor) -> list[Stored]:
    found: list[Stored] = []
    with LogReader(door.file) as log:
        while some := log.read(found[-1].position if found else 0):
            found += some
    return found
