from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shopkeeper.base.errors import MissingError, StorageError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.plan import Plan
from shopkeeper.collect.refused import settle_refused
from shopkeeper.collect.replay import refused_messages
from shopkeeper.collect.sealed import Contents, Kept, keep_sealed, open_sealed, seal
from shopkeeper.storage.keys import Keys, make_keys, read_keys, rotate_vault_key
from shopkeeper.storage.log import Stored
from shopkeeper.storage.sealing import Sealing
from tests.canary import EMAILS, NAMES, PHONES, found_in
from tests.collect.conftest import NOW, Desk

MESSAGES: list[Any] = [
    {"type": "identify", "userId": "u1", "messageId": "1", "traits": {"phone": PHONES[0], "name": NAMES[0]}},
    {"type": "track", "event": [EMAILS[0], PHONES[1]]},
    {"type": "track", "event": "A", "userId": "u1", "messageId": "2", "properties": {"note": EMAILS[1]}},
]


@pytest.fixture
def keys(desk: Desk) -> Keys:
    return read_keys(desk.folder / "keys", {})


def stored(desk: Desk, keys: Keys, position: int, messages: list[Any] = MESSAGES, **when: float) -> Stored:
    at = NOW + timedelta(**when)
    taken = accept(messages, Door("site", desk.loader.tokens, at))
    sealed = seal(taken.personal, taken.bodies, Sealing(keys.vault))
    offsets = tuple(range(len(taken.entries)))
    return Stored(position, "site", at.timestamp(), offsets, taken.entries, taken.refusals, sealed)


def keep(desk: Desk, keys: Keys, *batches: Stored) -> Kept:
    loader = desk.loader
    return keep_sealed(loader.vault, loader.lake, loader.engine, Sealing(keys.vault), batches)


def test_what_was_sealed_reaches_the_vault_and_the_list_once(desk: Desk, keys: Keys) -> None:
    batch = stored(desk, keys, 1)
    assert keep(desk, keys, batch) == Kept(values=4, erased=0, bodies=1, refused=1)
    assert keep(desk, keys, batch, stored(desk, keys, 2, seconds=5)) == Kept(values=0, erased=0, bodies=0, refused=0)
    subject = f"site|{desk.loader.tokens.token('user', 'u1')}"
    assert {(kind, raw) for kind, _, raw in desk.loader.vault.of(subject)} == {
        ("user", "u1"),
        ("phone", f"+86{PHONES[0]}"),
        ("name", NAMES[0]),
        ("email", EMAILS[1]),
    }
    assert desk.rows("refused", "table_name, source, row_no, column_name, reason, masked_value, state") == [
        ("event", "site", 1, "event", "no_name", "[…]", "open")
    ]
    ((refused_id, body),) = desk.loader.vault.bodies()
    assert msgspec.json.decode(body) == MESSAGES[1]
    assert desk.rows("refused", "refused_id, body_key") == [(refused_id, refused_id)]


def test_nothing_personal_is_in_the_files_nor_in_what_lies_in_the_log(desk: Desk, keys: Keys) -> None:
    batch = stored(desk, keys, 1)
    (desk.folder / "log.db").write_bytes(msgspec.msgpack.encode(batch))
    keep(desk, keys, batch)
    assert found_in(desk.folder) == []


def test_who_was_erased_does_not_come_back(desk: Desk, keys: Keys) -> None:
    batch = stored(desk, keys, 1)
    keep(desk, keys, batch)
    desk.loader.vault.shred(f"site|{desk.loader.tokens.token('user', 'u1')}")
    assert keep(desk, keys, batch) == Kept(values=0, erased=4, bodies=0, refused=0)


def test_nothing_to_keep_is_nothing() -> None:
    assert seal((), (), None) == b""  # type: ignore[arg-type]
    assert open_sealed(b"", None) == Contents()  # type: ignore[arg-type]


def test_a_blob_opens_with_older_keys_and_not_when_altered(tmp_path: Path) -> None:
    keys = make_keys(tmp_path / "keys")
    blob = seal((), [("rf_1", b"{}")], Sealing(keys.vault))
    rotate_vault_key(tmp_path / "keys")
    after = Sealing(read_keys(tmp_path / "keys", {}).vault)
    assert open_sealed(blob, after).bodies == (("rf_1", b"{}"),)
    for place in range(len(blob)):
        altered = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        with pytest.raises((StorageError, MissingError)):
            open_sealed(altered, after)


def test_refused_messages_come_in_after_a_fix_and_once(desk: Desk, keys: Keys) -> None:
    strict = Plan.from_toml('[events.A.properties]\nsize = "number"')
    message = {"type": "track", "event": "A", "userId": "u", "messageId": "9", "properties": {"size": PHONES[0]},
               "timestamp": "2024-06-01T03:00:00Z", "sentAt": "2024-06-01T03:59:00Z"}  # fmt: skip
    loader = desk.loader
    taken = accept([message, None], Door("site", loader.tokens, NOW, plan=strict))
    sealed = seal(taken.personal, taken.bodies, Sealing(keys.vault))
    keep(desk, keys, Stored(1, "site", NOW.timestamp(), (), taken.entries, taken.refusals, sealed))
    never_broken = accept([message], Door("site", loader.tokens, NOW)).entries
    waiting = {each.refused_id: each for each in refused_messages(loader.engine, loader.vault)}
    assert [waiting[each.refused_id].message for each in taken.refusals] == [message, None]
    assert PHONES[0] not in repr(waiting)
    first = waiting[taken.refusals[0].refused_id]
    assert accept([first.message], Door(first.source, loader.tokens, first.refused_at)).entries == never_broken
    settle_refused(loader.lake, loader.engine, loader.vault, [first.refused_id], NOW)
    assert [each.message for each in refused_messages(loader.engine, loader.vault, source="site")] == [None]
    assert refused_messages(loader.engine, loader.vault, source="other") == []
