"""`shopkeeper table`: shows wide and empty tables, and writes files that come back as they were."""

import csv
import json
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from python_calamine import load_workbook

from tests.cli.conftest import Says


def test_show_gives_the_promised_shape(says: Says) -> None:
    document = says("table", "show", "order_line", "-n", "3", "--json").document()
    assert set(document) == {"columns", "rows"}
    assert len(document["rows"]) == 3
    assert all(list(row) == document["columns"] for row in document["rows"])


def test_an_empty_table_and_one_never_written_show_no_rows(says: Says) -> None:
    document = says("table", "show", "event", "--json").document()
    assert document["rows"] == []
    assert "message_id" in document["columns"]
    assert "event holds no rows" in says("table", "show", "event").out


def test_a_wide_table_is_shown_as_records_and_every_value_is_whole(says: Says) -> None:
    said = says("table", "show", "profile", "-n", "4")
    assert "row 1" in said.out
    assert "4 rows" in said.out
    for column in ("person_id", "monetary_365d", "lifecycle"):
        assert column in said.out
    assert "…" not in said.out


def test_list_says_what_each_table_is(says: Says) -> None:
    found = {table["name"]: table for table in says("table", "list", "--json").document()}
    assert found["order_line"]["rows"] == 168
    assert found["profile"]["as_of"] == "2026-02-28"
    assert {"basket", "person"} <= set(found["profile"]["inputs"])
    assert "event" not in found
    everything = {table["name"] for table in says("table", "list", "--all", "--json").document()}
    assert "event" in everything


def test_describe_gives_every_column_a_meaning(says: Says) -> None:
    document = says("table", "describe", "order_line", "--json").document()
    assert document["table"]["rows"] == 168
    assert all(column["meaning"] for column in document["columns"])


@pytest.fixture
def shown(says: Says) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = says("table", "show", "product", "--json").document()["rows"]
    return rows


def test_csv_reads_back_with_its_mark_and_formulas_defused(
    says: Says, tmp_path: Path, shown: list[dict[str, object]]
) -> None:
    file = tmp_path / "deep" / "product.csv"
    assert says("table", "export", "product", file, "--json").document()["rows"] == 5
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = {row["product_id"]: row for row in csv.DictReader(opened)}
    assert rows["p0"]["name"] == "'=1+2 凉皮"
    assert rows["p1"]["name"] == "商品 1"
    assert {float(row["list_price"]) for row in rows.values()} == {row["list_price"] for row in shown}


def test_a_workbook_reads_back(says: Says, tmp_path: Path, shown: list[dict[str, object]]) -> None:
    file = tmp_path / "product.xlsx"
    says("table", "export", "product", file)
    headings, *rows = load_workbook(file).get_sheet_by_index(0).to_python()
    found = [dict(zip(headings, row, strict=True)) for row in rows]
    assert [row["product_id"] for row in found] == [row["product_id"] for row in shown]
    assert [row["list_price"] for row in found] == [row["list_price"] for row in shown]
    assert found[0]["name"] == "'=1+2 凉皮"


def test_parquet_reads_back_with_types(says: Says, tmp_path: Path) -> None:
    file = tmp_path / "lines.parquet"
    says("table", "export", "order_line", file)
    rows = pq.read_table(file)
    assert rows.num_rows == 168
    assert str(rows.schema.field("net_amount").type) == "decimal128(18, 4)"
    assert rows["business_day"][0].as_py().year == 2026


def test_json_lines_read_back(says: Says, tmp_path: Path) -> None:
    file = tmp_path / "lines.json"
    says("table", "export", "order_line", file)
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 168
    assert date.fromisoformat(rows[0]["business_day"]).month == 2
    assert sum(row["net_amount"] for row in rows) == pytest.approx(
        sum(row["net_amount"] for row in says("table", "show", "order_line", "-n", "1000", "--json").document()["rows"])
    )


@pytest.mark.parametrize("ending", ["csv", "xlsx", "json", "parquet"])
def test_a_table_without_rows_is_exported_with_its_columns(ending: str, says: Says, tmp_path: Path) -> None:
    file = tmp_path / f"event.{ending}"
    assert says("table", "export", "event", file, "--json").document()["rows"] == 0
    assert file.exists()
    if ending == "csv":
        assert file.read_text(encoding="utf-8-sig").startswith("source,message_id")
    if ending == "parquet":
        assert "message_id" in pq.read_schema(file).names


def test_tokens_of_identifiers_never_leave_in_a_file(says: Says, tmp_path: Path) -> None:
    file = tmp_path / "refused.csv"
    says("table", "export", "refused", file)
    assert "body_key" not in file.read_text(encoding="utf-8-sig").splitlines()[0]
