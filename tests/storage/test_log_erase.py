"""What is trimmed or erased leaves the files of the log, byte for byte; a lost log begins behind what it gave."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.errors import UnavailableError
from shopkeeper.storage.log import Batch, Entry, Erasure, Status, place_of
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_row import mark_of, packed, rewritten, unpacked
from shopkeeper.storage.log_sqlite import SqliteLog
from tests.storage.log_parts import NOON, batch


def _word(number: int, place: int) -> str:
    return f"canary-{number:04}-{place:03}"


def _put(log: SqliteLog, number: int, sizes: Sequence[int], entries: Sequence[int], seed: int) -> None:
    """Batches of several sizes: some lie together on a page, some on many pages."""
    chance = random.Random(seed)  # noqa: S311 - sizes of a test
    batches = []
    for position in range(number):
        # The word again and again: a page ends in one of them, so no piece of the rest is missed.
        bodies = [_word(position, place).encode() * chance.choice(sizes) for place in range(chance.choice(entries))]
        made = tuple(Entry("till", f"{position}.{place}", bytes(16), body) for place, body in enumerate(bodies))
        batches.append(Batch("till", NOON, made, (), bytes(chance.choice([0, 40, 700]))))
    for start in range(0, number, 100):
        log.append(batches[start : start + 100])


def _words(file: Path) -> set[str]:
    """Every planted word in the log's files."""
    contents = (path.read_bytes() for path in file.parent.glob("log.db*"))
    return {word.decode() for content in contents for word in re.findall(rb"canary-\d{4}-\d{3}", content)}


def _erasures(file: Path, chance: random.Random, *, share: float) -> tuple[list[Erasure], set[str], set[str]]:
    """A share of the entries to be erased, with their words, and the words that stay."""
    erasures, gone, stay = [], set[str](), set[str]()
    with LogReader(file) as log:
        position = 0
        while batches := log.read(position):
            for each in batches:
                places = [place_of(offset)[1] for offset in each.offsets if chance.random() < share]
                words = {place_of(offset)[1]: _word(each.position - 1, place_of(offset)[1]) for offset in each.offsets}
                gone |= {words[place] for place in places}
                stay |= {word for place, word in words.items() if place not in places}
                if places:
                    erasures.append(Erasure(each.position, mark_of(each), tuple(places), (), (), b""))
            position = batches[-1].position
    return erasures, gone, stay


@pytest.mark.parametrize(
    ("number", "sizes", "entries"), [(300, [3, 20, 60, 400], [1, 1, 2, 5, 40]), (4_000, [1, 3], [1])]
)
def test_no_byte_of_what_was_trimmed_or_erased_stays_in_the_files(
    tmp_path: Path, number: int, sizes: Sequence[int], entries: Sequence[int]
) -> None:
    file, chance = tmp_path / "log.db", random.Random(1)  # noqa: S311 - choices of a test
    with SqliteLog(file, events_a_part=500) as log:
        _put(log, number, sizes, entries, 1)
        everything = _words(file)
        for part in range(1, 8):  # in steps: where rows are taken out others may be moved from page to page
            log.trim(number * part // 10)
        (rows,) = log._connection.execute("SELECT count(*) FROM batch").fetchone()
        assert rows < 3_000, "emptied rows are taken out in the end"
        erasures, gone, stay = _erasures(file, chance, share=0.1)
        assert len(gone) > 50
        assert gone <= everything, "the control: all of it was there"
        assert log.erase(erasures) == []
        assert _words(file) == stay
        assert (file.with_name("log.db-wal")).stat().st_size == 0
        # And again, of what was rewritten once.
        erasures, gone, stay = _erasures(file, chance, share=0.3)
        assert log.erase(erasures) == []
        assert _words(file) == stay
        (sound,) = log._connection.execute("PRAGMA integrity_check").fetchone()
        assert sound == "ok"


def test_control_without_overwriting_bytes_stay(tmp_path: Path) -> None:
    file = tmp_path / "log.db"
    with SqliteLog(file) as log:
        log._connection.execute("PRAGMA secure_delete = OFF")
        _put(log, 300, [3, 20], [1, 5], 1)
        log.trim(200)
        log._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        kept = {word for word in _words(file) if int(word[7:11]) < 200}
        assert kept


@given(st.lists(st.tuples(st.integers(0, 700), st.sampled_from(["stays", "goes", "less"])), min_size=1, max_size=6),
       st.integers(0, 300))  # fmt: skip
def test_a_row_is_as_long_after_an_erasure_as_before(entries: list[tuple[int, str]], sealed: int) -> None:
    made = tuple(Entry("till", f"{place}", bytes(16), b"x" * size) for place, (size, _) in enumerate(entries))
    whole = packed(Batch("till", NOON, made, (), bytes(sealed)), bytes(len(made)))
    stored = unpacked(7, whole, "here")
    goes = tuple(place for place, (_, fate) in enumerate(entries) if fate == "goes")
    less = tuple((place, b"x" * (size // 2)) for place, (size, fate) in enumerate(entries) if fate == "less")
    body = rewritten(stored, whole, Erasure(7, mark_of(stored), goes, less, (), b""))
    assert len(body) == len(whole)
    after = unpacked(7, body, "here")
    assert [place_of(offset)[1] for offset in after.offsets] == [n for n in range(len(made)) if n not in goes]
    assert [each.body for each in after.entries] == [
        b"x" * (size // 2 if fate == "less" else size) for size, fate in entries if fate != "goes"
    ]
    assert after.sealed == b""
    if goes:
        assert body.count(bytes([Status.ERASED])) >= len(goes)


def test_readers_that_hold_the_files_are_waited_for_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopkeeper.storage.log_file._BUSY_SECONDS", 0.2)
    with SqliteLog(tmp_path / "log.db") as log, LogReader(tmp_path / "log.db") as reader:
        log.append([batch("a")])
        (stored,) = log.read(0)
        reader._connection.execute("BEGIN")
        reader._connection.execute("SELECT count(*) FROM batch").fetchone()
        with pytest.raises(UnavailableError, match="readers hold"):
            log.erase([Erasure(1, mark_of(stored), (0,))])
        reader._connection.execute("COMMIT")
        assert log.erase([]) == []
        assert log.append([batch("b")])[0].position == 2  # it goes on


def test_a_log_that_was_lost_begins_behind_what_was_made_of_it(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db", behind=7) as log:
        assert (log.begin(), log.end()) == (8, 7)
        assert log.append([batch("a")])[0].position == 8
    with SqliteLog(tmp_path / "log.db", behind=3) as log:
        assert (log.begin(), log.end()) == (8, 8)
