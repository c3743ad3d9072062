"""The SQLite log beside its contract: one writer, any readers, its form, a full disk, and that it stays quick."""

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from shopkeeper.base.errors import ConflictError, MissingError, StorageError, UnavailableError
from shopkeeper.storage.log import Outcome
from shopkeeper.storage.log_file import WriterLock, failure_of_log
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_sqlite import SqliteLog
from tests.storage.log_parts import DAY, NOON, batch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def test_a_second_writer_is_refused_and_told_which_process_has_it(file: Path) -> None:
    with SqliteLog(file) as log:
        log.append([batch("a")])
        with pytest.raises(ConflictError, match=f"process {os.getpid()}"):
            SqliteLog(file)
        code = (
            "from pathlib import Path; from shopkeeper.storage.log_sqlite import SqliteLog;"
            f"SqliteLog(Path({str(file)!r}))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"ConflictError: the log has a writer already, process {os.getpid()}" in done.stderr
        assert log.append([batch("b")])[0].position == 2
    with SqliteLog(file) as again:
        assert again.end() == 2


def test_the_lock_of_a_process_that_died_is_free(file: Path) -> None:
    code = (
        "import os; from pathlib import Path; from shopkeeper.storage.log_file import WriterLock;"
        f"WriterLock(Path({str(file)!r})); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    WriterLock(file).release()


def test_a_reader_of_another_process_sees_what_is_durable_while_it_is_written(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from shopkeeper.storage.log_reader import LogReader\n"
        f"with LogReader(Path({str(file)!r})) as log:\n"
        "    for line in sys.stdin: print(log.end(), len(log.read(0)), flush=True)\n"
    )
    with SqliteLog(file) as log:
        log.append([batch("a")])
        reader = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert reader.stdin
        assert reader.stdout
        for number in range(3):
            log.append([batch(f"b{number}")])
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == f"{number + 2} {number + 2}\n"
        reader.communicate()


def test_a_reader_changes_nothing(file: Path) -> None:
    SqliteLog(file).close()
    with LogReader(file) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM batch")


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no log yet"):
        LogReader(tmp_path / "log.db")
    with pytest.raises(UnavailableError, match=r"folder .* not there"):
        SqliteLog(tmp_path / "none" / "log.db")


@pytest.mark.parametrize("opening", [SqliteLog, LogReader])
def test_what_is_no_log_or_a_newer_one_is_refused(file: Path, opening: type[SqliteLog] | type[LogReader]) -> None:
    SqliteLog(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(StorageError, match=r"form 2, this program knows 1.*upgrade"):
        opening(file)
    other = file.with_name("state.db")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE users (id INTEGER)")
    with pytest.raises(StorageError, match="is no log"):
        opening(other)
    other.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match="damaged"):
        opening(other)
    with pytest.raises(StorageError):  # nothing stays locked by what failed
        opening(other)


def test_only_its_user_may_read_it(file: Path) -> None:
    with SqliteLog(file) as log:
        log.append([batch("a")])
        assert {each.stat().st_mode & 0o777 for each in file.parent.iterdir()} == {0o600}
        assert {each.name for each in file.parent.iterdir()} == {"log.db", "log.db-wal", "log.db-shm", "log.db.lock"}


def test_every_commit_is_synced(file: Path) -> None:
    with SqliteLog(file) as log:
        assert log._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert log._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert log._connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)


def test_a_full_file_refuses_keeps_reading_and_goes_on_by_itself(file: Path) -> None:
    with SqliteLog(file, events_a_part=5) as log:
        log.append([batch("a", "b")])
        (pages,) = log._connection.execute("PRAGMA page_count").fetchone()
        log._connection.execute(f"PRAGMA max_page_count = {pages}")
        many = batch(*(f"c{number}" for number in range(500)))
        for _ in range(3):
            with pytest.raises(UnavailableError, match=r"disk is full: nothing was kept.*make room"):
                log.append([many])
        assert log.end() == 1
        assert [stored.position for stored in log.read(0)] == [1]
        log._connection.execute("PRAGMA max_page_count = 1000000")
        assert log.append([many]) == [Outcome(2, bytes(500))]
        assert log.append([many])[0].position == 0


def test_a_log_that_another_keeps_busy_says_so_and_goes_on(file: Path) -> None:
    with SqliteLog(file) as log, closing(sqlite3.connect(file, isolation_level=None)) as other:
        log._connection.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="busy: nothing was kept"):
            log.append([batch("a")])
        other.execute("ROLLBACK")
        assert log.append([batch("a")]) == [Outcome(1, b"\0")]


def test_after_another_failure_it_takes_nothing_more_but_is_read(file: Path) -> None:
    with SqliteLog(file) as log:
        log.append([batch("a")])
        with closing(sqlite3.connect(file)) as other:
            other.execute("DROP TABLE traffic")
        with pytest.raises(StorageError, match="the log failed"):
            log.append([batch("b")])
        with pytest.raises(StorageError, match="takes nothing more until it is opened anew"):
            log.append([batch("c")])
        with pytest.raises(StorageError, match="takes nothing more"):
            log.trim(1)
        assert [stored.position for stored in log.read(0)] == [1]


def test_what_a_failure_means_is_told_without_the_row() -> None:
    failure = failure_of_log(MemoryError(), Path("log.db"))
    assert isinstance(failure, UnavailableError)
    assert isinstance(failure_of_log(sqlite3.OperationalError("13800138000"), Path("x")), StorageError)
    assert "13800138000" not in failure_of_log(sqlite3.OperationalError("13800138000"), Path("x")).noted


def test_a_damaged_batch_is_named(file: Path) -> None:
    with SqliteLog(file) as log:
        log.append([batch("a"), batch("b")])
        with closing(sqlite3.connect(file)) as other:
            other.execute("UPDATE batch SET body = x'93' WHERE position = 2")
            other.commit()
        assert [stored.position for stored in log.read(0, most=1)] == [1]
        with pytest.raises(StorageError, match="batch 2 of the log is damaged"):
            log.read(1)


def test_the_wal_is_begun_anew_though_somebody_reads_all_the_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteLog, "_CHECKPOINT_BYTES", 100_000)
    monkeypatch.setattr(SqliteLog, "_LONG_WAL_FRAMES", 100)
    ended = threading.Event()

    def read_on() -> None:
        with LogReader(file) as reader:
            while not ended.is_set():
                reader.read(0, most=3)

    with SqliteLog(file, events_a_part=100) as log:
        reading = threading.Thread(target=read_on)
        reading.start()
        for number in range(150):
            log.append([batch(*(f"{number} {each}" for each in range(100)))])
        ended.set()
        reading.join()
        assert file.with_name("log.db-wal").stat().st_size < file.stat().st_size


def test_old_ids_leave_the_disk_without_a_trim(file: Path) -> None:
    with SqliteLog(file, events_a_part=1) as log:
        log.append([batch(*(f"old{number}" for number in range(600)))])
        log.append([batch(*(f"new{number}" for number in range(600)), at=NOON + 91 * DAY)])
        (kept,) = log._connection.execute("SELECT count(*) FROM seen").fetchone()
        assert kept == 600


def test_a_damaged_file_is_told_when_it_is_opened(file: Path) -> None:
    with SqliteLog(file) as log:
        log.append([batch(*(f"a{number}" for number in range(2000)))])
    content = bytearray(file.read_bytes())
    content[4096 : 4096 * 8] = bytes(4096 * 7)
    file.write_bytes(content)
    for _ in range(2):  # and it is not locked afterwards
        with pytest.raises(StorageError, match="damaged"):
            SqliteLog(file)


def test_a_log_without_room_is_opened_and_read_and_goes_on_by_itself(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteLog(file) as log:
        log.append([batch("a")])

    def full(_: SqliteLog) -> None:
        raise sqlite3.OperationalError("planted") from None

    def planted(log: SqliteLog) -> None:
        try:
            full(log)
        except sqlite3.OperationalError as error:
            error.sqlite_errorname = "SQLITE_FULL"
            raise

    with monkeypatch.context() as patched:
        patched.setattr(SqliteLog, "_rewrite_wal", planted)
        log = SqliteLog(file)
        assert [stored.position for stored in log.read(0)] == [1]
        with pytest.raises(UnavailableError, match="disk is full"):
            log.append([batch("b")])
    assert log.append([batch("a", "b")])[0].statuses == b"\1\0"
    log.close()
