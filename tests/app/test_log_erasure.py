"""A person leaves the log of events: theirs goes, what is others' stays, nothing waits sealed to come back."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.forget import forget
from shopkeeper.app.ingest import Loader
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for
from shopkeeper.app.receipt import receipt_text
from shopkeeper.app.safe_keep import SafeKeeper
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import ConflictError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.sealed import open_sealed, seal
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Batch, Log, Stored
from shopkeeper.storage.log_place import socket_of
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_sqlite import SqliteLog
from tests.storage.log_parts import ServedLog

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
PHONE, OTHER_PHONE, MAIL = "13812345678", "13987654321", "canary.one@example.com"
CANARIES = [PHONE.encode(), MAIL.encode(), b"+86" + PHONE.encode()]

FIRST = [
    {"type": "track", "event": "Product Viewed", "anonymousId": "c1", "messageId": "1"},
    {"type": "identify", "userId": "m1", "anonymousId": "c1", "messageId": "2", "traits": {"phone": PHONE}},
    {"type": "track", "event": "Product Viewed", "userId": "m2", "messageId": "3"},
]
LATER = [
    {"type": "identify", "userId": "m1", "messageId": "4", "traits": {"email": MAIL}},
    {"type": "identify", "userId": "m2", "messageId": "5", "traits": {"phone": OTHER_PHONE}},
    {"type": "track", "event": "Friend Invited", "userId": "m2", "messageId": "6", "properties": {"note": PHONE}},
    {"type": "track", "userId": "m1", "messageId": "7", "properties": {"said": f"call {PHONE}"}},
    {"type": "track", "userId": "m2", "messageId": "8", "properties": {"said": f"call {OTHER_PHONE}"}},
]


def put(shop: Shop, log: Log, messages: Sequence[dict[str, Any]]) -> bytes:
    taken = accept(messages, Door("app", shop.tokens, NOW))
    sealed = seal(taken.personal, taken.bodies, shop.sealing)
    return log.append([Batch("app", NOW.timestamp(), taken.entries, taken.refusals, sealed)])[0].statuses


def step_live(shop: Shop, log: Log) -> None:
    with closing(LiveStore(shop.folder / LIVE_FILE)) as live:
        barred = lambda tokens: shop.vault.tombstoned(tokens=tokens)  # noqa: E731 - as the worker gives it
        LiveReader(log, shop.state.identifiers, live, lines_for(shop), barred=barred).step()


def held(shop: Shop) -> bytes:
    return b"".join(path.read_bytes() for path in shop.folder.glob(f"{LOG_FILE}*"))


def sealed_in(shop: Shop, batches: Sequence[Stored]) -> str:
    return repr([open_sealed(batch.sealed, shop.sealing) for batch in batches])


def tokens_of(shop: Shop) -> list[str]:
    values = (("user", "m1"), ("cookie", "c1"), ("phone", PHONE), ("email", MAIL))
    return [shop.tokens.token(kind, raw) for kind, raw in values]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with init(tmp_path / "shop", {"engine.memory_limit": "500MB", "chain.country": "CN"}) as made:
        yield made


@pytest.fixture
def log(shop: Shop) -> Iterator[ServedLog]:
    """The log as `serve` writes it: another forgets while the one process has it."""
    with closing(ServedLog(shop.folder / LOG_FILE, socket_of(shop.folder / LOG_FILE))) as made:
        put(shop, made, FIRST)
        SafeKeeper(shop, made).step()
        step_live(shop, made)
        put(shop, made, LATER)  # the vault has not taken this yet
        step_live(shop, made)
        yield made


def test_an_erasure_reaches_the_log_and_the_receipt_says_so(shop: Shop, log: ServedLog) -> None:
    tokens = tokens_of(shop)
    person = shop.state.identifiers.person(f"app:{tokens[0]}")
    before = log.read(0)
    assert all(token.encode() in held(shop) for token in tokens), "the control: all of it was there"
    assert all(canary.decode() in sealed_in(shop, before) for canary in CANARIES[:2])

    receipt = forget(shop, person, by="test", wait=timedelta(0))

    assert receipt.not_reached == ()
    assert receipt.removed[LOG_FILE] == {"events": 3, "changed": 1, "refused": 1, "sealed": 2}
    assert "事件日志: events 3, changed 1, refused 1, sealed 2" in receipt_text(receipt, "zh")
    left = held(shop)
    assert [each for each in (*(token.encode() for token in tokens), *CANARIES) if each in left] == []

    first, later = log.read(0)
    assert [entry.message_id for entry in first.entries] == ["3"]
    assert first.sealed == b"", "the vault has it, so the log needs it no more"
    assert [entry.message_id for entry in later.entries] == ["5", "6"]
    assert b'"note":"erased"' in later.entries[1].body
    assert [each.refused_id for each in later.refusals] == [before[1].refusals[1].refused_id]
    waiting = sealed_in(shop, [later])
    assert OTHER_PHONE in waiting
    assert PHONE not in waiting
    assert MAIL not in waiting

    # What waited for the vault reaches it, and what is sent again changes nothing.
    SafeKeeper(shop, log).step()
    other = shop.tokens.token("user", "m2")
    assert f"+86{OTHER_PHONE}" in {raw for _, _, raw in shop.vault.of(f"app|{other}")}
    assert shop.vault.of(f"app|{tokens[0]}") == []
    assert len([*shop.vault.bodies()]) == 1
    assert set(put(shop, log, [*FIRST, *LATER])) == {1}
    step_live(shop, log)
    Loader(shop, log).load()
    assert set(shop.query("SELECT user_id FROM event").fetchall()) == {(other,)}


def test_without_a_process_that_writes_the_log_the_erasure_does_it_itself(shop: Shop) -> None:
    with SqliteLog(shop.folder / LOG_FILE) as log:
        put(shop, log, [*FIRST, *LATER])
        SafeKeeper(shop, log).step()
        step_live(shop, log)
        tokens = tokens_of(shop)
        person = shop.state.identifiers.person(f"app:{tokens[0]}")
        with pytest.raises(ConflictError, match="has a writer already"):
            forget(shop, person, by="test", wait=timedelta(0))
    # Nothing was said to be done, and the same again does it.
    receipt = forget(shop, person, by="test", wait=timedelta(0))
    assert receipt.removed[LOG_FILE]["events"] == 3
    assert receipt.removed["vault"] == {"values": 3}  # the number, the phone and the e-mail
    assert not [token for token in tokens if token.encode() in held(shop)]
    with LogReader(shop.folder / LOG_FILE) as read:
        assert [entry.message_id for batch in read.read(0) for entry in batch.entries] == ["3", "5", "6"]
        assert sealed_in(shop, read.read(0)).count(PHONE) == 0


def test_refused_events_go_by_ids_of_which_only_the_token_is_known(shop: Shop) -> None:
    mine, hidden, others = (
        {"type": "track", "messageId": f"n{name}", own: name}
        for own, name in (("userId", "m1"), ("anonymousId", "c1"), ("userId", "m2"))
    )
    with SqliteLog(shop.folder / LOG_FILE) as log:
        put(shop, log, [*FIRST, mine, others])
        SafeKeeper(shop, log).step()
        put(shop, log, [hidden])  # the vault has not taken this yet
        step_live(shop, log)
        person = shop.state.identifiers.person(f"app:{shop.tokens.token('user', 'm1')}")
        assert len([*shop.vault.bodies()]) == 2
    receipt = forget(shop, person, by="test", wait=timedelta(0))
    assert receipt.removed["refused"] == {"bodies": 1}
    assert receipt.removed[LOG_FILE]["refused"] == 2
    with SqliteLog(shop.folder / LOG_FILE) as log:
        SafeKeeper(shop, log).step()
        assert [b"m2" in body for _, body in shop.vault.bodies()] == [True]
        # Who was erased and sends again is told apart by the tombstones: nothing of it is kept.
        put(shop, log, [{**mine, "event": ""}, {**hidden, "event": ""}, {"type": "track", "userId": PHONE}])
        put(shop, log, [{"type": "track", "userId": "m3"}])
        SafeKeeper(shop, log).step()
        assert [[name in body for name in (b"m2", b"m3")] for _, body in shop.vault.bodies()].count([False, False]) == 0
        assert len([*shop.vault.bodies()]) == 2
    states = shop.query("SELECT state, count(*) FROM refused GROUP BY state ORDER BY state").fetchall()
    assert states == [("erased", 4), ("open", 2)]


def test_what_others_say_later_of_who_was_erased_reaches_no_table(shop: Shop) -> None:
    with SqliteLog(shop.folder / LOG_FILE) as log:
        put(shop, log, FIRST)
        step_live(shop, log)
        person = shop.state.identifiers.person(f"app:{shop.tokens.token('user', 'm1')}")
    forget(shop, person, by="test", wait=timedelta(0))
    review = {"product_id": "p", "review_id": "r", "review_body": f"ring {PHONE}", "rating": 5}
    later = [
        {"type": "identify", "userId": "m2", "messageId": "20", "traits": {"phone": PHONE}},
        {
            "type": "track",
            "event": "Products Searched",
            "userId": "m2",
            "messageId": "21",
            "properties": {"query": PHONE},
        },
        {"type": "track", "event": "Product Reviewed", "userId": "m2", "messageId": "22", "properties": review},
    ]
    with SqliteLog(shop.folder / LOG_FILE) as log:
        put(shop, log, later)
        assert Loader(shop, log).load().events == 4
    rows = [shop.query(f"SELECT * FROM {table}").fetchall() for table in ("event", "interaction", "identifier")]
    assert "ring erased" in repr(rows)
    assert shop.tokens.token("phone", PHONE) not in repr(rows)


def test_who_is_erased_while_their_events_are_loaded_is_not_in_the_lake(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteLog(shop.folder / LOG_FILE) as log:
        put(shop, log, FIRST)
        step_live(shop, log)
    person = shop.state.identifiers.person(f"app:{shop.tokens.token('user', 'm1')}")

    def meanwhile(loader: Loader, rows: pa.Table) -> list[str]:
        forget(shop, person, by="test", wait=timedelta(0))
        return written(loader, rows)

    written = Loader._write
    monkeypatch.setattr(Loader, "_write", meanwhile)
    with LogReader(shop.folder / LOG_FILE) as read:
        assert Loader(shop, read).load().events == 3
    assert shop.query("SELECT message_id FROM event").fetchall() == [("3",)]
