"""Another token key: no old token is anywhere, and everything is found, known twice and kept out as before."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shopkeeper.app.consent import change_consent, gate_of, ledger_of, recipient_of
from shopkeeper.app.copy import backup, restore
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.forget import forget
from shopkeeper.app.hook import hook_secret
from shopkeeper.app.ingest import Loader
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for
from shopkeeper.app.person import Persons
from shopkeeper.app.person_lookup import lookup
from shopkeeper.app.rekey import Rekeyed, name_now, rekey, wants
from shopkeeper.app.rekey_words import asked_text, receipt_text
from shopkeeper.app.rekeyed_live import rekey_live
from shopkeeper.app.run import run
from shopkeeper.app.safe_keep import SafeKeeper
from shopkeeper.app.serving import SERVING_FILE, refresh_serving
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.app.traces import mark_of
from shopkeeper.base.errors import ConflictError, MissingError, ShopkeeperError, StorageError, UsageError
from shopkeeper.cli.main import main
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.sealed import seal
from shopkeeper.privacy.gate import Permitted
from shopkeeper.storage.keys import TOKEN_VARIABLE, read_keys
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Batch, Status
from shopkeeper.storage.log_sqlite import SqliteLog
from shopkeeper.storage.renaming import Renaming
from shopkeeper.storage.serving import ServingSet
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.token_chain import Chain
from tests.app import test_forget as everywhere
from tests.shop import fill

PHONE, MEMBER, GONE = everywhere.PHONE, everywhere.PERSON, "till:other-member"
ANN_PHONE, GUEST = "13700001111", "guest-cookie"
SLUG = "em_newsletter_of_november_x"  # looks like a token, and is the name of a campaign
AT = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
AS_OF = date(2026, 2, 8)
LINES = {"order_id": "t9", "store_id": "S1", "channel": "store", "products": [{"product_id": "p1", "price": 4.5}]}
MESSAGES: list[dict[str, Any]] = [
    {"type": "track", "event": "Product Viewed", "anonymousId": GUEST, "messageId": "v1",
     "properties": {"product_id": "p1", "utm_campaign": SLUG}},
    {"type": "identify", "userId": "ann", "anonymousId": GUEST, "traits": {"phone": ANN_PHONE}, "messageId": "i1"},
    {"type": "track", "event": "Order Completed", "userId": "ann", "messageId": "o1", "properties": LINES},
    {"type": "track", "event": "Products Searched", "userId": "ann", "messageId": f"call {ANN_PHONE}",
     "properties": {"query": "oat milk", "note": f"x{ANN_PHONE}y"}},
    {"type": "track", "event": "Wheel Spun", "userId": "ann", "properties": {"n": 1}},
    {"type": "track", "event": "Wheel Spun", "userId": "ann", "messageId": "m_" + "a" * 24},
    {"type": "track", "event": "Wheel Spun", "messageId": "nobody"},
]  # fmt: skip


def send(shop: Shop, log: SqliteLog, messages: list[dict[str, Any]]) -> tuple[int, ...]:
    taken = accept(messages, Door("app", shop.tokens, AT))
    sealed = seal(taken.personal, taken.bodies, shop.sealing)
    (outcome,) = log.append([Batch("app", AT.timestamp(), taken.entries, taken.refusals, sealed)])
    return tuple(outcome.statuses)


def read_all(shop: Shop, log: SqliteLog) -> None:
    SafeKeeper(shop, log).step()
    with closing(LiveStore(shop.folder / LIVE_FILE)) as store:
        reader = LiveReader(
            log, shop.state.identifiers, store, lines_for(shop), barred=lambda some: shop.vault.tombstoned(tokens=some)
        )
        while reader.step():
            pass
    Loader(shop, log).load()


def tokens_of(shop: Shop) -> set[str]:
    """Every token that stands in the shop, by whatever place knows it, refused rows and our message ids included."""
    made = {shop.tokens.token("phone", each) for each in (PHONE, ANN_PHONE)} | {
        shop.tokens.token("user", "ann"), shop.tokens.token("cookie", GUEST),
    }  # fmt: skip
    found = set(shop.state.identifiers.tokens())
    columns = {
        "event": ("anonymous_id", "user_id", "message_id", "payload_hash"),
        "identifier": ("token",), "interaction": ("text_token",), "refused": ("refused_id",),
    }  # fmt: skip
    for table, names in columns.items():
        for name in names:
            found |= {str(row[0]) for row in everywhere.ours(shop, table, name) if row[0]}
    tokens = {each for each in found if re.fullmatch(r"[a-z]{1,2}_[A-Za-z0-9_-]{24}|[0-9a-f]{32}", each)}
    assert made <= tokens | {shop.tokens.token("phone", PHONE)}
    return tokens | made


def found_in(folder: Path, words: set[str]) -> dict[str, str]:
    """The files that hold any of some words, unpacked as `test_forget` does."""
    # Bounds in manifests are cut to 16 characters.
    sought = re.compile("|".join(re.escape(word[:16]) for word in sorted(words)).encode())
    found = {}
    for path in folder.rglob("*"):
        hit = sought.search(everywhere._unpacked(path)) if path.is_file() else None
        if hit is not None:
            found[str(path.relative_to(folder))] = hit[0].decode()
    return found


def page(shop: Shop, person_id: str) -> str:
    """What a program is told of a person, but for the name that a rekey changes."""
    shop.clock = lambda: AT
    with closing(Persons(shop)) as persons:
        shown = persons.document(person_id, with_scores=True)
    assert shown is not None
    shown["personal"] = [each for each in shown["personal"] if each.kind != "email"]  # it was not in the vault before
    return re.sub(r"\b([a-z]{2})_[A-Za-z0-9_-]{24}", r"\1", json.dumps(shown, default=str, sort_keys=True))


class World:
    """A shop with everybody everywhere, as it was before and as it is after."""

    def __init__(self, folder: Path) -> None:
        (folder / "in").mkdir()
        (folder / "in" / "m.toml").write_text(everywhere.MAPPING, encoding="utf-8")
        (folder / "in" / "会员小票.csv").write_text(everywhere.FILE, encoding="utf-8")
        self.place, self.folder = folder, folder / "shop"
        with init(self.folder, {"chain.country": "CN", "engine.memory_limit": "1GB", "engine.threads": 1}) as shop:
            assert everywhere._load(shop, folder / "in") == (3, 0, 2)
            self._fill(shop)
            with SqliteLog(shop.folder / LOG_FILE) as log:
                assert send(shop, log, MESSAGES) == (Status.ACCEPTED,) * 6
                read_all(shop, log)
                # Something of a token is only sealed in the log when the rekey begins.
                late = {"type": "track", "event": "Note", "userId": "ann", "messageId": "n1",
                        "properties": {"note": "bo@example.com wrote"}}  # fmt: skip
                send(shop, log, [late])
            run(shop, until="profile", as_of=AS_OF)
            assert refresh_serving(shop) is not None
            self.ann = f"app:{shop.tokens.token('user', 'ann')}"
            assert shop.state.identifiers.person(self.ann) == self.ann
            change_consent(shop, self.ann, "marketing", "sms", granted=True, by="ann")
            change_consent(shop, self.ann, "marketing", "email", granted=True, by="ann", occurred_at=AT)
            forget(shop, GONE, by="ann", wait=timedelta(0))
            self.secret = hook_secret(shop, "key_1")
            self.pages = page(shop, self.ann), page(shop, MEMBER)
            self.mark = mark_of(shop, self.ann)
            self.rows = {name: len(everywhere.ours(shop, name, "1")) for name in shop.lake.tables()}
            self.tokens = tokens_of(shop)
            self.head = shop.state.audit.head()
            backup(shop, folder / "old.tar")
            self.old_keys = read_keys(self.folder / "keys", {})
        shutil.copytree(self.folder / "keys", folder / "old-keys")
        shutil.copy(self.folder / "tombstones.log", folder / "old-tombstones.log")
        self.before = found_in(self.folder, self.tokens)

    def _fill(self, shop: Shop) -> None:
        token, text = shop.tokens.token("phone", PHONE), shop.tokens.token("text", f"My number is {PHONE}")
        shop.vault.put_many("text", [f"till|{everywhere.CARD}"], [text], [f"My number is {PHONE}"])
        edge = {
            "left_token": token,
            "right_token": shop.tokens.token("cookie", GUEST),
            "kind": "scan",
            "source": "till",
        }
        review = {"interaction_id": "i1", "kind": "review", "source": "till", "customer_id": everywhere.CARD,
                  "occurred_at": AT, "text_token": text, "text_redacted": f"call {token}!"}  # fmt: skip
        fill(shop, "identity_edge", [edge])
        fill(shop, "interaction", [review])
        (shop.spill / "left.csv").write_text(f"app:{token},1", encoding="utf-8")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("rekey"))


class StoppedError(Exception):
    """As a killed process would leave it."""


@pytest.fixture(scope="module")
def done(world: World) -> Rekeyed:
    """The rekey: stopped behind the first commit of the lake, killed in the vault's transaction, gone on with."""
    with pytest.MonkeyPatch.context() as stopped:
        stopped.setattr("shopkeeper.storage.rekeyed_lake.forget_states", _stop)
        with pytest.raises(StoppedError):
            rekey(world.folder, by="stopped")
    with pytest.raises(StorageError, match=r"token rekey .* goes on"):
        open_shop(world.folder)
    script = str(Path(__file__).with_name("killed_rekey.py"))
    arguments = [str(world.folder), "shopkeeper.storage.rekeyed_vault", "rewrite_table", "2"]
    killed = subprocess.run([sys.executable, script, *arguments], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    assert wants(world.folder).is_begun
    return rekey(world.folder, by="ann")


def _stop(*_: object) -> None:
    raise StoppedError


@pytest.fixture
def shop(world: World, done: Rekeyed) -> Iterator[Shop]:
    assert done.is_continued
    with open_shop(world.folder) as opened:
        yield opened


def test_a_rekey_waits_for_nobody(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "rekey", "--shop", str(tmp_path)]) == 1
    assert f"there is no shop in {tmp_path}" in capfd.readouterr().err.replace("\n", " ")
    assert main(["token", "rekey", "--shop", str(world.folder)]) == 1
    assert "Back up first. Go on?" in capfd.readouterr().err.replace("\n", " ")
    with open_shop(world.folder), pytest.raises(ConflictError, match="has the shop open"):
        rekey(world.folder, by="ann")
    with SqliteLog(world.folder / LOG_FILE), pytest.raises(ConflictError, match="has a writer"):
        rekey(world.folder, by="ann")
    with open_shop(world.folder) as shop:
        at = datetime.now(UTC)
        shop.state.leases.acquire("heartbeat:worker:1", "elsewhere", now=at, lasts=timedelta(minutes=1))
    with pytest.raises(ConflictError, match="heartbeat:worker:1: another process"):
        rekey(world.folder, by="ann")
    with open_shop(world.folder) as shop:
        shop.state.leases.release("heartbeat:worker:1", "elsewhere")
        assert read_keys(shop.folder / "keys", {}) == world.old_keys


def test_the_search_finds_every_place_before(world: World) -> None:
    """The positive control."""
    tables = {Path(each).parts[2] for each in world.before if each.startswith("lake/shop/")}
    assert tables >= {
        "order_line",
        "identifier",
        "event",
        "identity_edge",
        "interaction",
        "person",
        "basket",
        "refused",
    }
    assert any(each.endswith(".avro") for each in world.before), "the bounds in manifests are looked into"
    assert {"log.db", "live.db", "state.db", "vault.db"} <= world.before.keys()


def test_no_old_token_is_anywhere_after(world: World, shop: Shop, done: Rekeyed) -> None:
    shop.close()
    assert found_in(world.folder, world.tokens) == {}
    assert done.changed["vault"]["rows"] > 0
    assert done.key == read_keys(world.folder / "keys", {}).rekeys[0].id
    with open_shop(world.folder) as again:
        assert {name: len(everywhere.ours(again, name, "1")) for name in again.lake.tables()} == world.rows
        # What looks like a token and is none stays as it is.
        assert [row for row in everywhere.ours(again, "event", "properties") if SLUG in str(row)]
        row = again.state.audit.newest(limit=1)[0]
        assert (row.what, row.target, tuple(row.detail["audit_head"])) == ("token.rekey", done.key, world.head)
        again.state.audit.verify()
        for name in again.lake.tables():
            assert len(again.lake.history(name)) <= 1
    for language, word in (("en", "Key in use"), ("zh", "现用密钥")):
        assert word in receipt_text(done, language)
        assert asked_text(wants(world.folder), language).endswith(("Go on?", "继续？"))


def test_everybody_is_found_as_before(world: World, shop: Shop) -> None:
    ann = f"app:{shop.tokens.token('user', 'ann')}"
    assert ann != world.ann
    assert name_now(shop, [world.ann, MEMBER]) == [ann, MEMBER]
    assert lookup(shop, "phone", ANN_PHONE, by="t") == (ann,)
    assert lookup(shop, "phone", PHONE, by="t") == (MEMBER,)
    assert (page(shop, ann), page(shop, MEMBER)) == world.pages
    assert shop.vault.reveal(shop.tokens.token("phone", ANN_PHONE)) == f"+86{ANN_PHONE}"
    assert shop.vault.reveal(shop.tokens.token("email", "bo@example.com")) == "bo@example.com"
    assert len(shop.vault.of(f"till|{everywhere.CARD}")) == 4
    assert len([*shop.vault.bodies()]) == len(everywhere.ours(shop, "refused", "1", "state = 'open'")) == 2
    assert mark_of(shop, ann) != world.mark
    assert len(shop.state.audit.newest(target=mark_of(shop, ann))) > 0, "rows about her are found under her new mark"
    assert ledger_of(shop).standing(ann, "marketing", "sms", now=datetime.now(UTC)).granted
    waiting = gate_of(shop).permit(recipient_of(shop, ann), "marketing", "sms", now=datetime.now(UTC))
    assert isinstance(waiting, Permitted)
    with closing(ServingSet(shop.folder / SERVING_FILE)) as served:
        assert ann in served.read([ann])
    notes = [row for row in everywhere.ours(shop, "event", "properties") if "oat milk" in str(row)]
    assert shop.tokens.token("phone", ANN_PHONE) in str(notes)
    assert hook_secret(shop, "key_1") != world.secret


def test_what_comes_again_doubles_nothing(world: World, shop: Shop) -> None:
    before = everywhere.ours(shop, "order_line", "*"), everywhere.ours(shop, "event", "message_id")
    assert everywhere._load(shop, world.place / "in") == (0, 3, 2)
    other = [dict(MESSAGES[0], properties={"product_id": "p2"}), MESSAGES[3]]
    with SqliteLog(shop.folder / LOG_FILE) as log:
        assert send(shop, log, MESSAGES) == (Status.DUPLICATE,) * 6
        assert send(shop, log, other) == (Status.DIFFERENT, Status.DUPLICATE)
        read_all(shop, log)
        assert send(shop, log, [dict(MESSAGES[5], messageId="m_" + "b" * 24)]) == (Status.ACCEPTED,)
        read_all(shop, log)
    after = everywhere.ours(shop, "order_line", "*"), everywhere.ours(shop, "event", "message_id")
    # Beside the one that is new only what had waited in the log before came into the lake.
    assert after[0] == before[0]
    assert len(after[1]) == len(before[1]) + 2
    assert len(everywhere.ours(shop, "refused", "1", "state = 'open'")) == 2
    ann = f"app:{shop.tokens.token('user', 'ann')}"
    count = len(shop.state.consents.of(ann))
    change_consent(shop, ann, "marketing", "email", granted=True, by="ann", occurred_at=AT)
    assert len(shop.state.consents.of(ann)) == count


def test_who_was_erased_stays_out(world: World, shop: Shop) -> None:
    run(shop, until="profile", as_of=AS_OF)
    assert everywhere.ours(shop, "profile", "person_id", f"person_id = '{GONE}'") == []
    assert "other-member" not in {row[0] for row in everywhere.ours(shop, "order_line", "customer_id")}
    assert shop.vault.tombstoned(tokens=[shop.tokens.token("phone", everywhere.OTHER_PHONE)])
    with pytest.raises(MissingError, match="was erased"):
        forget(shop, GONE, by="ann", wait=timedelta(0))
    old = Tokens(world.old_keys.token, "CN").token("phone", everywhere.OTHER_PHONE)
    assert old != shop.tokens.token("phone", everywhere.OTHER_PHONE)


def test_an_old_copy_gets_the_new_tokens(world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = shop.tokens.token("phone", PHONE)
    shop.close()
    keys = [line for line in (world.folder / "keys" / "token.key").read_text().split() if line]
    vault = (world.folder / "keys" / "vault.key").read_text().split()
    monkeypatch.setenv("SHOPKEEPER_KEY_VAULT", ",".join(vault))
    monkeypatch.setenv(TOKEN_VARIABLE, ",".join(keys))
    with pytest.raises(UsageError, match="stand in the environment"):
        rekey(world.folder, by="ann")
    restore(world.place / "old.tar", world.place / "back", tombstones=world.folder / "tombstones.log")
    assert found_in(world.place / "back", world.tokens) == {}
    with open_shop(world.place / "back") as back:
        assert back.tokens.token("phone", PHONE) == phone
        assert lookup(back, "phone", PHONE, by="t") == (MEMBER,)
        assert back.vault.reveal(phone) == f"+86{PHONE}"
        back.state.audit.verify()
        (row,) = [each for each in back.state.audit.newest(limit=50) if each.who == "restore"]
        assert (row.what, row.detail["is_restore"]) == ("token.rekey", True)
        assert everywhere._load(back, world.place / "in") == (0, 3, 2)
    monkeypatch.setenv(TOKEN_VARIABLE, keys[0])
    with open_shop(world.place / "back") as back, pytest.raises(StorageError, match="bring back the newest"):
        _ = back.tokens


def test_nothing_of_a_person_who_is_erased_afterwards_stays(world: World, shop: Shop) -> None:
    phone = shop.tokens.token("phone", PHONE)
    forget(shop, MEMBER, by="ann", wait=timedelta(0))
    shop.close()
    assert everywhere.found_in(world.folder, phone) == set()
    with open_shop(world.folder) as again:
        assert everywhere._load(again, world.place / "in") == (0, 3, 2)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A shop that knows a phone, with a refused message in its log of somebody who was erased."""
    with init(tmp_path / "small", {"chain.country": "CN", "engine.memory_limit": "500MB", "engine.threads": 1}) as shop:
        token = shop.tokens.token("phone", PHONE)
        fill(shop, "identifier", [{"kind": "phone", "token": token, "source": "app", "customer_id": "c"}])
        shop.vault.put_many("phone", ["app|c"], [token], [f"+86{PHONE}"])
        shop.vault.bar(tokens=[shop.tokens.token("phone", ANN_PHONE)])
        with SqliteLog(shop.folder / LOG_FILE) as log:
            send(shop, log, [{"type": "nonsense", "userId": ANN_PHONE, "messageId": "x1"}])
        return shop.folder


def test_nothing_is_begun_that_cannot_be_ended(small: Path, tmp_path: Path) -> None:
    def refused(folder: Path, error: type[ShopkeeperError], match: str) -> None:
        with pytest.raises(error, match=match):
            rekey(folder, by="ann")
        with open_shop(folder) as shop:
            assert shop.tokens.token("phone", PHONE) == token

    with open_shop(small) as shop:
        token = shop.tokens.token("phone", PHONE)
        notes = pa.table({"token": [token]})
    shutil.copytree(small, tmp_path / "trial")
    refused(tmp_path / "trial", StorageError, "was copied or moved")
    for name, damage in (
        ("vault.db", "UPDATE entry SET sealed = x'00'"),
        ("log.db", "UPDATE batch SET body = substr(body, 1, 20)"),
    ):
        whole = (small / name).read_bytes()
        with closing(sqlite3.connect(small / name)) as connection, connection:
            connection.execute(damage)
        refused(small, StorageError, "altered|damaged")
        for beside in small.glob(f"{name}-*"):
            beside.unlink()
        (small / name).write_bytes(whole)
    with open_shop(small) as shop:
        shop.lake._catalog.create_table(("shop", "analyst_notes"), schema=notes.schema).append(notes)
    refused(small, ConflictError, "none of the dictionary")
    with open_shop(small) as shop:
        shop.lake._catalog.drop_table(("shop", "analyst_notes"))
    assert rekey(small, by="ann").changed["lake"] == {"identifier": 1, "refused": 1}


def test_live_state_of_an_earlier_form_goes_and_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "live.db"
    LiveStore(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("DROP TABLE waiting; PRAGMA user_version = 1")
    assert rekey_live(file, 1, Renaming(Chain(), lambda _: ())) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_was_refused_of_who_was_erased_is_not_kept(small: Path) -> None:
    rekey(small, by="ann")
    with open_shop(small) as shop:
        assert [*shop.vault.bodies()] == []
        assert everywhere.ours(shop, "refused", "state, body_key") == [("erased", None)]


def test_a_shop_behind_its_keys_is_not_used_and_catches_up(world: World, done: Rekeyed, tmp_path: Path) -> None:
    del done
    shutil.copytree(world.place / "old-keys", tmp_path / "keys")
    with init(tmp_path / "shop") as shop:
        _ = shop.tokens
    key = tmp_path / "shop" / "keys" / "token.key"
    key.write_text(key.read_text() + (world.folder / "keys" / "token.key").read_text().split()[1] + "\n")
    with open_shop(tmp_path / "shop") as shop:
        for used in ("tokens", "vault"):
            with pytest.raises(ShopkeeperError, match="token rekey"):
                getattr(shop, used)
    made = Tokens(read_keys(key.parent, {}).token, "CN", read_keys(key.parent, {}).rekeys).token("user", "ann")
    for number in (2, 3):
        assert main(["token", "rekey", "--yes", "--shop", str(tmp_path / "shop"), "--json"]) == 0
        keys = read_keys(key.parent, {})
        assert len(keys.rekeys) == number - 1
        with open_shop(tmp_path / "shop") as shop:
            assert (shop.tokens.token("user", "ann") == made) == (number == 2)
            _ = shop.vault
