"""Planted phones, e-mails and names are nowhere but, sealed, in the vault: not in the lake, logs or temporary files."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shopkeeper.collect.mapping import Mapping
from tests.collect.conftest import NOW, Desk

PHONES = ["13812345678", "13987654321", "18600001111", "15011112222"]
EMAILS = ["canary.one@example.com", "kanarie@vogel.cn"]
NAMES = ["欧阳金丝雀", "慕容知更鸟", "司徒画眉"]
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


def planted() -> list[bytes]:
    words = [*PHONES, *EMAILS, *NAMES]
    return [word.encode(encoding) for word in words for encoding in ("utf-8", "utf-16-le", "gb18030")]


def found_in(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for path in folder.rglob("*"):
        if not path.is_file() or folder / "in" in path.parents:
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += repr(pq.ParquetFile(path).read().to_pylist()).encode()
        found += [(str(path.relative_to(folder)), word) for word in planted() if word in content]
    return found


@contextmanager
def watched(folder: Path) -> Iterator[set[tuple[str, bytes]]]:
    """Looks into every temporary file while something runs."""
    seen: set[tuple[str, bytes]] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            for root, _, names in os.walk(folder):
                for name in names:
                    try:
                        content = (Path(root) / name).read_bytes()
                    except OSError:
                        continue
                    seen.update((name, word) for word in planted() if word in content)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


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
