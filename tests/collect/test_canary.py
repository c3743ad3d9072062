"""Planted phones, e-mails and names are nowhere but, sealed, in the vault: not in the lake, logs or temporary files."""

import csv
import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from shopkeeper.app.shop import init
from shopkeeper.cli.main import main
from shopkeeper.collect.mapping import Mapping
from tests.canary import EMAILS, NAMES, PHONES, found_in, watched
from tests.collect.conftest import NOW, Desk

MAPPING = """
table = "order_line"
source = "till"
[columns]
order_id = "小票号"
customer_id = { column = "手机号", kind = "identifier:phone" }
store_id = "门店"
product_id = "商品编码"
ordered_at = "交易时间"
quantity = "数量"
net_amount = "实收金额"
payment_method = "支付方式"
[identifiers]
email = "邮箱"
[personal]
name = "姓名"
"""
FILE = f"""小票号,手机号,邮箱,姓名,门店,商品编码,交易时间,数量,实收金额,支付方式
A1,{PHONES[0]},{EMAILS[0]},{NAMES[0]},S1,007,2024/1/5 10:00,1,5,微信
A2,{PHONES[1]},{EMAILS[1]},{NAMES[1]},S1,007,2024/1/5 10:00,{PHONES[2]}x,5,微信
A3,{PHONES[1]},,{NAMES[1]},S1,007,2024/1/5 10:00,1,5,{PHONES[2]}
A4,{NAMES[2]},{PHONES[2]},{EMAILS[1]},S1,007,{NAMES[2]},{EMAILS[0]},{PHONES[0]},微信
A5,{PHONES[3]},{EMAILS[1]}
A6,{PHONES[3]},{EMAILS[1]},{NAMES[2]},S1,007,2024/1/5 10:00,1,5,微信,{PHONES[2]},{NAMES[0]}
A1,{PHONES[0]},{EMAILS[0]},{NAMES[0]},S1,007,2024/1/5 10:00,1,5,{EMAILS[1]}
"""


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_nothing_personal_is_written_in_the_clear(
    desk: Desk, encoding: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    path = desk.file("会员小票.csv", FILE, encoding)
    mapping = Mapping.from_toml(MAPPING)
    with watched(desk.folder / "scratch") as seen_in_scratch, watched(desk.folder / "spill") as spilled:
        receipt = desk.load(mapping, path)
        desk.load(mapping, path)
        desk.loader.replay("order_line", mapping, now=NOW)
        preview = desk.loader.preview([path], mapping, now=NOW)
    assert (receipt.received, receipt.stored, receipt.refused) == (7, 1, 6)
    assert found_in(desk.folder) == []
    assert not seen_in_scratch
    assert not spilled
    out, err = capfd.readouterr()
    said = caplog.text + out + err + repr(preview) + repr(receipt)
    assert [word for word in [*PHONES, *EMAILS, *NAMES] if word in said] == []


HEADER, *ROWS = [(row + [""] * 10)[:10] for row in csv.reader(FILE.splitlines())]


def _excel(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for place, cells in enumerate([HEADER, *ROWS]):
            # A phone that somebody typed is a number to Excel.
            sheet.write_row(place, 0, [int(cell) if cell in PHONES else cell for cell in cells])


def _json(path: Path) -> None:
    lines = [json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False) for row in ROWS]
    broken = [f'{{"手机号": "{PHONES[2]}", "邮箱": ', f'"{EMAILS[0]}"', f'["{NAMES[2]}", {PHONES[0]}]']
    path.write_text("\n".join([*lines, *broken]), encoding="utf-8")


def _parquet(path: Path) -> None:
    columns = {name: [row[place] for row in ROWS] for place, name in enumerate(HEADER)}
    columns["手机号"] = pa.array([int(row[1]) if row[1].isdigit() else None for row in ROWS], pa.int64())
    pq.write_table(pa.table(columns), path)


def _database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE ticket ({', '.join(HEADER)})")
        database.executemany(f"INSERT INTO ticket VALUES ({', '.join('?' * 10)})", ROWS)


@pytest.mark.parametrize(
    ("name", "write", "received"),
    [("a.xlsx", _excel, 7), ("a.jsonl", _json, 10), ("a.parquet", _parquet, 7), ("a.db", _database, 7)],
)
def test_no_form_of_file_leaves_anything_personal_in_the_clear(
    desk: Desk,
    name: str,
    write: Callable[[Path], None],
    received: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    path = desk.folder / "in" / name
    path.parent.mkdir()
    write(path)
    source, query = (f"sqlite:///{path}", "SELECT * FROM ticket") if name.endswith(".db") else (str(path), None)
    with watched(desk.folder / "scratch") as seen_in_scratch, watched(desk.folder / "spill") as spilled:
        receipt = desk.load(MAPPING, source, query=query)
        again = desk.load(MAPPING, source, query=query)
    assert receipt.received == received
    assert receipt.stored >= 1
    assert receipt.refused >= 3
    assert again.stored == 0
    assert found_in(desk.folder) == []
    assert not seen_in_scratch
    assert not spilled
    out, err = capfd.readouterr()
    said = caplog.text + out + err + repr(receipt)
    assert [word for word in [*PHONES, *EMAILS, *NAMES] if word in said] == []


def test_a_whole_shop_keeps_nothing_personal_in_the_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """State, temporary files, logs and what the terminal says, with the log as talkative as it goes."""
    (tmp_path / "in").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    for name, value in (("FORMAT", "json"), ("LEVEL", "debug")):
        monkeypatch.setenv(f"SHOPKEEPER_LOG__{name}", value)
    shop, file, mapping = tmp_path / "shop", tmp_path / "in" / "会员小票.csv", tmp_path / "in" / "m.toml"
    file.write_text(FILE, encoding="utf-8")
    mapping.write_text(MAPPING, encoding="utf-8")
    init(shop).close()
    named = ["--shop", str(shop)]
    with watched(shop) as seen, watched(tmp_path / "tmp") as temporary:
        for more in (["--dry-run"], [], ["--json"]):
            assert main(["load", "order_line", str(file), "--mapping", str(mapping), *more, *named]) == 3
        assert main(["refused", "list", *named]) == 0
        assert main(["refused", "replay", "order_line", *named]) in (0, 3)
        assert main(["refused", "list", "--json", *named]) == 0
    assert (seen, temporary) == (set(), set())
    assert found_in(tmp_path) == []
    out, err = capfd.readouterr()
    assert [word for word in [*PHONES, *EMAILS, *NAMES] if word in out + err] == []


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    """The positive control."""
    pq.write_table(pa.table({"name": [NAMES[0]]}), tmp_path / "a.parquet")
    (tmp_path / "b.log").write_text(f"called {PHONES[0]}", encoding="utf-16-le")
    assert {name for name, _ in found_in(tmp_path)} == {"a.parquet", "b.log"}


def test_the_watch_finds_what_is_planted_while_it_looks_and_knows_when_it_is_blind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control of `watched`."""
    with watched(tmp_path / "scratch") as seen:
        (tmp_path / "scratch").mkdir()
        (tmp_path / "scratch" / "a.csv").write_text(NAMES[0], encoding="gb18030")
    assert {name for name, _ in seen} == {"a.csv"}
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["a.csv"]
    monkeypatch.setattr("tests.canary.LOOKED_FOR", 0.2)
    monkeypatch.setattr("os.walk", lambda _: [])
    with pytest.raises(AssertionError, match="nothing planted"), watched(tmp_path):
        pass


def test_the_vault_gives_back_what_it_was_given(desk: Desk) -> None:
    desk.load(MAPPING, desk.file("a.csv", FILE))
    vault, tokens = desk.loader.vault, desk.loader.tokens
    phone = tokens.token("phone", PHONES[0])
    held = {kind: raw for kind, _, raw in vault.of(f"till|{phone}")}
    assert held == {"phone": f"+86{PHONES[0]}", "email": EMAILS[0], "name": NAMES[0]}
    assert desk.rows("order_line", "customer_id") == [(phone,)]
    assert {row[0] for row in desk.rows("identifier", "kind")} == {"phone", "email"}
    bodies = b"".join(body for _, body in vault.bodies())
    assert all(word.encode() in bodies for word in (PHONES[2], EMAILS[1], NAMES[2]))


def test_an_erased_customer_does_not_come_back(desk: Desk) -> None:
    path = desk.file("a.csv", FILE)
    desk.load(MAPPING, path)
    phone = desk.loader.tokens.token("phone", PHONES[0])
    desk.loader.vault.shred(f"till|{phone}")
    again = FILE.replace("A1,", "B1,")
    receipt = desk.load(MAPPING, desk.file("b.csv", again))
    assert receipt.stored == 1
    assert desk.rows("order_line", "order_id, customer_id") == [("A1", phone), ("B1", None)]
    rule = '{ column = "手机号", kind = "identifier:phone" }'
    customers = f'table = "customer"\nsource = "till"\n[columns]\ncustomer_id = {rule}\n'
    found = desk.load(customers, desk.file("c.csv", f"手机号\n{PHONES[0]}\n{PHONES[1]}\n"))
    assert (found.stored, found.reasons) == (1, {"erased": 1})
    assert desk.loader.vault.of(f"till|{phone}") == []
