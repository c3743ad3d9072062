"""The power-cut simulator: a writer's writes and syncs are recorded, the disk of random moments made again.

Of a file there is what was synced, and of what was written since a random half: writes whole, or torn by sectors.
What was written before a sync that failed is never written again, as Linux has it: half of it is gone for good.
"""

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from reliability.door import ROOT, environment
from reliability.ledger import Verdict, batch_of, judged, stored_ids
from reliability.trace import Did, did, tracing
from shopkeeper.storage.log_sqlite import SqliteLog

__all__ = ["Cut", "Recording", "cut", "recorded"]

_SECTOR = 512
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a quicker place, where there is one


@dataclass(frozen=True, slots=True)
class Recording:
    """What a writer did, in order.

    Args:
        folder: The folder of its log.
        done: Everything.
    """

    folder: Path
    done: Sequence[Did]


@dataclass(frozen=True, slots=True)
class Cut:
    """What was found after a cut: a verdict, or that the log could not be opened or goes on wrongly."""

    verdict: Verdict | None
    broken: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is as promised."""
        return self.verdict is not None and self.verdict.holds and not self.broken


def recorded(
    folder: Path, kind: str, *, batches: int, senders: int = 6, failing_from: int | None = None, name: str = "a"
) -> Recording:
    """Records a writer from its start.

    Args:
        folder: The folder of its log; what is there from a recording before is gone on with.
        kind: Which log, of `kinds.KINDS`.
        batches: How many batches are sent.
        senders: How many send at a time.
        failing_from: From so many syncs of a thread on, each fails.
        name: What the ids begin with.

    Raises:
        RuntimeError: The writer ended wrongly.
    """
    with tempfile.TemporaryDirectory() as scratch:
        trace = Path(scratch) / "trace"
        program = [sys.executable, "-m", "reliability.recorded", str(folder), kind, str(batches), str(senders), name]
        done = subprocess.run(
            [*tracing(trace, failing_from=failing_from), *program],
            check=False, capture_output=True, text=True, env=environment(), cwd=ROOT,
        )  # fmt: skip
        if done.returncode and failing_from is None:
            raise RuntimeError(done.stderr)
        return Recording(folder, [each for each in did(trace) if each.what == "said" or _concerns(each.path, folder)])


def cut(recording: Recording, *, cuts: int, seed: int, after: int = 0) -> Iterator[Cut]:
    """Cuts the power at random moments and looks at what each leaves.

    Args:
        recording: What the writer did.
        cuts: How many moments; the last one is the end.
        seed: Of the moments and of what is left.
        after: No moment is before so many things done.
    """
    chance = random.Random(seed)
    last = len(recording.done)
    moments = sorted([*(chance.randint(after, last) for _ in range(cuts - 1)), last])
    disk = _Disk(chance)
    place = 0
    for moment in moments:
        for each in recording.done[place:moment]:
            disk.do(each)
        place = moment
        yield _looked_at(disk.left(), disk.sent, disk.acknowledged)


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Did] = field(default_factory=list)
    is_named: bool = False
    is_unlinked: bool = False


class _Disk:
    """The disk as the power cut would leave it."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._files: dict[str, _File] = {}
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()

    def do(self, done: Did) -> None:
        """Takes the next thing done."""
        if done.what == "said":
            self._said(done.data.decode())
        elif done.what in ("sync", "failed sync"):
            self._sync(done)
        elif done.what == "unlink":
            if done.path in self._files:
                self._files[done.path].is_unlinked = True
        else:
            if done.path not in self._files or self._files[done.path].is_unlinked:
                self._files[done.path] = _File()
            if done.what != "create":
                self._files[done.path].pending.append(done)

    def _said(self, lines: str) -> None:
        for line in lines.splitlines():
            word, *ids = line.split()
            (self.acknowledged if word == "acknowledged" else self.sent).update(ids)

    def _sync(self, done: Did) -> None:
        if done.path in self._files:
            file = self._files[done.path]
            file.durable = self._written(file, is_random=done.what == "failed sync")
            file.pending.clear()
        elif done.what == "sync":  # of the folder
            self._files = {path: file for path, file in self._files.items() if not file.is_unlinked}
            for file in self._files.values():
                file.is_named = True

    def left(self) -> Mapping[str, bytes]:
        """The files by name."""
        return {
            Path(path).name: bytes(self._written(file, is_random=True))
            for path, file in self._files.items()
            if (file.is_named and not file.is_unlinked) or self._chance.random() < 0.5
        }

    def _written(self, file: _File, *, is_random: bool) -> bytearray:
        content = bytearray(file.durable)
        for each in file.pending:
            fate = self._chance.random() if is_random else 1.0
            if fate < 1 / 3:
                continue
            if each.what == "truncate":
                del content[each.at :]
                content.extend(bytes(max(0, each.at - len(content))))
                continue
            for start, end in _sectors(each) if fate < 2 / 3 else [(0, len(each.data))]:
                if fate < 2 / 3 and self._chance.random() < 0.5:
                    continue
                content.extend(bytes(max(0, each.at + end - len(content))))
                content[each.at + start : each.at + end] = each.data[start:end]
        return content


def _sectors(done: Did) -> Iterable[tuple[int, int]]:
    first = _SECTOR - done.at % _SECTOR
    edges = [0, *range(first, len(done.data), _SECTOR), len(done.data)]
    return pairwise(edges)


def _concerns(path: str, folder: Path) -> bool:
    place = Path(path)
    return place == folder or (place.parent == folder and place.name in ("log.db", "log.db-wal", "log.db-journal"))


def _looked_at(files: Mapping[str, bytes], sent: set[str], acknowledged: set[str]) -> Cut:
    """Opens what a cut left, looks whether all is there, and goes on with it."""
    with tempfile.TemporaryDirectory(prefix="cut-", dir=_MEMORY) as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        file = Path(folder) / "log.db"
        try:
            with SqliteLog(file) as log:
                stored = stored_ids(file)
                verdict = judged(sent, acknowledged, stored)
                (sound,) = log._connection.execute("PRAGMA integrity_check").fetchone()  # noqa: SLF001 - a proof looks
                if sound != "ok":
                    return Cut(verdict, "damaged")
                (after,) = log.append([batch_of("after", 3)])
                if any(after.statuses) or stored_ids(file)[-3:] != [f"after.{number}" for number in range(3)]:
                    return Cut(verdict, "does not go on")
                return Cut(verdict, _forgot(log, stored))
        except Exception as error:  # noqa: BLE001 - whatever it is, the log did not survive
            return Cut(None, f"{type(error).__name__}: {error}")


def _forgot(log: SqliteLog, stored: Sequence[str]) -> str:
    """Sends again all that is stored: each must be known."""
    names = sorted({each.rpartition(".")[0] for each in stored})
    known = set(stored)
    batches = [batch_of(name, 7) for name in names]
    for batch, outcome in zip(batches, log.append(batches), strict=True):
        for entry, status in zip(batch.entries, outcome.statuses, strict=True):
            if entry.message_id in known and status != 1:
                return f"{entry.message_id} is forgotten"
    return ""
