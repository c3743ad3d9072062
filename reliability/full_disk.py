"""A full disk: what does not fit is refused, reading goes on, and when there is room again so does writing."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reliability.door import Door
from reliability.ledger import Ledger, Verdict, batch_of, stored_ids

__all__ = ["BALLAST", "Filled", "can_mount", "filled", "small_disk"]

BALLAST = "ballast"
"""The file that is removed to make room."""

_DISK_BYTES = 2 * 2**20
_BALLAST_BYTES = _DISK_BYTES // 3
_REFUSALS = 20


@dataclass(frozen=True, slots=True)
class Filled:
    """What was found.

    Args:
        verdict: All that was acknowledged against what is stored, at the end.
        refused: How many batches were refused while the disk was full.
        read_while_full: Events read while it was full.
        acknowledged_while_full: Events acknowledged until then.
        after: Batches acknowledged once there was room again, by the same process.
    """

    verdict: Verdict
    refused: int
    read_while_full: int
    acknowledged_while_full: int
    after: int

    @property
    def holds(self) -> bool:
        """Whether it is as promised."""
        is_read = self.read_while_full == self.acknowledged_while_full
        return self.verdict.holds and self.refused >= _REFUSALS and is_read and self.after >= _REFUSALS


def can_mount() -> bool:
    """Whether a small disk can be mounted here; else the log is given room for so many pages."""
    done = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True
    )
    return done.returncode == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Gives a folder on a disk of 2 MB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def filled(door: Door) -> Filled:
    """Fills the disk of a log, makes room, and goes on.

    Args:
        door: The way in; its log lies on the small disk, with nothing else on it.
    """
    ballast = door.file.with_name(BALLAST)
    ballast.write_bytes(bytes(_BALLAST_BYTES))
    ledger = Ledger()
    door.start()
    refused = number = 0
    while refused < _REFUSALS:
        number += 1
        refused += not _send(door, ledger, number)
        if number > 10_000:
            break
    # Started again on the full disk it takes nothing either, but is there.
    door.stop()
    door.start()
    refused += not _send(door, ledger, 0)
    acknowledged = len(ledger.acknowledged)
    read = len(stored_ids(door.file))
    ballast.unlink()
    after = sum(_send(door, ledger, number + each) for each in range(1, _REFUSALS + 1))
    for batch in list(ledger.unanswered.values()):
        if door.send(batch):
            ledger.answered(batch)
    door.stop()
    return Filled(ledger.verdict(door.file), refused, read, acknowledged, after)


def _send(door: Door, ledger: Ledger, number: int) -> bool:
    batch = batch_of(f"full.{number}", 10)
    ledger.sends(batch)
    if door.send(batch):
        ledger.answered(batch)
        return True
    return False
