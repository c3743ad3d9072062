"""Who was touched waits, in the transaction that touched them, until they were looked at."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shopkeeper.storage.live import Along, LiveStore
from shopkeeper.storage.live_queue import Aside, LiveQueue, looked_at, set_aside


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LiveStore]:
    with closing(LiveStore(tmp_path / "live.db")) as made:
        yield made


@pytest.fixture
def queue(store: LiveStore) -> Iterator[LiveQueue]:
    with closing(LiveQueue(store.file)) as made:
        yield made


def _apply(store: LiveStore, position: int, *records: str, words: tuple[str, ...] = ("event",)) -> None:
    along = Along(100.0 + position, dict.fromkeys(records, words))
    changed = dict.fromkeys(records, b"x")
    tokens = {record: record.partition(":")[2] for record in records}
    assert store.apply(tokens, lambda _: changed, after=position - 1, through=position, along=along)


def test_who_is_touched_again_while_they_are_looked_at_goes_on_waiting(store: LiveStore, queue: LiveQueue) -> None:
    _apply(store, 1, "web:a", "web:b", words=("event", "event:view"))
    taken = queue.waiting(10)
    assert [(each.record_id, each.happened) for each in taken] == [
        ("web:a", {"event", "event:view"}),
        ("web:b", {"event", "event:view"}),
    ]
    _apply(store, 2, "web:b", words=("event", "event:cart"))
    queue.done(taken)
    (again,) = queue.waiting(10)
    assert (again.record_id, again.happened) == ("web:b", {"event", "event:cart"})
    queue.done([again])
    assert queue.waiting(10) == []
    _apply(store, 3, "web:b")
    assert [each.happened for each in queue.waiting(10)] == [{"event"}]


def test_who_was_erased_meanwhile_gives_their_place_to_nobody(store: LiveStore, queue: LiveQueue) -> None:
    _apply(store, 1, "web:a")
    taken = queue.waiting(10)
    store.forget(["a"])
    _apply(store, 2, "web:b")
    queue.done(taken)
    assert [each.record_id for each in queue.waiting(10)] == ["web:b"]


def test_a_queue_that_nobody_looks_at_stays_as_short_as_there_are_records(store: LiveStore, queue: LiveQueue) -> None:
    for position in range(1, 50):
        _apply(store, position, "web:a", "web:b", words=("event", "event:view"))
        queue.thin(("*",), most=10)
        assert len(queue.waiting(100)) <= 2 + 10
    queue.thin(("*",), most=0)
    assert [(each.record_id, each.happened) for each in queue.waiting(100)] == [("web:a", {"*"}), ("web:b", {"*"})]


def test_what_is_announced_waits_for_its_position(store: LiveStore, queue: LiveQueue) -> None:
    store.announce(["web:a"], ["*"], position=1, at=100)
    assert queue.waiting(10) == []
    _apply(store, 1, "web:b")
    assert {each.record_id for each in queue.waiting(10)} == {"web:a", "web:b"}


def test_a_change_that_fails_touches_nobody(store: LiveStore, queue: LiveQueue) -> None:
    def broken(_: object) -> dict[str, bytes]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        store.apply({"web:a": "a"}, broken, after=0, through=1, along=Along(1.0, {"web:a": ("event",)}))
    assert queue.waiting(10) == []
    assert store.position() == 0


def test_who_was_touched_since_is_known_until_a_run_has_them(store: LiveStore, queue: LiveQueue) -> None:
    for position, record in enumerate(("web:a", "web:b", "web:c"), 1):
        _apply(store, position, record)
    queue.touch(["web:d"], ("consent",), at=102)
    queue.done(queue.waiting(9))
    assert queue.touched_since(102) == ["web:b", "web:c", "web:d"]
    assert queue.touched_since(103) == ["web:c"]
    assert queue.settle(before=103) == 1
    assert queue.touched_since(102) == ["web:b", "web:c"]
    _apply(store, 4, "web:a")
    assert store.apply({"web:a": "a"}, lambda _: {"web:a": b"y"}, after=4, through=5, along=Along(200.0))
    assert queue.touched_since(104) == ["web:a"], "what touches nobody leaves when they were touched last"
    assert queue.touched_since(105) == []


def test_what_is_set_aside_is_counted_and_a_person_leaves_no_trace(store: LiveStore, queue: LiveQueue) -> None:
    _apply(store, 1, "web:ck_1", "web:ck_2")
    aside = [Aside("event", "4096", "TypeError", 7), Aside("person", "web:ck_1", "KeyError", 8)]
    queue.done([], aside)
    queue.done([], aside[1:])
    assert set_aside(store.file) == [Aside("person", "web:ck_1", "KeyError", 8, 2), aside[0]]
    assert looked_at(store.file) is None
    queue.reached(12.5)
    assert looked_at(store.file) == 12
    assert store.forget(["ck_1"]) == 1
    assert [each.record_id for each in queue.waiting(9)] == ["web:ck_2"]
    assert [each.part for each in set_aside(store.file)] == ["event"]
    assert b"ck_1" not in store.file.read_bytes()


def test_without_live_state_nothing_was_set_aside(tmp_path: Path) -> None:
    assert set_aside(tmp_path / "none.db") == []
    assert looked_at(tmp_path / "none.db") is None
    assert not (tmp_path / "none.db").exists()
