import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy
import xlsxwriter

from shopkeeper.base.errors import FaultsError, MissingError, UsageError
from shopkeeper.collect.mapping import Mapping
from shopkeeper.storage.keys import Key
from shopkeeper.storage.sealed import SealedFile, SealedWriter
from shopkeeper.storage.sealing import Sealing
from tests.collect.conftest import NOW, Desk

LINES = """
table = "order_line"
source = "till"
[columns]
order_id = "ticket"
line_no = "line"
customer_id = "member"
store_id = "store"
product_id = "sku"
ordered_at = "time"
quantity = "qty"
net_amount = "paid"
product_discount = "off"
"""
HEAD = "ticket,line,member,store,sku,time,qty,paid,off\n"
GOOD = "A1,1,M1,S1,007,2024-01-05 10:00:00,2,9.50,0.50\nA1,2,M1,S1,008,2024-01-05 10:00:00,1,3.00,0\n"

PRODUCTS = """
table = "product"
[columns]
product_id = "sku"
name = "name"
list_price = "price"
"""


def test_lines_come_in_with_what_follows_from_them(desk: Desk) -> None:
    receipt = desk.load(LINES, desk.file("a.csv", HEAD + GOOD))
    assert (receipt.received, receipt.stored, receipt.refused) == (2, 2, 0)
    columns = "order_id, line_no, source, product_id, ordered_at, business_day, gross_amount, net_amount"
    assert desk.rows("order_line", columns)[0] == (
        "A1",
        1,
        "till",
        "007",
        datetime(2024, 1, 5, 2, tzinfo=UTC),
        date(2024, 1, 5),
        Decimal(10),
        Decimal("9.5"),
    )


def test_the_same_file_twice_changes_nothing(desk: Desk) -> None:
    bad = "A9,1,M1,S1,007,never,2,9.50,0\n"
    path = desk.file("a.csv", HEAD + GOOD + bad)
    desk.load(LINES, path)
    before = desk.snapshots()
    receipt = desk.load(LINES, path)
    assert (receipt.duplicate, receipt.stored, receipt.reasons) == (2, 0, {"not_a_time": 1})
    assert desk.snapshots() == before


def test_a_fact_that_contradicts_is_a_conflict_unless_it_may_replace(desk: Desk) -> None:
    desk.load(LINES, desk.file("a.csv", HEAD + GOOD))
    other = desk.file(
        "b.csv", HEAD + "A1,1,M1,S1,007,2024-01-05 10:00:00,2,8.00,2.00\nA2,1,,S1,007,2024-01-06 1:00,1,1,0\n"
    )
    receipt = desk.load(LINES, other)
    assert (receipt.stored, receipt.refused, receipt.reasons) == (1, 1, {"conflict": 1})
    assert desk.rows("order_line", "net_amount")[0][0] == Decimal(1)
    receipt = desk.load(LINES, other, replace=True)
    assert (receipt.updated, receipt.duplicate) == (1, 1)
    assert [row[0] for row in desk.rows("order_line", "net_amount")] == [1, 3, 8]


def test_a_replaced_line_may_move_to_another_month(desk: Desk) -> None:
    desk.load(LINES, desk.file("a.csv", HEAD + GOOD + "B1,1,,S1,9,2024-02-01 10:00:00,1,1,0\n"))
    moved = desk.file("b.csv", HEAD + "A1,1,M1,S1,007,2024-02-02 10:00:00,2,9.50,0.50\n")
    assert desk.load(LINES, moved, replace=True).updated == 1
    days = [(row[0], row[1]) for row in desk.rows("order_line", "order_id || line_no, business_day")]
    assert days == [("A11", date(2024, 2, 2)), ("A12", date(2024, 1, 5)), ("B11", date(2024, 2, 1))]


def test_master_rows_are_updated_and_keep_what_a_file_does_not_bring(desk: Desk) -> None:
    desk.load(PRODUCTS, desk.file("p.csv", "sku,name,price\n007,Cola,3\n008,Chips,5\n"))
    prices = PRODUCTS.replace('name = "name"\n', "")
    receipt = desk.load(prices, desk.file("q.csv", "sku,price\n007,3.50\n008,5\n009,1\n009,1\n009,2\n"))
    assert (receipt.stored, receipt.updated, receipt.duplicate) == (1, 2, 2)
    assert desk.rows("product", "product_id, name, list_price") == [
        ("007", "Cola", Decimal("3.5")),
        ("008", "Chips", Decimal(5)),
        ("009", None, Decimal(2)),
    ]


def test_what_is_known_can_be_left_as_it_is(desk: Desk) -> None:
    desk.load(PRODUCTS, desk.file("a.csv", "sku,name,price\n007,Milk,1.50\n"))
    rows = "sku,name,price\n007,Milk on offer,1\n008,Bread,2\n008,Bread loaf,2\n"
    receipt = desk.load(PRODUCTS, desk.file("b.csv", rows), only_new=True)
    assert (receipt.received, receipt.stored, receipt.updated, receipt.duplicate) == (3, 1, 0, 2)
    assert desk.rows("product", "product_id, name") == [("007", "Milk"), ("008", "Bread")]


def test_lines_say_what_those_that_are_not_refused_add_up_to(desk: Desk) -> None:
    bad = "A9,1,M1,S1,007,never,2,100,0\n"
    conflict = "A1,1,M1,S1,007,2024-01-05 10:00:00,2,9.60,0.50\n"
    receipt = desk.load(LINES, desk.file("a.csv", HEAD + GOOD + bad + conflict))
    assert (receipt.refused, receipt.net_amount) == (2, "12.5")
    assert desk.load(PRODUCTS, desk.file("p.csv", "sku,name,price\n007,Milk,1.50\n")).net_amount is None


def test_doubles_inside_a_file_are_counted(desk: Desk) -> None:
    receipt = desk.load(LINES, desk.file("a.csv", HEAD + GOOD + GOOD + "A1,2,M1,S1,008,2024-01-05 10:00:00,1,4,0\n"))
    assert (receipt.received, receipt.stored, receipt.duplicate, receipt.reasons) == (5, 2, 2, {"conflict": 1})


@pytest.mark.parametrize(
    ("row", "column", "reason", "masked"),
    [
        (",1,M1,S1,007,2024-01-05 10:00:00,2,9.50,0", "order_id", "missing", None),
        ("A1,x,M1,S1,007,2024-01-05 10:00:00,2,9.50,0", "line_no", "not_a_whole_number", "x"),
        ("A1,1.5,M1,S1,007,2024-01-05 10:00:00,2,9.50,0", "line_no", "not_a_whole_number", "1.9"),
        ("A1,1,M1,S1,007,2024-13-05,2,9.50,0", "ordered_at", "not_a_time", "2999-99-99"),
        ("A1,1,M1,S1,007,2024-01-05,two,9.50,0", "quantity", "not_a_number", "txx"),
        ("A1,1,M1\0,S1,007,2024-01-05,2,9.50,0", None, "not_decoded", None),
        ("A1,1,M1,S1,007,2024-01-05,2,3e11,0", "net_amount", "number_too_large", "3x99"),
        ("A1,1,M1,S1,007,2024-01-05,2,9.50,-1", "product_discount", "negative", "-9"),
        ("A1,1,M1,S1,6.9E+12,2024-01-05,2,9.50,0", "product_id", "damaged_code", "6.9x+99"),
        ("A1,1,M1,S1,a@b.cn,2024-01-05,2,9.50,0", "product_id", "holds_email", "a@x.xx"),
        ("A1,1,M1,S1", None, "number_of_values", None),
        ("A1,1,M1,S1,007,2024-01-05,2,9.50,0,5", None, "number_of_values", None),
    ],
)
def test_a_row_that_breaks_the_contract_is_refused_with_its_reason(
    desk: Desk, row: str, column: str | None, reason: str, masked: str | None
) -> None:
    receipt = desk.load(LINES, desk.file("a.csv", f"{HEAD}{row}\n{GOOD}"))
    assert (receipt.received, receipt.stored, receipt.reasons) == (3, 2, {reason: 1})
    listed = desk.rows("refused", "file_name, row_no, column_name, reason, masked_value, state")
    assert listed == [("a.csv", 2, column, reason, masked, "open")]


def test_refused_rows_come_back_after_a_fix_and_twice_does_no_harm(desk: Desk) -> None:
    row = "A2,1,M1,S1,007,05/01/2024 10:00,2,9.50,0\n"
    desk.load(LINES, desk.file("a.csv", HEAD + GOOD + row + row.replace("A2,1", "A2,x")))
    fixed = Mapping.from_toml(LINES.replace('"time"', '{ column = "time", format = "%d/%m/%Y %H:%M" }'))
    receipt = desk.loader.replay("order_line", fixed, now=NOW)
    assert (receipt.received, receipt.stored, receipt.reasons) == (2, 1, {"not_a_whole_number": 1})
    assert [row[0] for row in desk.rows("refused", "state")] == ["open", "replayed"]
    before = desk.snapshots()
    again = desk.loader.replay("order_line", fixed, now=NOW)
    assert (again.received, again.stored, again.refused) == (1, 0, 1)
    assert desk.snapshots() == before
    assert len(desk.rows("order_line")) == 3


def test_a_conflict_is_replayed_with_replace(desk: Desk) -> None:
    desk.load(LINES, desk.file("a.csv", HEAD + GOOD))
    desk.load(LINES, desk.file("b.csv", HEAD + GOOD.replace("9.50", "9.60")))
    mapping = Mapping.from_toml(LINES)
    assert desk.loader.replay("order_line", mapping, now=NOW).reasons == {"conflict": 1}
    assert desk.loader.replay("order_line", mapping, now=NOW, replace=True).updated == 1
    assert desk.rows("order_line", "max(net_amount)") == [(Decimal("9.6"),)]
    assert desk.loader.replay("order_line", mapping, now=NOW, replace=True).received == 0


def test_lines_without_numbers_get_their_place_in_the_order_and_keep_it_in_a_replay(desk: Desk) -> None:
    mapping = LINES.replace('line_no = "line"\n', "")
    head = HEAD.replace(",line", "")
    rows = (
        "A1,,S1,7,2024-01-05,x,1,0\nA2,,S1,7,2024-01-05,1,1,0\nA1,,S1,8,2024-01-05,1,2,0\nA1,,S1,8,2024-01-05,1,2,0\n"
    )
    path = desk.file("a.csv", head + rows)
    assert desk.load(mapping, path).stored == 3
    assert desk.load(mapping, path).duplicate == 3
    assert desk.rows("order_line", "order_id, line_no") == [("A1", 2), ("A1", 3), ("A2", 1)]
    fixed = Mapping.from_toml(mapping.replace('"qty"', '{ column = "qty", values = { x = "4" } }'))
    assert desk.loader.replay("order_line", fixed, now=NOW).stored == 1
    assert desk.rows("order_line", "order_id, line_no, quantity")[0] == ("A1", 1, Decimal(4))
    assert desk.load(fixed, path).duplicate == 4


def test_a_line_refused_twice_is_kept_twice(desk: Desk) -> None:
    mapping = LINES.replace('line_no = "line"\n', "")
    row = "A1,,S1,7,2024-01-05,x,1,0\n"
    desk.load(mapping, desk.file("a.csv", HEAD.replace(",line", "") + row + row))
    fixed = Mapping.from_toml(mapping.replace('"qty"', '{ column = "qty", values = { x = "4" } }'))
    assert desk.loader.replay("order_line", fixed, now=NOW).stored == 2


def test_a_return_gives_back_what_was_paid(desk: Desk) -> None:
    mapping = LINES.replace('net_amount = "paid"', 'net_amount = "paid"\ngross_amount = "list"')
    desk.load(mapping, desk.file("a.csv", HEAD.replace("off", "off,list") + "A1,1,,S1,7,2024-01-05,-1,-8,-2,-10\n"))
    found = desk.rows("order_line", "gross_amount, product_discount, net_amount")
    assert found == [(Decimal(-8), Decimal(0), Decimal(-8))]


def test_the_business_day_follows_the_stores_cut_over(desk: Desk) -> None:
    stores = 'table = "store"\n[columns]\nstore_id = "store"\ncutover_hour = "hour"\n'
    desk.load(stores, desk.file("s.csv", "store,hour\nS1,5\nS2,\n"))
    rows = "".join(f"{store},1,,{store},7,2024-01-05 04:30:00,1,1,0\n" for store in ("S1", "S2"))
    desk.load(LINES, desk.file("a.csv", HEAD + rows))
    assert desk.rows("order_line", "store_id, business_day") == [("S1", date(2024, 1, 4)), ("S2", date(2024, 1, 5))]


def test_since_takes_only_newer_rows(desk: Desk) -> None:
    first = desk.load(LINES, desk.file("a.csv", HEAD + GOOD), since="ordered_at")
    assert first.watermark == "2024-01-05T02:00:00+00:00"
    newer = HEAD + "A0,1,,S1,7,2024-01-04 10:00:00,1,1,0\n" + GOOD + "A3,1,,S1,7,2024-01-06 10:00:00,1,1,0\n"
    second = desk.load(LINES, desk.file("b.csv", newer), since="ordered_at", watermark=first.watermark)
    assert (second.received, second.skipped, second.stored, second.duplicate) == (3, 1, 1, 2)
    assert second.watermark == "2024-01-06T02:00:00+00:00"
    with pytest.raises(MissingError, match="no column 'nothing'"):
        desk.load(LINES, desk.file("b.csv", newer), since="nothing")


def test_a_dry_run_shows_what_would_happen_and_changes_nothing(desk: Desk) -> None:
    path = desk.file("a.csv", HEAD + GOOD + "A2,1,,S1,7,never,1,1,0\n")
    preview = desk.loader.preview([path], Mapping.from_toml(LINES), now=NOW)
    assert (preview.receipt.stored, preview.receipt.refused) == (2, 1)
    assert [row["product_id"] for row in preview.rows] == ["007", "008"]
    assert preview.refused[0]["reason"] == "not_a_time"
    assert desk.snapshots() == {}
    assert list(desk.loader.vault.bodies()) == []
    assert list(desk.loader.scratch.iterdir()) == []


def test_headers_that_are_left_out_are_named(desk: Desk) -> None:
    path = desk.file("a.csv", HEAD.replace("off", "off,shift,note") + "A1,1,M1,S1,007,2024-01-05,2,9.50,0,early,\n")
    mapping = Mapping.from_toml(LINES)
    assert desk.loader.preview([path], mapping, now=NOW).receipt.left_out == ("shift", "note")
    assert desk.load(LINES, path, desk.file("b.csv", HEAD + GOOD)).left_out == ("shift", "note")


@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "unnumbered"])
def test_many_rows_are_settled_in_parts_with_the_same_outcome(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, numbered: bool
) -> None:
    head, mapping = (HEAD, LINES) if numbered else (HEAD.replace(",line", ""), LINES.replace('line_no = "line"\n', ""))
    line = ",1" if numbered else ""
    rows = [f"A{i},{line[1:]}{',' if numbered else ''}M1,S1,007,2024-01-0{1 + i % 9},{i},1,0\n" for i in range(50)]
    path = desk.file(
        "a.csv", head + "".join([*rows, *rows[:7]] if numbered else [*rows, rows[3].replace(",3,", ",x,")])
    )
    monkeypatch.setattr("shopkeeper.collect.settle._PART_ROWS", 9)
    receipt = desk.load(mapping, path)
    assert (receipt.stored, receipt.duplicate, receipt.refused) == ((50, 7, 0) if numbered else (50, 0, 1))
    assert desk.load(mapping, path).stored == 0
    assert {row[0] for row in desk.rows("order_line", "line_no")} == {1}
    preview = desk.loader.preview([path], Mapping.from_toml(mapping), now=NOW)
    assert [row["order_id"] for row in preview.rows] == [f"A{i}" for i in range(20)]


def test_a_header_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(FaultsError, match=r"columns.quantity: the file has no column 'qty'"):
        desk.load(LINES, desk.file("a.csv", HEAD.replace("qty", "number") + GOOD))


def _parquet(path: Path) -> None:
    rows = {"sku": ["007"], "name": ["Cola"], "price": pa.array([3.5]), "more": [[1, 2]]}
    pq.write_table(pa.table(rows), path)


def _excel(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("价格")
        for row, cells in enumerate([["商品价目表"], [], ["sku", "name", "price"], ["007", "Cola", 3.5]]):
            sheet.write_row(row, 0, cells)
        sheet.write_string(3, 0, "007")


def _packed(path: Path) -> None:
    path.write_bytes(gzip.compress("sku,name,price\n007,Cola,3.50\n".encode("utf-16")))


def _json(path: Path) -> None:
    path.write_text('{"sku": "007", "name": "Cola", "price": 3.50}\n\nnot json\n', encoding="utf-8")


def _sealed(path: Path) -> SealedFile:
    sealing = Sealing([Key(b"1" * 32)])
    with SealedWriter(path.with_suffix(".sealed"), sealing) as writer:
        writer.write(path.read_bytes())
    path.unlink()
    return SealedFile(path.with_suffix(".sealed"), sealing, path.name)


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize(
    ("name", "write"),
    [("p.parquet", _parquet), ("p.xlsx", _excel), ("p.jsonl", _json), ("p.csv.gz", _packed)],
)
def test_other_forms_of_file_bring_the_same(
    desk: Desk, name: str, write: Callable[[Path], None], *, sealed: bool
) -> None:
    path = desk.folder / name
    write(path)
    receipt = desk.load(PRODUCTS, _sealed(path) if sealed else str(path))
    assert receipt.stored == 1
    assert receipt.reasons == ({"not_json": 1} if name == "p.jsonl" else {})
    assert desk.rows("product", "product_id, name, list_price") == [("007", "Cola", Decimal("3.5"))]


def test_an_old_workbook_with_days_as_numbers_comes_in_as_proposed(desk: Desk) -> None:
    path = str(Path(__file__).parent / "data" / "till.xls")
    proposal = desk.loader.propose("order_line", path, name="till")
    assert proposal.mapping is not None
    assert desk.load(proposal.mapping, path).stored == 2
    assert desk.rows("order_line", "order_id, customer_id, product_id, net_amount, ordered_at") == [
        ("0001", "00012", "000123", Decimal("9.5"), datetime(2024, 1, 5, 2, 1, tzinfo=UTC)),
        ("0002", None, "000124", Decimal(1200), datetime(2024, 1, 5, 4, tzinfo=UTC)),
    ]


def test_a_database_query_is_streamed(desk: Desk) -> None:
    url = f"sqlite:///{desk.folder / 'erp.db'}"
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE goods (sku TEXT, name TEXT, price NUMERIC)"))
        connection.execute(sqlalchemy.text("INSERT INTO goods VALUES ('007', 'Cola', 3.5), ('008', 'Chips', 5)"))
    engine.dispose()
    assert desk.load(PRODUCTS, url, query="SELECT sku, name, price FROM goods").stored == 2
    with pytest.raises(UsageError, match="needs a query"):
        desk.load(PRODUCTS, url)


def test_a_file_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(MissingError, match=r"no file 'nowhere.csv'"):
        desk.load(PRODUCTS, str(desk.folder / "nowhere.csv"))
