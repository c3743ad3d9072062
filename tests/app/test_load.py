"""Loading as a use case: recorded, its mapping remembered, a watermark kept, refused rows let in again."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import xlsxwriter

from shopkeeper.app.lease import loading
from shopkeeper.app.load import (
    ColumnMapping,
    Receipt,
    also_described,
    list_refused,
    load,
    load_also,
    mapping_for,
    preview,
    replay,
    show_refused,
)
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.clock import system_clock
from shopkeeper.base.errors import ConflictError, DataError, MissingError, ShopkeeperError, StorageError, UsageError
from shopkeeper.collect.reader import BATCH_ROWS
from shopkeeper.schema.query import Query

HEADER = "小票号,行号,会员卡号,门店编码,商品编码,交易时间,数量,实收金额\n"
GOOD = HEADER + "1,1,c1,s1,p1,2026-02-01 10:00:00,1,3.50\n2,1,,s1,p2,2026-02-01 11:00:00,2,7.00\n"
BAD = HEADER + "3,1,c1,s1,p1,02/27/26 10:00,1,3.50\n"

MENDED = """
table = "order_line"
source = "till"

[columns]
order_id = "小票号"
line_no = "行号"
customer_id = "会员卡号"
store_id = "门店编码"
product_id = "商品编码"
ordered_at = { column = "交易时间", format = "%m/%d/%y %H:%M" }
quantity = "数量"
net_amount = "实收金额"
channel = { constant = "store" }
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with init(tmp_path / "shop", {"chain.time_zone": "Asia/Shanghai"}) as made:
        yield made


def _file(shop: Shop, text: str, name: str = "lines.csv") -> str:
    file = shop.folder.parent / name
    file.write_text(text, encoding="utf-8")
    return str(file)


def _rows(shop: Shop) -> int:
    found = shop.lake.snapshot("order_line")
    return found.rows if found else 0


def test_a_load_is_recorded_with_its_counts(shop: Shop) -> None:
    receipt = load(shop, "order_line", [_file(shop, GOOD)], source="till", by="somebody")
    (record,) = shop.state.loads.recent()
    assert (receipt.received, receipt.stored, _rows(shop)) == (2, 2, 2)
    assert (record.table_name, record.source, record.started_by, record.state) == (
        "order_line",
        "till",
        "somebody",
        "done",
    )
    assert record.counts["stored"] == 2
    assert str(shop.folder.parent) not in record.file_name


def test_the_mapping_of_a_source_is_remembered(shop: Shop) -> None:
    file = _file(shop, GOOD)
    assert mapping_for(shop, "order_line", [file], source="till", mapping=None)[1] == "proposed"
    load(shop, "order_line", [file], source="till")
    assert mapping_for(shop, "order_line", [file], source="till", mapping=None)[1] == "saved"
    assert mapping_for(shop, "order_line", [file], source="app", mapping=None)[1] == "proposed"


def test_a_failed_load_is_recorded_and_changes_nothing(shop: Shop) -> None:
    with pytest.raises(ShopkeeperError):
        load(shop, "order_line", [_file(shop, "colour,shape\nred,round\n")], source="till")
    assert _rows(shop) == 0


def test_what_a_database_says_of_a_row_is_told_and_not_recorded(shop: Shop) -> None:
    # The row that breaks comes long after those that the mapping is proposed from.
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {2 * BATCH_ROWS})"
    broken = f"CASE WHEN i < {2 * BATCH_ROWS} THEN '$.a' ELSE '$13812345678' END"
    query = f"{numbers} SELECT i AS product_id, json_extract('{{}}', {broken}) AS name FROM n"
    with pytest.raises(StorageError, match="13812345678"):
        load(shop, "product", [f"sqlite:///{shop.folder / 'other.db'}"], source="erp", query=query)
    (record,) = shop.state.loads.recent()
    assert record.state == "failed"
    assert record.error is not None
    assert "the database did not answer" in record.error
    assert "13812345678" not in record.error


def test_headers_that_say_nothing_name_what_is_missing(shop: Shop) -> None:
    with pytest.raises(DataError, match="order_id") as error:
        mapping_for(shop, "order_line", [_file(shop, "colour,shape\nred,round\n")], source="till", mapping=None)
    assert "--mapping" in str(error.value)


def test_a_preview_changes_nothing_at_all(shop: Shop) -> None:
    found = preview(shop, "order_line", [_file(shop, GOOD)], source="till")
    assert (found.receipt.received, found.receipt.stored) == (2, 2)
    assert (_rows(shop), shop.state.loads.recent(), shop.state.mappings.find("till", "order_line")) == (0, [], None)


def test_refused_rows_wait_and_come_in_with_a_mended_mapping(shop: Shop, tmp_path: Path) -> None:
    mapping = tmp_path / "till.toml"
    mapping.write_text(MENDED.replace("%m/%d/%y", "%d/%m/%y"), encoding="utf-8")
    receipt = load(shop, "order_line", [_file(shop, BAD)], source="till", mapping=mapping)
    assert (receipt.stored, receipt.refused) == (0, 1)
    (waiting,) = list_refused(shop)
    assert (waiting["table_name"], waiting["source"], waiting["rows"]) == ("order_line", "till", 1)
    (row,) = show_refused(shop, "order_line").to_pylist()
    assert row["column_name"] == "ordered_at"
    still = replay(shop, "order_line", source="till")
    assert (still.stored, still.refused) == (0, 1)
    mapping.write_text(MENDED, encoding="utf-8")
    again = replay(shop, "order_line", source="till", mapping=mapping)
    assert (again.received, again.stored, _rows(shop)) == (1, 1, 1)
    assert list_refused(shop) == []
    assert replay(shop, "order_line", source="till").received == 0


def test_replaying_without_a_mapping_says_how(shop: Shop) -> None:
    with pytest.raises(MissingError, match="--mapping"):
        replay(shop, "order_line", source="nobody")


def test_a_computed_table_is_not_loaded(shop: Shop) -> None:
    with pytest.raises(UsageError, match="computed"):
        load(shop, "profile", [_file(shop, GOOD)])


def test_a_database_is_loaded_on_from_its_watermark(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "till.db"
    columns = "order_id, line_no, store_id, product_id, ordered_at, quantity, net_amount"
    query, url = f"SELECT {columns} FROM line", f"sqlite:///{file}"

    def sell(*days: int) -> None:
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(f"CREATE TABLE IF NOT EXISTS line ({columns})")
            rows = [(f"o{day}", 1, "s1", "p1", f"2026-02-{day:02} 10:00:00", 1, 3.5) for day in days]
            database.executemany("INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    sell(1, 2)
    assert load(shop, "order_line", [url], source="erp", query=query, since="ordered_at").stored == 2
    sell(3)
    second = load(shop, "order_line", [url], source="erp", query=query, since="ordered_at")
    assert second.stored == 1
    assert second.received < 3
    assert _rows(shop) == 3


def test_what_signs_in_to_a_database_is_not_recorded(shop: Shop) -> None:
    url = "postgresql://reader:hunter2@127.0.0.1:1/till"
    with pytest.raises(ShopkeeperError) as error:
        load(shop, "product", [url], source="erp", query="SELECT 1")
    assert "hunter2" not in str(error.value)
    assert "hunter2" not in str([(record.file_name, record.error) for record in shop.state.loads.recent()])


def test_a_second_load_of_a_table_says_who_loads_it_and_stores_nothing(shop: Shop) -> None:
    with loading(shop, "order_line", "night job"):
        with pytest.raises(ConflictError, match="order_line is being loaded by night job since"):
            load(shop, "order_line", [_file(shop, GOOD)], source="till")
        assert _rows(shop) == 0
    assert load(shop, "order_line", [_file(shop, GOOD)], source="till").stored == 2


def test_a_load_that_failed_leaves_the_table_free(shop: Shop) -> None:
    with pytest.raises(ShopkeeperError):
        load(shop, "order_line", [str(shop.folder / "nowhere.csv")], source="till", mapping=_mending(shop))
    assert load(shop, "order_line", [_file(shop, GOOD)], source="till").stored == 2
    assert not [lease for lease in shop.state.leases.live(system_clock()) if lease.name.startswith("load:")]


def test_of_two_processes_the_second_is_told(shop: Shop) -> None:
    command = [sys.executable, "-c", "from shopkeeper.cli.main import entry; entry()", "load", "order_line"]
    command += [_file(shop, GOOD), "--source", "till", "--shop", str(shop.folder)]
    with loading(shop, "order_line", "night job"):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    taken = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "order_line is being loaded by night job" in refused.stderr
    assert taken.returncode == 0, taken.stderr
    assert _rows(shop) == 2


def _mending(shop: Shop) -> Path:
    file = shop.folder.parent / "mending.toml"
    file.write_text(MENDED, encoding="utf-8")
    return file


TICKETS = (
    "小票号,门店编号,门店名称,商品编码,商品名称,交易时间,数量,实收金额\n"
    "1,0900,徐家汇店,0690001,鲜牛奶,2026-02-01 10:00,1,3.50\n"
)


def _also(shop: Shop, text: str, table: str = "order_line") -> dict[str, ColumnMapping]:
    path = _file(shop, text)
    return also_described(shop, mapping_for(shop, table, [path], source="till", mapping=None)[0], path)


def test_a_file_of_tickets_describes_goods_and_stores(shop: Shop) -> None:
    found = _also(shop, TICKETS)
    assert {name: [rule.target for rule in mapping.rules] for name, mapping in found.items()} == {
        "product": ["product_id", "name"],
        "store": ["store_id", "name"],
    }
    assert _also(shop, GOOD) == {}  # it has their ids alone
    assert _also(shop, TICKETS, "product") == {}


def test_what_is_described_on_the_side_is_no_mapping_for_next_time(shop: Shop) -> None:
    path, found = _file(shop, TICKETS), _also(shop, TICKETS)
    ((name, receipt),) = load_also(shop, {"product": found["product"]}, [path], source="till")
    assert isinstance(receipt, Receipt)
    assert (name, receipt.stored) == ("product", 1)
    assert shop.state.mappings.find("till", "product") is None


SECOND_SHEET = """
table = "order_line"
source = "till"

[file]
sheet = "tickets"

[columns]
order_id = "小票号"
store_id = "门店编号"
product_id = "商品编码"
ordered_at = "交易时间"
quantity = "数量"
net_amount = "实收金额"
channel = { constant = "store" }
"""


def test_goods_and_stores_are_sought_on_the_sheet_that_the_tickets_mapping_names(shop: Shop) -> None:
    path = shop.folder.parent / "lines.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("notes").write_row(0, 0, ["说明", "日期"])
        sheet = book.add_worksheet("tickets")
        for place, line in enumerate(TICKETS.splitlines()):
            sheet.write_row(place, 0, line.split(","))
    mapping = ColumnMapping.from_toml(SECOND_SHEET)
    assert load(shop, "order_line", [str(path)], source="till", mapping=mapping).stored == 1
    found = also_described(shop, mapping, str(path))
    ((_, receipt),) = load_also(shop, {"product": found["product"]}, [str(path)], source="till")
    assert isinstance(receipt, Receipt)
    assert receipt.stored == 1


def test_a_file_that_cannot_be_looked_at_describes_nothing_and_stops_nothing(shop: Shop) -> None:
    mapping = mapping_for(shop, "order_line", [_file(shop, TICKETS)], source="till", mapping=None)[0]
    assert also_described(shop, mapping, str(shop.folder / "nowhere.csv")) == {}


def test_of_goods_that_come_twice_the_row_with_a_name_is_kept(shop: Shop) -> None:
    nameless = "1,0900,徐家汇店,0690001,,2026-02-01 10:00,1,3.50\n"
    head, row = TICKETS.splitlines(keepends=True)
    found = _also(shop, TICKETS)
    path = _file(shop, head + nameless + row + row.replace("鲜牛奶", "牛奶"))
    ((_, receipt),) = load_also(shop, {"product": found["product"]}, [path], source="till")
    assert isinstance(receipt, Receipt)
    assert (receipt.stored, receipt.duplicate) == (1, 2)
    names = shop.arrow(Query.from_sql("SELECT name FROM product", name="names")).to_pylist()
    assert names == [{"name": "鲜牛奶"}]
