"""The contract every log keeps, run on the SQLite log itself and through the process that writes it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkeeper.base.errors import UsageError
from shopkeeper.storage.log import (
    MOST_ENTRIES,
    Batch,
    Entry,
    Erasure,
    Log,
    Outcome,
    Refusal,
    Status,
    Traffic,
    offset_of,
    place_of,
)
from shopkeeper.storage.log_row import mark_of
from shopkeeper.storage.log_sqlite import SqliteLog
from tests.storage.log_parts import DAY, NOON, ServedLog, batch, entry

ACCEPTED, DUPLICATE, DIFFERENT, _ = (bytes([status]) for status in Status)


def opened(kind: str, folder: Path) -> Log:
    if kind == "sqlite":
        return SqliteLog(folder / "log.db", events_a_part=5)
    return ServedLog(folder / "log.db", folder / "s")


@pytest.fixture(params=["sqlite", "service"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def log(kind: str, short_path: Path) -> Iterator[Log]:
    made = opened(kind, short_path)
    yield made
    made.close()


def ids(log: Log) -> list[str]:
    return [each.message_id for stored in log.read(0) for each in stored.entries]


def test_what_was_kept_is_read_back_whole_and_in_order(log: Log) -> None:
    first = Batch("till", NOON, (entry("a", "1"), entry("b", "2")), (Refusal("r", "no_name", "name", "1**"),), b"\x00s")
    assert log.append([first]) == [Outcome(1, b"\0\0")]
    assert log.append([batch("c")]) == [Outcome(2, b"\0")]
    one, two = log.read(0)
    assert (one.position, one.source, one.received_at, one.sealed) == (1, "till", NOON, b"\x00s")
    assert one.entries == first.entries
    assert one.refusals == first.refusals
    assert one.offsets == (offset_of(1, 0), offset_of(1, 1))
    assert two.offsets == (offset_of(2, 0),)
    assert log.read(1) == [two]
    assert log.read(0, most=1) == [one]
    assert log.read(2) == []
    assert log.end() == 2


def test_an_empty_log_has_nothing(log: Log) -> None:
    assert (log.end(), log.read(0), log.traffic(0), log.trim(5)) == (0, [], [], 0)
    assert log.append([]) == []
    assert log.append([Batch("till", NOON, ())]) == [Outcome(0, b"")]
    assert log.end() == 0


def test_an_id_is_kept_once_whichever_way_it_comes_again(log: Log) -> None:
    assert log.append([batch("a", "b", "a")]) == [Outcome(1, ACCEPTED + ACCEPTED + DUPLICATE)]
    outcomes = log.append([batch("b", "c"), batch("c", "d", "a")])
    assert [each.statuses for each in outcomes] == [DUPLICATE + ACCEPTED, DUPLICATE + ACCEPTED + DUPLICATE]
    assert log.append([batch("a", "d")]) == [Outcome(0, DUPLICATE + DUPLICATE)]
    assert ids(log) == ["a", "b", "c", "d"]
    assert log.read(1)[0].offsets == (offset_of(2, 1),)


def test_the_same_id_with_other_content_is_told_and_dropped(log: Log) -> None:
    log.append([Batch("till", NOON, (entry("a", "1"),))])
    again = Batch("till", NOON, (entry("a", "2"), entry("a", "1"), entry("b", "1"), entry("b", "2")))
    assert log.append([again])[0].statuses == DIFFERENT + DUPLICATE + ACCEPTED + DIFFERENT
    assert [each.body for stored in log.read(0) for each in stored.entries] == [b'{"c":"1"}'] * 2


def test_the_same_id_of_two_sources_is_two_events(log: Log) -> None:
    log.append([batch("b", source="a"), batch("b", source="aa"), batch("ab", source="a"), batch("1b", source="")])
    assert log.append([batch("b", source="1")])[0].statuses == ACCEPTED
    assert len(ids(log)) == 5


def test_refusals_are_kept_even_where_nothing_else_is_new(log: Log) -> None:
    log.append([batch("a")])
    assert log.append([batch("a", refused=["r1", "r2"])]) == [Outcome(2, DUPLICATE)]
    (stored,) = log.read(1)
    assert (stored.entries, stored.offsets, stored.sealed) == ((), (), b"sealed")
    assert [each.refused_id for each in stored.refusals] == ["r1", "r2"]


def test_received_is_the_sum_of_what_became_of_it_by_source_and_hour(log: Log) -> None:
    log.append([batch("a", "b", "a", refused=["r"]), batch("a", source="app")])
    log.append([Batch("till", NOON + 60, (entry("a", "other"), entry("c")))])
    log.append([batch("d", at=NOON + 3600)])
    hour = int(NOON)
    assert log.traffic(hour + 1800) == [
        Traffic("app", hour, 1, 1, 0, 0, 0),
        Traffic("till", hour, 6, 3, 2, 1, 1),
        Traffic("till", hour + 3600, 1, 1, 0, 0, 0),
    ]
    assert [each.hour for each in log.traffic(hour + 3600)] == [hour + 3600]


def test_entries_of_several_sources_are_counted_by_their_own(log: Log) -> None:
    log.append([Batch("replay", NOON, (entry("a", source="app"), entry("b", source="till")), (Refusal("r", "x"),))])
    assert [(each.source, each.received, each.refused) for each in log.traffic(0)] == [
        ("app", 1, 0),
        ("replay", 1, 1),
        ("till", 1, 0),
    ]


def test_what_is_trimmed_is_gone_but_its_ids_and_the_position_stay(log: Log) -> None:
    for number in range(12):
        log.append([batch(f"a{number}", f"b{number}")])
    assert log.trim(10) == 10
    assert [stored.position for stored in log.read(0)] == [11, 12]
    assert log.trim(12) == 2
    assert (log.end(), log.read(0)) == (12, [])
    again = log.append([batch(*(f"a{number}" for number in range(12)))])
    assert again == [Outcome(0, DUPLICATE * 12)]
    assert log.append([batch("new")]) == [Outcome(13, ACCEPTED)]


def test_it_begins_with_what_was_not_trimmed(log: Log) -> None:
    assert log.begin() == 1
    for number in range(3):
        log.append([batch(f"a{number}")])
    log.trim(1)
    assert log.begin() == 2
    log.trim(3)
    assert log.begin() == 4


def test_what_is_erased_is_gone_its_ids_stay_known_and_the_rest_stands_as_it_was(kind: str, short_path: Path) -> None:
    log = opened(kind, short_path)
    log.append([batch("a", "b", "c", refused=["r1", "r2"]), batch("d")])
    first, second = log.read(0)
    others = Erasure(1, mark_of(first), (0,), ((2, b'"less"'),), ("r1",), b"")
    assert log.erase([others, Erasure(2, mark_of(second), (0,))]) == []
    one, two = log.read(0)
    assert [place_of(offset) for offset in one.offsets] == [(1, 1), (1, 2)]
    assert [(each.message_id, each.body) for each in one.entries] == [("b", b'{"c":""}'), ("c", b'"less"')]
    assert ([each.refused_id for each in one.refusals], one.sealed) == (["r2"], b"")
    assert (two.position, two.entries, two.sealed) == (2, (), b"sealed")
    assert (log.end(), log.begin()) == (2, 1)
    assert log.append([batch("a", "b", "c", "d")]) == [Outcome(0, DUPLICATE * 4)]
    log.close()
    log = opened(kind, short_path)
    assert log.read(0) == [one, two]
    assert log.append([batch("a", "b", "c", "d", "e")]) == [Outcome(3, DUPLICATE * 4 + ACCEPTED)]
    log.close()


def test_a_batch_that_changed_since_it_was_read_is_left_and_told(log: Log) -> None:
    log.append([batch("a", "b"), batch("c")])
    first, second = log.read(0)
    assert log.erase([Erasure(1, mark_of(first), (0,))]) == []
    assert log.erase([Erasure(1, mark_of(first), (1,)), Erasure(2, mark_of(second), (0,))]) == [1]
    assert ids(log) == ["b"]
    log.trim(1)
    assert log.erase([Erasure(1, bytes(16), (1,))]) == []  # gone is gone
    assert log.erase([]) == []


@pytest.mark.parametrize("is_trimmed", [False, True])
def test_an_id_is_known_for_ninety_days(log: Log, *, is_trimmed: bool) -> None:
    log.append([batch("a", at=NOON)])
    if is_trimmed:
        log.append([batch("later", at=NOON + 91 * DAY)])
        log.trim(log.end())
    assert log.append([batch("a", at=NOON + 90 * DAY)])[0].statuses == (ACCEPTED if is_trimmed else DUPLICATE)
    assert log.append([batch("a", at=NOON + 181 * DAY)])[0].statuses == ACCEPTED
    assert log.append([batch("a", at=NOON + 182 * DAY)])[0].statuses == DUPLICATE


@pytest.mark.parametrize(
    "poison",
    [
        batch(*map(str, range(MOST_ENTRIES))),
        batch("x", at=float("nan")),
        batch("x", at=-1.0),
        batch("x", at=1e18),
        Batch("till", NOON, (Entry("till", "x", b"short", b"{}"),)),
        Batch("till", NOON, (Entry("till", "\ud800", bytes(16), b"{}"),)),
        Batch("till", NOON, (entry("x"),), (Refusal("r", "\udfff"),)),
    ],
    ids=["too many", "no instant", "before 1970", "after 2149", "short hash", "no unicode", "no unicode in a refusal"],
)
def test_what_nobody_can_keep_is_refused_and_harms_nothing(log: Log, poison: Batch) -> None:
    log.append([batch("a")])
    with pytest.raises(UsageError):
        log.append([poison])
    assert log.append([batch("a", "b")]) == [Outcome(2, DUPLICATE + ACCEPTED)]


def test_the_largest_batch_that_may_be_is_kept(log: Log) -> None:
    most = MOST_ENTRIES - 1
    assert log.append([batch(*map(str, range(most)))]) == [Outcome(1, ACCEPTED * most)]
    assert log.append([batch(*map(str, range(most)))]) == [Outcome(0, DUPLICATE * most)]
    assert log.read(0)[0].offsets[-1] == offset_of(1, most - 1)


def test_all_is_there_again_after_it_was_closed(kind: str, short_path: Path) -> None:
    log = opened(kind, short_path)
    for number in range(30):
        log.append([batch(f"a{number}", refused=[f"r{number}"])])
    before, traffic = log.read(0), log.traffic(0)
    log.trim(7)
    log.close()
    log = opened(kind, short_path)
    assert log.read(0) == before[7:]
    assert log.traffic(0) == traffic
    assert log.end() == 30
    assert log.append([batch(*(f"a{number}" for number in range(31)))]) == [Outcome(31, DUPLICATE * 30 + ACCEPTED)]
    log.close()


message = st.sampled_from("abcdefgh")
appended = st.lists(st.lists(st.tuples(message, st.sampled_from("xy")), max_size=4), min_size=1, max_size=3)
steps = st.lists(st.one_of(appended, st.sampled_from(["trim", "reopen"])), max_size=12)


@settings(max_examples=30)
@given(steps=steps, events_a_part=st.integers(1, 9))
def test_any_order_of_doings_keeps_each_id_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[list[tuple[str, str]]] | str], events_a_part: int
) -> None:
    file = tmp_path_factory.mktemp("log") / "log.db"
    reopen: Callable[[], SqliteLog] = lambda: SqliteLog(file, events_a_part=events_a_part)  # noqa: E731 - its options
    log, known, kept = reopen(), dict[str, str](), list[str]()
    for step in steps:
        if step == "trim":
            kept += [each.message_id for stored in log.read(0) for each in stored.entries]
            log.trim(log.end())
        elif step == "reopen":
            log.close()
            log = reopen()
        else:
            assert not isinstance(step, str)
            expected = []
            for batch_ids in step:
                statuses = bytearray()
                for message_id, content in batch_ids:
                    before = known.setdefault(message_id, content) if message_id in known else None
                    known.setdefault(message_id, content)
                    statuses += ACCEPTED if before is None else DUPLICATE if before == content else DIFFERENT
                expected.append(bytes(statuses))
            batches = [Batch("till", NOON, tuple(entry(*each) for each in batch_ids)) for batch_ids in step]
            assert [each.statuses for each in log.append(batches)] == expected
    kept += [each.message_id for stored in log.read(0) for each in stored.entries]
    log.close()
    assert sorted(kept) == sorted(known)
