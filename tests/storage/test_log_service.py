"""The service beside the log's contract: garbage, a full queue, drains, lost connections, and where its socket is."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from shopkeeper.base.errors import ConflictError, StorageError, UnavailableError, UsageError
from shopkeeper.storage.log import Outcome
from shopkeeper.storage.log_client import LogClient
from shopkeeper.storage.log_frame import HEADER, MOST_BYTES, Frames, TooLongError, Word, asked, text_of
from shopkeeper.storage.log_place import LONGEST_PATH, socket_of
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_service import Limits, run_log
from shopkeeper.storage.log_sqlite import SqliteLog
from tests.storage.log_parts import ServedLog, batch, in_own_loop

SERVER = (
    "import sys; from pathlib import Path; from shopkeeper.storage.log_service import run_log\n"
    "run_log(Path(sys.argv[1]), Path(sys.argv[2]), ready=lambda: print('ready', flush=True))"
)


@pytest.fixture
def log(short_path: Path) -> Iterator[ServedLog]:
    made = ServedLog(short_path / "log.db", short_path / "s")
    yield made
    made.close()


def raw(log_folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(log_folder / "s"))
    return connection


def answers(connection: socket.socket, count: int) -> list[tuple[int, int, bytes]]:
    frames, found = Frames(), []
    while len(found) < count and (data := connection.recv(65536)):
        found += frames.fed(data)
    return found


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc1", b"\xff" * 100, b"\x91" * 100_000, msgspec.msgpack.encode(["till", "noon", []])],
    ids=["empty", "reserved", "noise", "deep", "wrong type"],
)
def test_garbage_is_refused_and_what_comes_before_and_after_it_on_the_same_connection_is_kept(
    log: ServedLog, short_path: Path, content: bytes
) -> None:
    with closing(raw(short_path)) as connection:
        poison = HEADER.pack(len(content), 8, Word.APPEND) + content
        unknown = HEADER.pack(0, 9, 99)
        connection.sendall(asked(7, Word.APPEND, batch("a")) + poison + unknown + asked(10, Word.APPEND, batch("b")))
        said = {number: word for number, word, _ in answers(connection, 4)}
    assert said == {7: Word.KEPT, 8: Word.REFUSED, 9: Word.REFUSED, 10: Word.KEPT}
    assert [each.message_id for stored in log.read(0) for each in stored.entries] == ["a", "b"]


def test_a_frame_that_is_too_long_ends_its_connection_and_no_other(log: ServedLog, short_path: Path) -> None:
    with closing(raw(short_path)) as connection:
        connection.sendall(HEADER.pack(MOST_BYTES + 1, 1, Word.APPEND))
        ((number, word, content),) = answers(connection, 2)
        assert (number, word, text_of(content)) == (0, Word.REFUSED, "a frame is too long")
    assert log.append([batch("a")]) == [Outcome(1, b"\0")]


def test_half_a_frame_keeps_nobody_waiting(log: ServedLog, short_path: Path) -> None:
    with closing(raw(short_path)) as connection:
        connection.sendall(asked(1, Word.APPEND, batch("half"))[:-3])
        assert log.append([batch("a")]) == [Outcome(1, b"\0")]
    assert [stored.position for stored in log.read(0)] == [1]


def test_frames_come_in_any_pieces() -> None:
    whole = b"".join(asked(number, Word.APPEND, batch(f"a{number}")) for number in range(5))
    for size in (1, 2, 7, 13, 100, len(whole)):
        frames = Frames()
        found = [each for at in range(0, len(whole), size) for each in frames.fed(whole[at : at + size])]
        assert [number for number, _, _ in found] == list(range(5))
    frames, found = Frames(), []
    with pytest.raises(TooLongError):
        found.extend(number for number, _, _ in frames.fed(whole + b"\xff" * HEADER.size))
    assert found == list(range(5))  # what came before it counts


def test_what_waits_is_kept_in_one_commit(log: ServedLog) -> None:
    commits: list[int] = []
    log.log._connection.set_trace_callback(lambda statement: commits.append(1) if statement == "COMMIT" else None)
    with log.log._writing:  # as a slow disk would hold it
        waiting = asyncio.run_coroutine_threadsafe(log._append([batch(f"a{n}") for n in range(200)]), log._loop)
        time.sleep(0.3)
    assert sorted(outcome.position for outcome in waiting.result(10)) == list(range(1, 201))
    assert 1 <= len(commits) <= 3


def test_a_full_queue_says_busy_at_once_and_loses_nothing(short_path: Path) -> None:
    log = ServedLog(short_path / "log.db", short_path / "s", Limits(waiting_batches=10))
    try:
        with log.log._writing:
            sent = [asyncio.run_coroutine_threadsafe(log.client.append(batch(f"a{n}")), log._loop) for n in range(50)]
            time.sleep(0.3)
            refused = [each for each in sent if each.done()]
            assert len(refused) >= 30
            for each in refused:
                with pytest.raises(UnavailableError, match="more waiting than it can take"):
                    each.result()
        kept = [each.result(10) for each in sent if each not in refused]
        assert len(log.read(0)) == len(kept) >= 10
    finally:
        log.close()


def test_the_queue_is_bounded_in_bytes_too(short_path: Path) -> None:
    log = ServedLog(short_path / "log.db", short_path / "s", Limits(waiting_bytes=1000))
    try:
        with pytest.raises(UnavailableError, match="more waiting"):
            log.append([batch(*(f"a{number}" for number in range(100)))])
        assert log.append([batch("a")]) == [Outcome(1, b"\0")]
    finally:
        log.close()


def test_too_many_senders_are_turned_away(short_path: Path) -> None:
    log = ServedLog(short_path / "log.db", short_path / "s", Limits(connections=2))
    try:
        log.append([batch("a")])
        with closing(raw(short_path)) as second, closing(raw(short_path)) as third:
            second.sendall(asked(1, Word.APPEND, batch("b")))
            assert answers(second, 1)[0][1] == Word.KEPT
            assert third.recv(1) == b""
    finally:
        log.close()


def test_no_answer_in_time_is_no_success_and_the_same_may_be_sent_again(short_path: Path) -> None:
    log = ServedLog(short_path / "log.db", short_path / "s", seconds=0.2)
    try:
        with log.log._writing, pytest.raises(UnavailableError, match=r"did not answer within 0\.2 s"):
            log.append([batch("a")])
        deadline = time.monotonic() + 10
        while not log.end() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert log.append([batch("a")]) == [Outcome(0, b"\1")]
        assert not log.client._connection or not log.client._connection._awaited
    finally:
        log.close()


def test_a_log_that_failed_says_so_to_all_and_ends_the_service(log: ServedLog) -> None:
    log.append([batch("a")])
    log.log._connection.execute("DROP TABLE traffic")
    for _ in range(2):
        with pytest.raises(StorageError, match="the log failed"):
            log.append([batch("b")])
    assert isinstance(log.service.failed.result(), StorageError)
    assert [stored.position for stored in log.read(0)] == [1]


def test_a_batch_that_is_too_large_or_no_unicode_is_refused_by_the_sender(log: ServedLog) -> None:
    with pytest.raises(UsageError, match="send at most"):
        log.append([msgspec.structs.replace(batch("a"), sealed=bytes(MOST_BYTES))])
    with pytest.raises(UsageError, match="Unicode"):
        log.append([batch("\ud800")])
    assert log.append([batch("a")]) == [Outcome(1, b"\0")]


def started(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder / "log.db"), str(folder / "s")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_it_drains_when_told_to_stop(short_path: Path) -> None:
    process = started(short_path)
    with closing(raw(short_path)) as connection:
        frames = b"".join(asked(number, Word.APPEND, batch(f"a{number}")) for number in range(300))
        connection.sendall(frames)
        first = answers(connection, 1)
        process.send_signal(signal.SIGTERM)
        said = first + answers(connection, 300)
    assert process.wait(20) == 0
    assert not (short_path / "s").exists()
    kept = {number for number, word, _ in said if word == Word.KEPT}
    assert kept
    with LogReader(short_path / "log.db") as log:
        stored = [each.message_id for one in log.read(0) for each in one.entries]
    assert {f"a{number}" for number in kept} == set(stored)
    assert len(stored) == len(set(stored))
    if process.stdout:
        process.stdout.close()


def test_a_sender_goes_on_after_the_writer_was_killed_and_started_again(short_path: Path) -> None:
    async def send() -> None:
        client = LogClient(short_path / "s")
        process = started(short_path)
        assert await client.append(batch("a")) == Outcome(1, b"\0")
        process.kill()
        process.communicate()
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await client.append(batch("b"))
        process = started(short_path)
        assert (await client.append(batch("a", "b"))).statuses == b"\1\0"
        await client.close()
        process.terminate()
        process.communicate(timeout=20)

    in_own_loop(send())


def test_a_second_service_of_the_same_log_is_refused_and_takes_no_socket_away(short_path: Path) -> None:
    process = started(short_path)
    with pytest.raises(ConflictError, match=f"process {process.pid}"):
        run_log(short_path / "log.db", short_path / "s")
    with closing(raw(short_path)) as connection:
        connection.sendall(asked(1, Word.APPEND, batch("a")))
        assert answers(connection, 1)[0][1] == Word.KEPT
    process.terminate()
    process.communicate(timeout=20)


def test_only_its_user_may_send(log: ServedLog, short_path: Path) -> None:
    log.append([batch("a")])
    assert (short_path / "s").stat().st_mode & 0o777 == 0o600


def test_the_socket_of_a_long_path_is_short_and_the_same_for_everybody(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 200)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    place = socket_of(deep / "log.db")
    assert len(str(place)) <= LONGEST_PATH
    monkeypatch.chdir(deep)
    assert socket_of(Path("log.db")) == place
    assert socket_of(deep / "other.db") != place
    log = ServedLog(deep / "log.db", place)
    assert log.append([batch("a")]) == [Outcome(1, b"\0")]
    log.close()


def test_the_folder_of_the_socket_is_this_users_alone(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(short_path))
    place = socket_of(tmp_path / "log.db")
    assert place.parent == short_path / f"shopkeeper-{os.geteuid()}"
    assert place.parent.stat().st_mode & 0o777 == 0o700
    place.parent.chmod(0o755)
    with pytest.raises(UnavailableError, match=r"not this user's alone.*chmod 700"):
        socket_of(tmp_path / "log.db")
    with pytest.raises(UsageError, match="longer than"):
        socket_of(tmp_path / "log.db", runtime=tmp_path / ("y" * 120))


def test_the_sender_of_a_log_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        in_own_loop(LogClient(tmp_path / "s").append(batch("a")))


def test_an_unknown_fault_ends_the_service_and_leaves_nobody_waiting(
    log: ServedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(SqliteLog, "append", fault)
    with pytest.raises(StorageError, match="failed by ZeroDivisionError"):
        log.append([batch("a")])
    assert log.service.failed.done()
