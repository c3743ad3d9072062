"""The live store: a batch and its position are one, and what is forgotten is gone."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from shopkeeper.base.errors import MissingError
from shopkeeper.storage.live import LiveStore


def test_records_and_position_change_together_and_only_from_where_they_were(tmp_path: Path) -> None:
    store = LiveStore(tmp_path / "live.db")
    tokens = {"web:us_1": "us_1", "app:us_1": "us_1"}

    def longer(old: Mapping[str, bytes]) -> dict[str, bytes]:
        return {record: old.get(record, b"") + b"x" for record in tokens}

    assert store.apply(tokens, longer, after=0, through=4)
    assert not store.apply(tokens, longer, after=0, through=4)
    assert store.apply(tokens, longer, after=4, through=5)
    assert dict(store.records()) == {"app:us_1": b"xx", "web:us_1": b"xx"}
    assert store.person(["web:us_1", "web:nobody"]) == (5, {"web:us_1": b"xx"})

    def failing(_: Mapping[str, bytes]) -> dict[str, bytes]:
        raise RuntimeError("in between")

    with pytest.raises(RuntimeError):
        store.apply(tokens, failing, after=5, through=6)
    assert store.position() == 5
    store.close()


def test_a_reader_sees_what_is_committed_and_may_not_write(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no live state"):
        LiveStore(tmp_path / "live.db", reads_only=True)
    (tmp_path / "live.db").touch()
    with pytest.raises(MissingError, match="no live state"):
        LiveStore(tmp_path / "live.db", reads_only=True)
    store = LiveStore(tmp_path / "live.db")
    reader = LiveStore(tmp_path / "live.db", reads_only=True)
    store.apply({"web:us_1": "us_1"}, lambda _: {"web:us_1": b"x"}, after=0, through=1)
    assert reader.person(["web:us_1"]) == (1, {"web:us_1": b"x"})
    store.close()
    reader.close()


def test_what_is_forgotten_leaves_no_bytes(tmp_path: Path) -> None:
    file = tmp_path / "live.db"
    store = LiveStore(file)
    canary = b"canary-of-one-person"
    records = {"web:us_1": "us_1", "app:us_1": "us_1", "web:us_2": "us_2"}
    store.apply(records, lambda _: dict.fromkeys(records, canary * 2_000), after=0, through=1)
    store.apply(records, lambda _: dict.fromkeys(records, canary), after=1, through=2)
    assert store.forget(["us_1"]) == 2
    assert [record for record, _ in store.records()] == ["web:us_2"]
    assert store.forget(["us_2", "us_3"]) == 1
    left = b"".join(each.read_bytes() for each in tmp_path.iterdir() if each.name.startswith("live.db"))
    assert canary not in left
    store.close()
