"""Erasure, whole: a person who is everywhere is nowhere afterwards, and nothing brings them back."""

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shopkeeper.app.consent import change_consent, gate_of, recipient_of, set_automated_decisions
from shopkeeper.app.copy import backup, restore
from shopkeeper.app.forget import forget
from shopkeeper.app.load import load, replay
from shopkeeper.app.receipt import receipt_text
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.base.errors import ForbiddenError, MissingError
from shopkeeper.privacy.gate import Permitted
from shopkeeper.schema.query import Query
from shopkeeper.storage import warehouse
from tests.shop import fill
from tests.storage.rows import filled

PHONE, EMAIL, NAME, CARD = "13812345678", "canary.one@example.com", "欧阳金丝雀", "CANARY-CARD-77"
OTHER_PHONE = "13987654321"
NO_WAIT = timedelta(0)
MAPPING = """
table = "order_line"
source = "till"
[columns]
order_id = "小票号"
customer_id = "会员"
store_id = "门店"
product_id = "商品"
ordered_at = "时间"
quantity = "数量"
net_amount = "金额"
[identifiers]
phone = "手机号"
email = "邮箱"
[personal]
name = "姓名"
"""
FILE = f"""小票号,会员,手机号,邮箱,姓名,门店,商品,时间,数量,金额
A1,{CARD},{PHONE},{EMAIL},{NAME},S1,p1,2026/1/5 10:00,1,5
A2,other-member,{OTHER_PHONE},,张伟,S1,p1,2026/1/5 11:00,1,7
A3,{CARD},{PHONE},{EMAIL},{NAME},S1,p2,2026/2/6 10:00,2,9
A4,{CARD},138-1234-5678,{EMAIL},{NAME},S1,p1,2026/2/7 10:00,many,9
A5,other-member,{OTHER_PHONE},,张伟,S1,p1,2026/2/7 10:00,many,9
"""
PERSON = f"till:{CARD}"


def words() -> list[bytes]:
    return [word.encode(code) for word in (PHONE, EMAIL, NAME, CARD) for code in ("utf-8", "utf-16-le", "gb18030")]


def _unpacked(path: Path) -> bytes:
    """What a file says, also where it is packed: Parquet by column, the blocks of Avro."""
    content = path.read_bytes()
    if path.suffix == ".parquet":
        return content + repr(pq.ParquetFile(path).read().to_pylist()).encode()
    if path.suffix == ".avro":
        unpacked = [content]
        for part in content.split(content[-16:]):
            for start in range(min(12, len(part))):
                try:
                    unpacked.append(zlib.decompress(part[start:], -15))
                    break
                except zlib.error:
                    continue
        return b"".join(unpacked)
    return content


def found_in(folder: Path, *more: str) -> set[str]:
    looked_for = [*words(), *(word.encode() for word in more)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)) for path in files if any(word in _unpacked(path) for word in looked_for)}


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop in which one person is everywhere, made once and kept beside: a lake's files know their own paths."""
    place = tmp_path_factory.mktemp("everywhere")
    (place / "in").mkdir()
    (place / "in" / "m.toml").write_text(MAPPING, encoding="utf-8")
    (place / "in" / "会员小票.csv").write_text(FILE, encoding="utf-8")
    with init(place / "shop", {"chain.country": "CN", "engine.memory_limit": "1GB", "engine.threads": 1}) as made:
        fill_everywhere(made, place / "in")
    shutil.copytree(place / "shop", place / "kept")
    return place


@pytest.fixture
def shop(everywhere: Path, tmp_path: Path) -> Iterator[Shop]:
    """The shop as it was made, whatever a test before did to it."""
    shutil.rmtree(everywhere / "shop")
    shutil.copytree(everywhere / "kept", everywhere / "shop")
    shutil.copytree(everywhere / "in", tmp_path / "in")
    with open_shop(everywhere / "shop") as made:
        yield made


def _load(shop: Shop, folder: Path) -> tuple[int, int, int]:
    done = load(shop, "order_line", [str(folder / "会员小票.csv")], source="till", mapping=folder / "m.toml")
    return done.stored, done.duplicate, done.refused


def fill_everywhere(shop: Shop, folder: Path) -> None:
    at = datetime(2026, 2, 8, tzinfo=UTC)
    assert _load(shop, folder) == (3, 0, 2)
    token = shop.tokens.token("phone", PHONE)
    text = shop.tokens.token("text", f"My number is {PHONE}")
    shop.vault.put_many("text", [f"till|{CARD}"], [text], [f"My number is {PHONE}"])
    base = {"source": "till", "received_at": at, "occurred_at": at, "type": "track"}
    tables: dict[str, list[dict[str, object]]] = {
        "customer": [
            {"source": "till", "customer_id": CARD, "city": "Here"},
            {"source": "till", "customer_id": "other-member", "referrer_customer_id": CARD},
        ],
        "event": [
            base | {"message_id": "m1", "user_id": token, "properties": '{"a": 1}'},
            base | {"message_id": "m2", "user_id": "ck_somebody-else", "properties": f'{{"for": "{token}"}}'},
        ],
        "identity_edge": [
            {"left_token": token, "right_token": "ck_a-cookie-of-24-characte", "kind": "scan", "source": "till"}
        ],
        "interaction": [
            {"interaction_id": "i1", "kind": "review", "source": "till", "customer_id": CARD, "occurred_at": at,
             "text_token": text, "text_redacted": "my words"},
        ],
        "touch": [{"touch_id": "t1", "customer_id": CARD, "occurred_at": at, "kind": "sent", "cost": 1}],
        "coupon": [{"coupon_id": "k1", "offer_id": "o1", "person_id": PERSON}],
        "redemption": [
            {"redemption_id": "r1", "offer_id": "o1", "customer_id": CARD, "source": "till",
             "redeemed_on": date(2026, 2, 6)}
        ],
        "decision": [{"decision_id": "d1", "person_id": PERSON, "scene": "home", "occurred_at": at}],
        "exposure": [{"experiment_id": "e1", "unit": PERSON, "variant": "a", "occurred_at": at}],
        "campaign_target": [{"campaign_id": "c1", "source": "till", "customer_id": CARD}],
        "score": [
            {"person_id": PERSON, "model": "m", "version": "1", "subject": "c1", "as_of": date(2026, 2, 7),
             "reasons": ["because"]}
        ],
        "offer_plan": [
            {"campaign_id": "c1", "person_id": PERSON, "as_of": date(2026, 2, 7), "is_holdout": False}
        ],
        "quality_check": [
            {"check_name": "x", "table_name": "order_line", "severity": "rule", "ok": False, "found": 1,
             "sample": f"till, {CARD}", "checked_at": at}
        ],
    }  # fmt: skip
    for name, rows in tables.items():
        fill(shop, name, rows)
    warehouse.append_rows(shop.lake, shop.duckdb, "segment_member", filled("segment_member", [
        {"segment": "s", "person_id": PERSON, "entered_at": at}
    ]))  # fmt: skip
    run(shop, until="profile", as_of=date(2026, 2, 8))
    change_consent(shop, PERSON, "marketing", "sms", granted=True, by="ann")
    change_consent(shop, PERSON, "marketing", "email", granted=False, by="ann")
    set_automated_decisions(shop, PERSON, allowed=False, by="ann")
    shop.state.assignments.keep("c1", [(PERSON, "holdout")], now=at)
    shop.state.requests.add(
        "erasure", PERSON, by="ann", asked_at=at, due_at=at + timedelta(days=15), note=f"{NAME} asks"
    )
    shop.models.put("m", "1", {"a.txt": b"1"}, {"auc": 0.5})
    (shop.spill / "left.csv").write_text(f"{PERSON},1", encoding="utf-8")
    os.utime(shop.spill / "left.csv", (0, 0))
    orphan = shop.lake.folder("order_line") / "orphan.parquet"
    shutil.copy(shop.lake.files("order_line")[0], orphan)
    os.utime(orphan, (0, 0))


def ours(shop: Shop, table: str, columns: str, where: str = "true") -> list[tuple[object, ...]]:
    query = Query.from_sql(f"SELECT {columns} FROM {table} WHERE {where} ORDER BY ALL", name=table)
    return [tuple(row.values()) for row in shop.arrow(query).to_pylist()]


def test_the_person_is_everywhere_before(shop: Shop) -> None:
    """The positive control of the search: each place that is claimed to be erased is found by it."""
    shop.state.close()
    found = found_in(shop.folder, shop.tokens.token("phone", PHONE))
    tables = {Path(each).parts[2] for each in found if each.startswith("lake/shop/")}
    assert tables >= {
        "order_line", "identifier", "customer", "event", "identity_edge", "interaction", "touch", "coupon",
        "redemption", "decision", "exposure", "campaign_target", "score", "offer_plan", "quality_check",
        "segment_member", "person", "basket", "profile", "person_habit",
    }  # fmt: skip
    assert any(each.endswith(".avro") for each in found), "the bounds in manifests are looked into"
    assert {"state.db", "spill/left.csv"} <= {each.removesuffix("-wal") for each in found}


def test_nothing_of_an_erased_person_stays_and_the_books_do(shop: Shop) -> None:
    token = shop.tokens.token("phone", PHONE)
    sales = ours(shop, "order_line", "order_id, net_amount")
    rows = {name: shop.lake.snapshot(name) for name in shop.lake.tables()}
    slept: list[float] = []
    receipt = forget(shop, PERSON, by="ann", wait=timedelta(seconds=90), sleep=slept.append)
    assert slept == [90.0]
    shop.state.close()
    assert found_in(shop.folder, token) == set()

    assert ours(shop, "order_line", "order_id, net_amount") == sales
    assert ours(shop, "order_line", "order_id, customer_id") == [("A1", None), ("A2", "other-member"), ("A3", None)]
    assert ours(shop, "event", "message_id, properties") == [("m2", '{"for": "erased"}')]
    assert ours(shop, "customer", "customer_id, referrer_customer_id") == [("other-member", None)]
    assert ours(shop, "touch", "touch_id, customer_id, person_id") == [("t1", None, None)]
    assert ours(shop, "profile", "person_id") == [("till:other-member",)]
    assert ours(shop, "refused", "state", "masked_value IS NULL") == [("erased",)]
    assert len(ours(shop, "refused", "state", "state = 'open'")) == 1
    assert shop.vault.of("till|other-member") != []
    assert shop.vault.of(f"till|{CARD}") == []
    for name, before in rows.items():
        assert before is not None
        assert len(shop.lake.history(name)) == 1

    assert receipt.removed["lake"]["order_line"] == 2
    assert receipt.removed["vault"] == {"values": 4}
    assert receipt.removed["refused"] == {"bodies": 1}
    assert receipt.removed["state"] == {
        "identifiers": 2, "consents": 2, "person_flags": 1, "assignments": 1, "requests": 1,
    }  # fmt: skip
    assert receipt.removed["models"] == {"versions": 1}
    assert receipt.not_reached == ()
    for said in (json.dumps(receipt.document()), receipt_text(receipt, "en"), receipt_text(receipt, "zh")):
        assert not any(word in said.encode() for word in words())
    (request,) = shop.state.requests.all()
    assert (request.state, request.person_id, request.note) == ("done", None, None)
    assert request.receipt == receipt.document()
    with pytest.raises(MissingError, match="was erased"):
        forget(shop, PERSON, by="ann", wait=NO_WAIT)


def test_nothing_brings_the_person_back(shop: Shop, tmp_path: Path) -> None:
    """The same file again, a replay, a run, a consent, and a message."""
    waiting = gate_of(shop).permit(recipient_of(shop, PERSON), "marketing", "sms", now=shop.clock())
    assert isinstance(waiting, Permitted)
    forget(shop, PERSON, by="ann", wait=NO_WAIT)
    assert not isinstance(gate_of(shop).again(waiting, now=shop.clock()), Permitted)
    assert _load(shop, tmp_path / "in") == (0, 3, 2)
    mended = MAPPING.replace('quantity = "数量"', 'quantity = { column = "数量", values = { many = "3" } }')
    (tmp_path / "in" / "mended.toml").write_text(mended, encoding="utf-8")
    replay(shop, "order_line", source="till", mapping=tmp_path / "in" / "mended.toml")
    run(shop, until="profile", as_of=date(2026, 2, 8))
    with pytest.raises((ForbiddenError, MissingError), match="erased"):
        change_consent(shop, PERSON, "marketing", "sms", granted=True, by="ann")
    assert ours(shop, "profile", "person_id") == [("till:other-member",)]
    assert {row[0] for row in ours(shop, "order_line", "customer_id", "customer_id IS NOT NULL")} == {"other-member"}
    assert shop.vault.of(f"till|{CARD}") == []
    shop.state.close()
    assert found_in(shop.folder, shop.tokens.token("phone", PHONE)) == set()


def test_an_older_backup_does_not_bring_the_person_back(shop: Shop, tmp_path: Path) -> None:
    backup(shop, tmp_path / "copy.tar", with_keys=True)
    forget(shop, PERSON, by="ann", wait=NO_WAIT)
    restore(tmp_path / "copy.tar", tmp_path / "control")
    with open_shop(tmp_path / "control") as control:
        assert ours(control, "profile", "person_id", f"person_id = '{PERSON}'") != []  # without tombstones
    restore(tmp_path / "copy.tar", tmp_path / "new", tombstones=shop.folder / "tombstones.log")
    with open_shop(tmp_path / "new") as back:
        assert ours(back, "profile", "person_id") == [("till:other-member",)]
        assert ours(back, "order_line", "order_id, customer_id")[0] == ("A1", None)
        assert back.vault.of(f"till|{CARD}") == []
        assert back.state.consents.of(PERSON) == []
        assert back.state.requests.of(PERSON) == []
        assert back.state.identifiers.known([back.tokens.token("phone", PHONE)]) == []
        assert len([*back.vault.bodies()]) == 1
        assert _load(back, tmp_path / "in") == (0, 3, 2)
        back.state.close()
    assert found_in(tmp_path / "new") == set()


@pytest.mark.parametrize("step", ["forget_persons", "forget_states", "remove_files"])
def test_an_erasure_that_was_killed_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    room = "lake_erasure" if step == "forget_states" else "forget"
    with monkeypatch.context() as killed:
        killed.setattr(f"shopkeeper.app.{room}.{step}", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            forget(shop, PERSON, by="ann", wait=NO_WAIT)
    if step == "remove_files":  # all was taken out, but for the bytes, which the worker sweeps after a day
        with pytest.raises(MissingError, match="was erased"):
            forget(shop, PERSON, by="ann", wait=NO_WAIT)
        return
    forget(shop, PERSON, by="ann", wait=NO_WAIT)
    assert ours(shop, "profile", "person_id") == [("till:other-member",)]
    assert shop.state.consents.of(PERSON) == []
    assert [each.state for each in shop.state.requests.all()] == ["done"]
    assert not {each for each in found_in(shop.folder) if each.startswith("lake/shop/")}


def test_a_run_that_was_under_way_brings_nobody_back(shop: Shop) -> None:
    def late(_seconds: float) -> None:
        row = {"segment": "s", "person_id": PERSON, "entered_at": datetime(2026, 2, 8, tzinfo=UTC)}
        warehouse.append_rows(shop.lake, shop.duckdb, "segment_member", filled("segment_member", [row]))

    receipt = forget(shop, PERSON, by="ann", wait=timedelta(seconds=1), sleep=late)
    assert receipt.removed["lake"]["segment_member"] == 2
    shop.state.close()
    assert found_in(shop.folder) == set()


def test_a_place_that_is_there_and_not_reached_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopkeeper.app.forget.REACHES", {})
    (shop.folder / "live.db").write_bytes(b"")
    receipt = forget(shop, PERSON, by="ann", wait=NO_WAIT)
    assert receipt.not_reached == ("live.db",)
    assert "Not reached: live.db" in receipt_text(receipt, "en")
