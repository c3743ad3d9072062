"""kill -9 of what writes, at random moments, again and again; then all that was acknowledged is there, and once."""

import random
import threading
import time
from collections.abc import Callable

from reliability.door import Door
from reliability.ledger import Ledger, Verdict, batch_of
from shopkeeper.storage.log import Batch

__all__ = ["killed"]

_LONGEST = 0.15


def killed(door: Door, *, kills: int, seed: int, senders: int = 4, name: str = "") -> Verdict:
    """Sends from several threads while the writer is killed so many times, and again whatever had no answer.

    Args:
        door: The way in; it is stopped at the end.
        kills: How often.
        seed: Of the moments, and of what is sent.
        senders: How many send at a time.
        name: What the ids begin with, where the log holds others.

    Returns:
        The verdict after the last start, when all that was ever sent has been acknowledged.
    """
    chance, ledger = random.Random(seed), Ledger()
    for number in range(kills):
        door.start()
        ended = threading.Event()
        threads = [
            threading.Thread(target=_send_on, args=(door, ledger, ended, f"{name}{number}.{each}", chance.random()))
            for each in range(senders)
        ]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.01, _LONGEST))
        door.kill()
        ended.set()
        for thread in threads:
            thread.join()
    door.start()
    for batch in list(ledger.unanswered.values()):
        _send(door.send, ledger, batch)
    door.stop()
    return ledger.verdict(door.file, name)


def _send_on(door: Door, ledger: Ledger, ended: threading.Event, name: str, seed: float) -> None:
    chance, number = random.Random(seed), 0
    before: list[Batch] = []
    while not ended.is_set():
        # An honest sender sends again what had no answer, and sometimes what had one.
        unanswered = list(ledger.unanswered.values())
        if before and chance.random() < 0.2:
            batch = chance.choice(before)
        elif unanswered and chance.random() < 0.2:
            batch = chance.choice(unanswered)
        else:
            batch = batch_of(f"{name}.{number}", chance.randint(1, 20))
            number += 1
        if not _send(door.send, ledger, batch):
            return
        before.append(batch)


def _send(send: Callable[[Batch], bool], ledger: Ledger, batch: Batch) -> bool:
    ledger.sends(batch)
    if send(batch):
        ledger.answered(batch)
        return True
    return False
