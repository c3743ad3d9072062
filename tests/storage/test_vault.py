"""The vault gives back what was put in, to nobody without the key, and nothing of whoever was erased."""

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shopkeeper.base.errors import AlreadyThereError, MissingError, StorageError, UsageError
from shopkeeper.storage.keys import Key, Keys, make_keys, read_keys, retire_vault_keys, rotate_vault_key
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.tombstones import Tombstones
from shopkeeper.storage.vault import Put, Vault

PHONES = [f"1380013{number:04d}" for number in range(300)]
SUBJECTS = [f"till\x1f{number}" for number in range(300)]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path / "keys")


@pytest.fixture
def tokens(keys: Keys) -> list[str]:
    found: list[str] = Tokens(keys.token, "CN").tokens("phone", PHONES).to_pylist()
    return found


@pytest.fixture
def vault(tmp_path: Path, keys: Keys) -> Iterator[Vault]:
    with Vault.open(tmp_path / "vault.db", keys, tombstones=tmp_path / "tombstones") as opened:
        yield opened


def reopened(tmp_path: Path, keys: Keys) -> Vault:
    return Vault.open(tmp_path / "vault.db", keys, tombstones=tmp_path / "tombstones")


def test_what_was_put_is_revealed_and_putting_it_again_changes_nothing(vault: Vault, tokens: list[str]) -> None:
    assert vault.put_many("phone", SUBJECTS, tokens, PHONES) == Put(300, 0, 0)
    assert vault.put_many("phone", SUBJECTS, tokens, PHONES) == Put(0, 300, 0)
    assert vault.put_many("phone", SUBJECTS[:1] * 2, tokens[1:2] * 2, PHONES[1:2] * 2) == Put(1, 1, 0)
    assert vault.reveal_many([*tokens, "ph_none"]) == dict(zip(tokens, PHONES, strict=True))
    assert vault.of(SUBJECTS[0]) == sorted(("phone", tokens[n], PHONES[n]) for n in (0, 1))
    with pytest.raises(MissingError, match="ph_none"):
        vault.reveal("ph_none")
    with pytest.raises(UsageError, match="1 subjects, 2 tokens"):
        vault.put_many("phone", ["a"], ["b", "c"], ["d"])


def test_each_subject_keeps_its_own_form_of_a_shared_token(vault: Vault) -> None:
    vault.put_many("name", ["till\x1f1", "app\x1f1"], ["nm_x", "nm_x"], ["张三", "張三"])
    assert vault.reveal("nm_x", subject="app\x1f1") == "張三"
    assert vault.reveal("nm_x", subject="till\x1f1") == "张三"
    vault.shred("app\x1f1")
    assert vault.reveal("nm_x") == "张三"
    assert vault.tombstoned(subjects=["app\x1f1", "till\x1f1"], tokens=["nm_x"]) == {"app\x1f1"}


def test_nothing_planted_stands_readable_in_any_file(
    tmp_path: Path, keys: Keys, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path / "temporary"))
    canaries = ["13912345678", "canary.bird@example.com", "金丝雀之名"]
    planted = [f"{canary}-{number}" for number in range(800) for canary in canaries]
    with reopened(tmp_path, keys) as vault:
        # The subject bears one too: sources use phone numbers as customer ids.
        subjects = [f"till\x1f13912345678-{number}" for number in range(len(planted))]
        vault.put_many("text", subjects, [f"tx_{number}" for number in range(len(planted))], planted)
        vault.keep_bodies([(f"r{number}", canary.encode()) for number, canary in enumerate(planted)], now=now)
        vault.shred(subjects[0])
        vault.backup(tmp_path / "backup.db")
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert {"vault.db", "vault.db-wal", "backup.db", "tombstones"} <= {file.name for file in files}
        for file in files:
            content = file.read_bytes()
            for canary in canaries:
                for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030"):
                    assert canary.encode(encoding) not in content, file
            assert file.stat().st_mode & 0o077 == 0


def test_control_the_search_finds_a_canary_in_a_plain_database(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "plain.db")) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES ('13912345678')")
    assert b"13912345678" in (tmp_path / "plain.db").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET sealed = (SELECT sealed FROM entry WHERE token = 'tx_b') WHERE token = 'tx_a'",
        "UPDATE entry SET kind = 'name' WHERE token = 'tx_a'",
        "UPDATE entry SET subject = 3 - subject",
        "UPDATE entry SET sealed = zeroblob(40) WHERE token = 'tx_a'",
        "UPDATE subject SET wrapped = (SELECT wrapped FROM subject WHERE id = 2) WHERE id = 1",
    ],
)
def test_what_was_altered_or_moved_does_not_open(tmp_path: Path, keys: Keys, change: str) -> None:
    with reopened(tmp_path, keys) as vault:
        vault.put_many("text", ["one", "two"], ["tx_a", "tx_b"], ["A", "B"])
        with closing(sqlite3.connect(tmp_path / "vault.db")) as connection, connection:
            connection.execute(change)
        with pytest.raises(StorageError, match="does not open"):
            vault.reveal("tx_a")


def test_another_shops_key_opens_nothing(tmp_path: Path, keys: Keys, tokens: list[str]) -> None:
    with reopened(tmp_path, keys) as vault:
        vault.put_many("phone", SUBJECTS, tokens, PHONES)
    other = make_keys(tmp_path / "other")
    with (
        reopened(tmp_path, Keys(keys.token, other.vault)) as vault,
        pytest.raises(MissingError, match=keys.vault[0].id),
    ):
        vault.reveal(tokens[0])


def test_who_was_shredded_does_not_come_back_by_load_or_backup(
    tmp_path: Path, vault: Vault, keys: Keys, tokens: list[str]
) -> None:
    vault.put_many("phone", SUBJECTS, tokens, PHONES)
    manifest = vault.backup(tmp_path / "backup.db")
    with closing(sqlite3.connect(tmp_path / "vault.db")) as connection:
        (sealed,) = connection.execute("SELECT sealed FROM entry WHERE token = ?", (tokens[7],)).fetchone()
    assert vault.shred(SUBJECTS[7]) == 1
    assert vault.shred(SUBJECTS[7]) == 0
    for file in ("vault.db", "vault.db-wal"):
        assert sealed not in (tmp_path / file).read_bytes()
    assert vault.put_many("phone", SUBJECTS, tokens, PHONES) == Put(0, 299, 1)
    assert vault.put_many("phone", ["app\x1fnew"], [tokens[7]], [PHONES[7]]) == Put(0, 0, 1)
    Vault.restore(tmp_path / "backup.db", tmp_path / "restored.db", manifest)
    with Vault.open(tmp_path / "restored.db", keys, tombstones=tmp_path / "tombstones") as restored:
        assert set(restored.reveal_many(tokens)) == set(tokens) - {tokens[7]}
    with Vault.open(tmp_path / "restored.db", keys, tombstones=tmp_path / "tombstones") as again:
        assert again.apply_tombstones() == 0
    vault.lift_tombstones(subjects=["app\x1fnew"], tokens=[tokens[7]])
    assert vault.put_many("phone", ["app\x1fnew"], [tokens[7]], [PHONES[7]]) == Put(1, 0, 0)


def test_tombstones_show_nobody_and_a_torn_line_loses_no_other(tmp_path: Path, keys: Keys) -> None:
    file = tmp_path / "tombstones"
    with reopened(tmp_path, keys) as vault:
        vault.put_many("text", ["one", "two"], ["tx_a", "tx_b"], ["A", "B"])
        vault.shred("one")
    assert b"tx_a" not in file.read_bytes()
    with file.open("ab") as stream:
        stream.write(b"+0123")
    with reopened(tmp_path, keys) as vault:
        assert vault.tombstoned(subjects=["one", "two"], tokens=["tx_a", "tx_b"]) == {"one", "tx_a"}
        vault.shred("two")
    with reopened(tmp_path, keys) as vault:
        assert vault.tombstoned(subjects=["one", "two"], tokens=["tx_a", "tx_b"]) == {"one", "tx_a", "two", "tx_b"}
    with file.open("ab") as stream:
        stream.write(b"what is this\n")
    with pytest.raises(StorageError, match="tombstones"):
        reopened(tmp_path, keys)


def test_tombstones_hold_through_a_rekey_and_are_read_with_its_key_only(tmp_path: Path, keys: Keys) -> None:
    file, key = tmp_path / "tombstones", Key(b"k" * 32)
    before, after = Tokens(keys.token, "CN"), Tokens(keys.token, "CN", [key])
    old, new = before.token("user", "ann"), after.token("user", "ann")
    names, renamed = ["till|1", f"app|{old}", old], ["till|1", f"app|{new}", new]
    Tombstones(file, keys.token).add(names)
    lines = file.read_text().split()
    behind = Tombstones(file, keys.token, [key])
    assert behind.known(renamed) == set(renamed), "a file of before is read as it is"
    assert behind.rekey() == 3
    assert not set(lines) & set(file.read_text().split())
    assert behind.known(renamed) == set(renamed)
    assert behind.rekey() == 0
    behind.add(["till|2"])
    behind.lift(["till|1"])
    assert Tombstones(file, keys.token, [key]).known([*renamed, "till|2"]) == {f"app|{new}", new, "till|2"}
    for others in ([], [Key(b"z" * 32)]):
        with pytest.raises(StorageError, match="under a token key that is not there"):
            Tombstones(file, keys.token, others).known(names)
    torn = tmp_path / "torn"
    torn.write_text("=ab", encoding="ascii")  # as a crash leaves the first line
    Tombstones(torn, keys.token, [key]).add([new])
    assert Tombstones(torn, keys.token, [key]).known([new]) == {new}
    fresh = tmp_path / "fresh"
    Tombstones(fresh, keys.token, [key]).add([new])
    assert Tombstones(fresh, keys.token, [key, Key(b"z" * 32)]).rekey() == 1


def test_refused_bodies_are_kept_as_they_came_and_dropped(vault: Vault, now: datetime) -> None:
    vault.keep_body("r1", b"\xff\x00not even text", now=now)
    vault.keep_body("r1", b"later", now=now)
    assert vault.keep_bodies([("r1", b""), ("r2", b"{}"), ("r3", b"[]")], now=now + timedelta(days=1)) == 2
    assert dict(vault.bodies()) == {"r1": b"\xff\x00not even text", "r2": b"{}", "r3": b"[]"}
    assert vault.bodies_of(["r3", "r9", "r1"]) == {"r1": b"\xff\x00not even text", "r3": b"[]"}
    assert vault.drop_bodies(["r2", "r9"], before=now + timedelta(hours=1)) == 2
    assert [refused_id for refused_id, _ in vault.bodies()] == ["r3"]
    assert vault.bodies_of(["r1"]) == {}


def test_keys_rotate_while_others_put_and_the_old_one_can_then_go(
    tmp_path: Path, vault: Vault, keys: Keys, tokens: list[str], now: datetime
) -> None:
    vault.put_many("phone", SUBJECTS[:200], tokens[:200], PHONES[:200])
    vault.keep_body("r1", b"{}", now=now)
    new = rotate_vault_key(tmp_path / "keys")

    def put() -> None:
        for number in range(200, 300):
            vault.put_many("phone", [SUBJECTS[number]], [tokens[number]], [PHONES[number]])

    writer = threading.Thread(target=put)
    writer.start()
    vault.use_keys(read_keys(tmp_path / "keys", {}))
    rewrapped = 0
    while (some := vault.rewrap(limit=50)) or writer.is_alive():
        rewrapped += some
    writer.join()
    while vault.rewrap():
        pass
    assert rewrapped >= 201
    assert vault.key_ids() == {new.id: 301}
    assert retire_vault_keys(tmp_path / "keys", vault.key_ids()) == [keys.vault[0].id]
    with reopened(tmp_path, read_keys(tmp_path / "keys", {})) as after:
        assert after.reveal_many(tokens) == dict(zip(tokens, PHONES, strict=True))
        assert after.bodies_of(["r1"]) == {"r1": b"{}"}


def test_a_backup_while_writing_restores_to_one_instant(
    tmp_path: Path, vault: Vault, keys: Keys, tokens: list[str]
) -> None:
    def put() -> None:
        for number in range(0, 300, 2):
            vault.put_many(
                "phone", SUBJECTS[number : number + 2], tokens[number : number + 2], PHONES[number : number + 2]
            )

    writer = threading.Thread(target=put)
    writer.start()
    while not vault.key_ids():
        pass
    manifest = vault.backup(tmp_path / "backup.db")
    writer.join()
    with pytest.raises(AlreadyThereError):
        Vault.restore(tmp_path / "backup.db", tmp_path / "vault.db", manifest)
    Vault.restore(tmp_path / "backup.db", tmp_path / "restored.db", manifest)
    with Vault.open(tmp_path / "restored.db", keys, tombstones=tmp_path / "tombstones") as restored:
        found = restored.reveal_many(tokens)
        assert len(found) == manifest["entry"].rows == manifest["subject"].rows
        assert len(found) % 2 == 0
        assert found == dict(zip(tokens[: len(found)], PHONES, strict=False))
    with closing(sqlite3.connect(tmp_path / "backup.db")) as connection, connection:
        connection.execute("DELETE FROM entry WHERE token = ?", (tokens[0],))
    with pytest.raises(StorageError, match="differs from the manifest in entry"):
        Vault.restore(tmp_path / "backup.db", tmp_path / "third.db", manifest)


def test_threads_that_ask_at_once_miss_no_tombstone_of_another_process(tmp_path: Path, keys: Keys) -> None:
    file, rounds = tmp_path / "tombstones", 150
    adding, asked = Tombstones(file, keys.token), Tombstones(file, keys.token)
    barrier, missed = threading.Barrier(5), list[int]()

    def ask() -> None:
        for number in range(rounds):
            barrier.wait()
            if asked.known([f"tx_{number}"]) != {f"tx_{number}"}:
                missed.append(number)
            barrier.wait()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for number in range(rounds):
            adding.add([f"tx_{number}"])
            barrier.wait(10)
            barrier.wait(10)
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not missed


def test_who_is_erased_while_their_value_waits_to_be_put_stays_out(tmp_path: Path, keys: Keys) -> None:
    with (
        reopened(tmp_path, keys) as putting,
        reopened(tmp_path, keys) as erasing,
        closing(sqlite3.connect(tmp_path / "vault.db", isolation_level=None)) as busy,
    ):
        busy.execute("BEGIN IMMEDIATE")  # somebody writes just now, so the value waits
        found: list[Put] = []
        thread = threading.Thread(target=lambda: found.append(putting.put_many("text", ["a"], ["tx_a"], ["clear"])))
        thread.start()
        thread.join(0.2)
        erasing.bar(subjects=["a"])
        busy.execute("ROLLBACK")
        thread.join()
        assert found == [Put(0, 0, 1)]
        assert erasing.of("a") == []
