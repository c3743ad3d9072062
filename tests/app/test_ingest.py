"""The loader: each event of the log is in the lake once, whatever dies, overtakes or comes again."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.app import ingest
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.ingest import Loader, Pace
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import ConflictError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.schema.query import Query
from shopkeeper.storage.consumed import consumed
from shopkeeper.storage.erase import Erasing, erase_rows
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_sqlite import SqliteLog

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
NO_REST = Pace(seconds=0)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    init(tmp_path / "shop", {"chain.time_zone": "Asia/Shanghai", "engine.memory_limit": "500MB"}).close()
    with Shop.open(tmp_path / "shop", clock=lambda: NOW) as made:
        yield made


@pytest.fixture
def log(shop: Shop) -> Iterator[SqliteLog]:
    with SqliteLog(shop.folder / LOG_FILE) as made:
        yield made


def _send(shop: Shop, log: SqliteLog, *messages: dict[str, Any], source: str = "app", at: datetime = NOW) -> None:
    taken = accept(messages, Door(source, shop.tokens, at))
    assert not taken.refusals, taken.refusals
    log.append([Batch(source, at.timestamp(), taken.entries)])


def _track(number: int, name: str = "Product Viewed", **properties: Any) -> dict[str, Any]:
    return {
        "type": "track", "event": name, "userId": "m1", "messageId": f"id{number}", "properties": properties,
        "timestamp": NOW.isoformat(),
    }  # fmt: skip


def _order(number: int, order_id: str = "o1", price: float = 5) -> dict[str, Any]:
    products = [{"product_id": "p1", "price": price, "quantity": 2}, {"product_id": "p2", "price": 3, "quantity": 1}]
    return _track(number, "Order Completed", order_id=order_id, products=products, store_id="s7")


def _rows(shop: Shop, text: str) -> list[dict[str, Any]]:
    return list(shop.arrow(Query.from_sql(text, name="asked")).to_pylist())


def _ids(shop: Shop) -> list[str]:
    return [row["message_id"] for row in _rows(shop, "SELECT message_id FROM event ORDER BY message_id")]


def test_what_the_log_holds_comes_into_the_lake_once(shop: Shop, log: SqliteLog) -> None:
    _send(shop, log, _track(1), _track(2))
    _send(shop, log, _track(2), _track(3))
    loader = Loader(shop, log, NO_REST)
    assert loader.load().events == 3
    assert loader.load().events == 0
    _send(shop, log, _track(4))
    assert Loader(shop, log, NO_REST).load().events == 1
    assert _ids(shop) == ["id1", "id2", "id3", "id4"]
    assert consumed(shop.lake, "event") == log.end()


def test_an_order_becomes_lines_of_the_record_and_a_return_takes_them_back(shop: Shop, log: SqliteLog) -> None:
    _send(shop, log, _order(1))
    _send(shop, log, _track(2, "Order Refunded", order_id="o1", refund_id="r1"))
    Loader(shop, log).load()
    rows = _rows(shop, "SELECT * FROM order_line ORDER BY order_id, line_no")
    assert [(row["order_id"], row["product_id"], row["quantity"], row["net_amount"]) for row in rows] == [
        ("o1", "p1", 2, Decimal(10)),
        ("o1", "p2", 1, Decimal(3)),
        ("r1", "p1", -2, Decimal(-10)),
        ("r1", "p2", -1, Decimal(-3)),
    ]
    assert {row["customer_id"] for row in rows} == {shop.tokens.token("user", "m1")}
    assert {row["return_of"] for row in rows} == {None, "o1"}


def test_an_order_sent_again_under_another_id_adds_no_line_and_one_that_differs_is_refused_and_kept(
    shop: Shop, log: SqliteLog
) -> None:
    _send(shop, log, _order(1))
    Loader(shop, log).load()
    _send(shop, log, _order(2), _order(3, price=6))
    Loader(shop, log).load()
    lines = _rows(shop, "SELECT count(*) AS lines, sum(net_amount) AS net FROM order_line")
    assert lines == [{"lines": 2, "net": Decimal(13)}]
    refused = _rows(shop, "SELECT refused_id, table_name, reason FROM refused")
    assert [(row["table_name"], row["reason"]) for row in refused] == [("order_line", "conflict")]
    assert refused[0]["refused_id"] in shop.vault.bodies_of([refused[0]["refused_id"]])


def test_a_loader_that_dies_between_the_sales_and_the_events_doubles_neither(
    shop: Shop, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _send(shop, log, _order(1), _track(2, "Product Reviewed", review_id="v1", product_id="p1", rating=4))

    def dies(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ingest, "append_through", dies)
        with pytest.raises(KeyboardInterrupt):
            Loader(shop, log).load()
    assert (_ids(shop), len(_rows(shop, "SELECT order_id FROM order_line"))) == ([], 2)
    Loader(shop, log).load()
    assert _ids(shop) == ["id1", "id2"]
    assert len(_rows(shop, "SELECT order_id FROM order_line")) == 2
    assert len(_rows(shop, "SELECT interaction_id FROM interaction")) == 1


def test_two_loaders_at_the_same_instant_double_nothing(
    shop: Shop, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _send(shop, log, *(_track(number) for number in range(50)))
    commit = ingest.append_through

    def overtaken(*arguments: Any, **named: Any) -> None:
        monkeypatch.setattr(ingest, "append_through", commit)
        assert Loader(shop, log).load().events == 50
        commit(*arguments, **named)

    monkeypatch.setattr(ingest, "append_through", overtaken)
    with pytest.raises(ConflictError):
        Loader(shop, log).load()
    assert len(_ids(shop)) == 50


def test_an_id_older_than_the_log_remembers_has_no_second_effect(tmp_path: Path, shop: Shop, log: SqliteLog) -> None:
    old = NOW - timedelta(days=120)
    _send(shop, log, _track(1) | {"timestamp": old.isoformat()}, at=old)
    Loader(shop, log).load()
    # A log that has forgotten the id, as one does after 90 days; it goes on from the same position.
    with SqliteLog(tmp_path / "later.db") as later:
        for number in range(log.end()):
            _send(shop, later, _track(100 + number), source="filler")
        _send(shop, later, _track(1) | {"timestamp": old.isoformat()}, _track(2))
        done = Loader(shop, later).load()
    assert (done.events, done.known) == (1, 1)
    assert _ids(shop) == ["id1", "id2"]


@pytest.mark.parametrize("hashes", ["as they are", "all equal"])
def test_ids_that_the_log_forgot_are_known_whatever_happens_to_what_was_noted_of_them(
    tmp_path: Path, shop: Shop, log: SqliteLog, monkeypatch: pytest.MonkeyPatch, hashes: str
) -> None:
    """What is noted only says where to look: too much of it, too little or none gives no wrong answer."""
    if hashes == "all equal":
        monkeypatch.setattr("shopkeeper.storage.known_ids._hashes", lambda ids: (7 for _ in ids))
    old = NOW - timedelta(days=120)
    known = [_track(number) | {"timestamp": old.isoformat()} for number in range(4)]
    _send(shop, log, *known, at=old)
    Loader(shop, log).load()
    with SqliteLog(tmp_path / "later.db", behind=log.end()) as later:
        loader = Loader(shop, later)
        notes = shop.lake.location / "known_ids" / "event"
        _send(shop, later, known[0], _track(10))
        assert loader.load().known == 1
        (note,) = notes.iterdir()
        assert note.stat().st_size == 4 * 8
        note.write_bytes(b"short")
        _send(shop, later, known[1], _track(11))
        assert Loader(shop, later).load().known == 1
        note.unlink()
        _send(shop, later, known[2], _track(12))
        assert Loader(shop, later).load().known == 1
        # Another file in the place of the old one, as after a compaction or an erasure.
        where = "message_id = 'id3'"
        assert erase_rows(shop.lake, shop.duckdb, Erasing("event", where, {}), {}) == 1
        _send(shop, later, *known, _track(13))
        assert loader.load().known == 0, "the log knows three of them by now, and the fourth is gone"
        assert not note.exists()
        rows = {Path(file.file_path).stem: file.record_count for file in shop.lake.data_files("event")}
        noted = {each.stem: each.stat().st_size for each in notes.iterdir()}
        assert noted == {name: rows[name] * 8 for name in noted}
        assert sorted(noted.values()) == [8, 8, 8, 24]
    assert _ids(shop) == ["id0", "id1", "id10", "id11", "id12", "id13", "id2", "id3"]


def test_more_known_ids_than_are_loaded_at_once_do_not_stop_the_loader(
    tmp_path: Path, shop: Shop, log: SqliteLog
) -> None:
    old = NOW - timedelta(days=120)
    known = [_track(number) | {"timestamp": old.isoformat()} for number in range(5)]
    _send(shop, log, *known, at=old)
    Loader(shop, log).load()
    with SqliteLog(tmp_path / "later.db") as later:
        _send(shop, later, _track(100), source="filler")
        for each in known:
            _send(shop, later, each)
        _send(shop, later, _track(9))
        loader = Loader(shop, later, Pace(events=2, seconds=0))
        for _ in range(6):
            loader.step()
    assert _ids(shop) == ["id0", "id1", "id2", "id3", "id4", "id9"]


def test_it_waits_until_it_is_time_or_enough_has_come(shop: Shop, log: SqliteLog) -> None:
    loader = Loader(shop, log, Pace(events=3, seconds=3_600))
    _send(shop, log, _track(1))
    assert loader.step() is False
    assert _ids(shop) == ["id1"]
    _send(shop, log, _track(2))
    assert loader.step() is False
    assert _ids(shop) == ["id1"]
    _send(shop, log, _track(3), _track(4))
    loader.step()
    assert _ids(shop) == ["id1", "id2", "id3", "id4"]


def test_only_the_holder_of_the_lease_loads_until_it_ends(shop: Shop, log: SqliteLog) -> None:
    first, second = Loader(shop, log, NO_REST), Loader(shop, log, NO_REST)
    _send(shop, log, _track(1))
    first.step()
    _send(shop, log, _track(2))
    second.step()
    assert _ids(shop) == ["id1"]
    first.close()
    second.step()
    assert _ids(shop) == ["id1", "id2"]


def test_identifiers_of_events_are_known_by_their_tokens(shop: Shop, log: SqliteLog) -> None:
    identify = {"type": "identify", "userId": "m1", "messageId": "i1", "traits": {"phone": "138 1234 5678"}}
    _send(shop, log, identify)
    Loader(shop, log).load()
    rows: Sequence[dict[str, Any]] = _rows(shop, "SELECT kind, token, source, customer_id FROM identifier")
    assert rows == [
        {
            "kind": "phone",
            "token": shop.tokens.token("phone", "13812345678"),
            "source": "app",
            "customer_id": shop.tokens.token("user", "m1"),
        }
    ]
