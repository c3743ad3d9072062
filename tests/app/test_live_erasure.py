"""A person known from events alone is erased from live state, from the map and from segments that run live."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.forget import forget
from shopkeeper.app.ingest import Loader
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for
from shopkeeper.app.safe_keep import SafeKeeper
from shopkeeper.app.shop import init
from shopkeeper.base.errors import MissingError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.sealed import seal
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_place import socket_of
from tests.storage.log_parts import ServedLog

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


def _bytes(folder: Path, *names: str) -> bytes:
    return b"".join(path.read_bytes() for name in names for path in folder.glob(f"{name}*"))


def test_a_person_known_from_events_alone_is_erased_from_live_state(tmp_path: Path) -> None:
    messages = [
        {"type": "track", "event": "Product Viewed", "anonymousId": "c1", "messageId": "1"},
        {"type": "identify", "userId": "m1", "anonymousId": "c1", "messageId": "2", "traits": {"phone": "13812345678"}},
        {"type": "track", "event": "Product Viewed", "userId": "m2", "messageId": "3"},
    ]
    with (
        init(tmp_path / "shop", {"engine.memory_limit": "500MB"}) as shop,
        closing(ServedLog(shop.folder / LOG_FILE, socket_of(shop.folder / LOG_FILE))) as log,
    ):
        taken = accept(messages, Door("app", shop.tokens, NOW))
        sealed = seal(taken.personal, taken.bodies, shop.sealing)
        log.append([Batch("app", NOW.timestamp(), taken.entries, (), sealed)])
        SafeKeeper(shop, log).step()
        with closing(LiveStore(shop.folder / LIVE_FILE)) as live:
            LiveReader(log, shop.state.identifiers, live, lines_for(shop)).step()
        phone, cookie, user = (
            shop.tokens.token(kind, raw) for kind, raw in (("phone", "13812345678"), ("cookie", "c1"), ("user", "m1"))
        )
        other = shop.tokens.token("user", "m2")
        person = shop.state.identifiers.person(f"app:{cookie}")
        assert person == shop.state.identifiers.person(f"app:{user}")
        held = _bytes(shop.folder, "live.db", "state.db")
        assert all(token.encode() in held for token in (cookie, user, phone, other))

        receipt = forget(shop, person, by="test", wait=timedelta(0))

        assert receipt.removed["live.db"] == {"records": 2}
        assert receipt.removed["state"]["identifiers"] == 3
        assert receipt.not_reached == ()
        held = _bytes(shop.folder, "live.db", "state.db")
        assert not [token for token in (cookie, user, phone) if token.encode() in held]
        assert other.encode() in held
        with pytest.raises(MissingError):
            forget(shop, person, by="test", wait=timedelta(0))

        # Neither what the log still holds nor what comes later brings the person back; the others go on.
        again = [{**message, "messageId": f"again {message['messageId']}"} for message in messages]
        log.append([Batch("app", NOW.timestamp(), accept(again, Door("app", shop.tokens, NOW)).entries)])
        with closing(LiveStore(shop.folder / LIVE_FILE)) as live:
            LiveReader(
                log,
                shop.state.identifiers,
                live,
                lines_for(shop),
                barred=lambda tokens: shop.vault.tombstoned(tokens=tokens),
            ).step()
            assert {record for record, _ in live.records()} == {f"app:{other}"}
        Loader(shop, log).load()
        assert set(shop.query("SELECT user_id FROM event").fetchall()) == {(other,)}
        assert shop.query("SELECT count(*) FROM identifier").fetchall() == [(0,)]
