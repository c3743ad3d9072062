"""The log's promises in small counts, each with a control that must fail; `make reliability` has the full counts."""

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reliability.cuts import Recording, cut, recorded
from reliability.door import ROOT, Door, ServiceDoor, environment
from reliability.erased import erased
from reliability.failing_sync import failing
from reliability.flood import flooded
from reliability.full_disk import can_mount, filled, small_disk
from reliability.kills import killed
from reliability.ledger import Ledger, Verdict, batch_of, judged
from reliability.poison import poisoned
from reliability.trace import Did, can_trace
from tests.storage.conftest import short_path

__all__ = ["short_path"]

Doors = Callable[..., ServiceDoor]


@pytest.fixture
def doors(short_path: Path) -> Iterator[Doors]:
    """Ways in on logs of any kind: what acknowledges batches is swapped here."""
    made: list[ServiceDoor] = []

    def door(kind: str = "plain", *options: str) -> ServiceDoor:
        folder = short_path / f"{len(made)}"
        folder.mkdir()
        made.append(ServiceDoor(folder, kind, options))
        return made[-1]

    yield door
    for each in made:
        each.close()


@pytest.fixture
def traced() -> None:
    if reason := can_trace():
        pytest.skip(reason)


def test_a_verdict_tells_lost_doubled_and_invented() -> None:
    assert judged({"a", "b"}, {"a"}, ["a", "b"]) == Verdict(1, 2, 0, 0, 0)
    assert judged({"a", "b"}, {"a"}, ["a", "b"]).holds
    assert judged({"a", "b"}, {"a", "b"}, ["a", "a", "c"]) == Verdict(2, 3, 1, 1, 1)


def test_what_is_acknowledged_survives_kills_and_is_there_once(doors: Doors) -> None:
    door: Door = doors()
    found = killed(door, kills=4, seed=1)
    assert found.acknowledged > 20
    assert found.holds


def test_control_acknowledging_before_writing_is_found_out_by_kills(doors: Doors) -> None:
    assert killed(doors("hasty"), kills=3, seed=1).lost > 0


def test_control_forgotten_ids_are_found_out_by_honest_senders(doors: Doors) -> None:
    assert killed(doors("forgetful"), kills=2, seed=1).doubled > 0


def test_what_is_erased_or_trimmed_is_done_or_not_done_whatever_is_killed(doors: Doors) -> None:
    found = erased(doors(), kills=3, seed=1)
    assert found.answered > 20
    assert found.trimmed >= 2
    assert found.holds, found


def test_control_an_erasure_in_two_commits_is_found_out_by_kills(doors: Doors) -> None:
    assert erased(doors("halving"), kills=4, seed=1).damaged > 0


@pytest.mark.usefixtures("traced")
def test_what_is_acknowledged_survives_power_cuts(short_path: Path) -> None:
    recording = recorded(short_path, "log", batches=200)
    found = list(cut(recording, cuts=30, seed=1))
    assert [each.broken for each in found if not each.holds] == []
    last = found[-1].verdict
    assert last
    assert last.acknowledged == sum(1 + number % 7 for number in range(200))
    synced = {Path(each.path).name for each in recording.done if each.what == "sync"}
    assert {"log.db", "log.db-wal"} <= synced  # checkpoints were among what was cut


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("kind", ["normal", "off"])
def test_control_a_log_that_syncs_less_is_found_out_by_cuts(short_path: Path, kind: str) -> None:
    found = list(cut(recorded(short_path, kind, batches=100), cuts=20, seed=1))
    assert sum(not each.holds for each in found) > 5


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(("failing_from", "failed"), [(1, 0), (7, 0), (15, 1), (25, 1)])
def test_a_failed_sync_stops_the_writer_and_nothing_is_built_on_it(
    short_path: Path, failing_from: int, failed: int
) -> None:
    found = list(failing(short_path, "log", failing_from=failing_from, seed=failing_from, batches=200))
    assert {count for count, _ in found} == {failed}  # it asks once and never again
    assert [each for _, each in found if not each.holds] == []


@pytest.mark.usefixtures("traced")
def test_control_a_log_that_goes_on_after_a_failed_sync_is_found_out(short_path: Path) -> None:
    # The control that builds on what the system shows it is found out too seldom for a small count.
    found = list(failing(short_path, "pretending", failing_from=15, seed=1, batches=200))
    assert any(not each.holds for _, each in found)


def test_a_full_disk_refuses_keeps_reading_and_goes_on_by_itself(doors: Doors, short_path: Path) -> None:
    if can_mount():
        with small_disk(short_path), closing(ServiceDoor(short_path)) as door:
            found = filled(door)
    else:
        found = filled(doors("narrow"))
    assert found.holds, found


def test_a_limit_of_pages_is_a_full_disk_where_none_can_be_mounted(doors: Doors) -> None:
    assert filled(doors("narrow")).holds


def test_garbage_harms_nothing_that_comes_before_or_beside_it(doors: Doors) -> None:
    found = poisoned(doors(), pieces=80, seed=1)
    assert found.holds, found


def test_a_flood_is_turned_away_and_memory_is_bounded(doors: Doors) -> None:
    found = flooded(doors("plain", str(4 * 2**20)), senders=8, batches=60)
    assert found.verdict.holds
    assert found.busy > 0
    assert found.peak_mb - found.before_mb < 80


def test_control_a_queue_without_bound_takes_the_memory(doors: Doors) -> None:
    found = flooded(doors("plain", str(2**40)), senders=8, batches=60)
    assert found.busy == 0
    assert found.peak_mb - found.before_mb > 80


def test_the_writer_keeps_on_when_its_memory_is_limited(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a limit of its address space, as a small container has one."""
    door = doors("plain", str(4 * 2**20))
    door.start()
    used = int(Path(f"/proc/{door.pid}/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.prlimit(door.pid, resource.RLIMIT_AS, (used + 250 * 2**20,) * 2)
    monkeypatch.setattr(door, "start", lambda: None)
    found = flooded(door, senders=8, batches=60)
    assert found.verdict.holds
    assert found.busy > 0


def test_a_cut_keeps_what_was_synced_and_a_random_half_of_the_rest(tmp_path: Path) -> None:
    path, folder = str(tmp_path / "log.db"), str(tmp_path)
    done = [Did("create", path), Did("sync", folder), Did("write", path, 0, b"a" * 512), Did("sync", path)]
    done += [Did("write", path, 512 * number, b"b" * 512) for number in range(1, 101)]
    (found,) = cut(Recording(tmp_path, done), cuts=1, seed=1)
    assert "no log" in found.broken or "damaged" in found.broken


def test_the_command_names_its_suites() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reliability", "luck"], capture_output=True, text=True, check=False,
        env=environment(), cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no suite 'luck'; name one of kills, cuts" in done.stderr


def test_the_book_tells_what_had_no_answer() -> None:
    ledger, batch = Ledger(), batch_of("a", 2)
    ledger.sends(batch)
    assert list(ledger.unanswered.values()) == [batch]
    ledger.answered(batch)
    assert ledger.unanswered == {}
    assert ledger.acknowledged == {"a.0", "a.1"}
