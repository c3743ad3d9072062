"""Looking into the lake from a program: states with lineage, rows by key, files in which no formula runs."""

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import load_workbook

from shopkeeper.app.shop import Shop
from shopkeeper.app.table import describe, export, export_rows, list_tables, show
from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.schema.table import Privacy
from shopkeeper.schema.tables import TABLES

_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r")


def _batches(values: list[str], size: int = 3) -> Iterator[pa.RecordBatch]:
    rows = pa.table({"n": pa.array(range(len(values)), pa.int64()), "text": pa.array(values, pa.string())})
    yield from rows.to_batches(size) or [pa.RecordBatch.from_pylist([], rows.schema)]


def test_the_list_has_what_holds_something_and_all_if_asked(journey: Shop) -> None:
    held = {state.name: state for state in list_tables(journey)}
    assert set(held) <= set(TABLES)
    assert {state.name for state in list_tables(journey, every=True)} == set(TABLES)
    for name, state in held.items():
        assert state.rows == journey.table(name).aggregate("count(*)").fetchall()[0][0], name


def test_a_derived_table_says_what_it_was_computed_from_and_as_of_when(journey: Shop) -> None:
    held = {state.name: state for state in list_tables(journey)}
    assert held["profile"].as_of == "2017-12-31"
    assert set(held["profile"].inputs) == {"basket", "person_habit", "person", "customer"}
    assert held["order_line"].inputs == ()
    assert held["order_line"].as_of is None


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_declared_table_is_described_and_shown(name: str, little_chain: Shop) -> None:
    state, columns = describe(little_chain, name)
    shown = show(little_chain, name, 3)
    assert state.meaning
    assert shown.column_names == [column.name for column in columns]
    assert shown.num_rows == min(3, state.rows)


def test_rows_come_by_key(little_chain: Shop) -> None:
    keys = show(little_chain, "product", 50)["product_id"].to_pylist()
    assert keys == sorted(keys)


def test_an_unknown_table_says_how_to_list_them(journey: Shop) -> None:
    with pytest.raises(MissingError, match="shopkeeper table list"):
        show(journey, "customers")


@pytest.mark.parametrize(
    "name", [name for name, table in TABLES.items() if any(c.privacy is Privacy.TOKEN for c in table.columns)]
)
def test_tokens_stay_in_the_house(name: str, little_chain: Shop, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.parquet"
    export(little_chain, name, file)
    tokens = {column.name for column in TABLES[name].columns if column.privacy is Privacy.TOKEN}
    assert not tokens & set(pq.read_schema(file).names)


def test_an_export_is_the_whole_table(little_chain: Shop, tmp_path: Path) -> None:
    file = tmp_path / "lines.parquet"
    rows = export(little_chain, "order_line", file)
    found = pq.read_table(file)
    whole = little_chain.table("order_line").aggregate("count(*), sum(net_amount)").fetchall()[0]
    assert (rows, found.num_rows, sum(found["net_amount"].to_pylist())) == (whole[0], *whole)


def test_another_ending_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.parquet"):
        export_rows(_batches(["a"]), tmp_path / "rows.doc")
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.one_of(_TEXT, st.sampled_from(_STARTS).flatmap(lambda start: _TEXT.map(lambda rest: start + rest)))))
def test_csv_reads_back_and_starts_no_formula(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    file = tmp_path_factory.mktemp("csv") / "rows.csv"
    assert export_rows(_batches(values), file) == len(values)
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    texts = [row["text"] for row in rows]
    assert [
        text.removeprefix("'") if given.startswith(_STARTS) else text for text, given in zip(texts, values, strict=True)
    ] == values
    assert not [text for text in texts if text.startswith(_STARTS)]


def test_a_workbook_holds_texts_not_formulas_nor_links(tmp_path: Path) -> None:
    values = ["=1+1", "http://example.test", "+86", "007", "平"]
    file = tmp_path / "rows.xlsx"
    export_rows(_batches(values), file)
    headings, *rows = load_workbook(file).get_sheet_by_index(0).to_python()
    assert headings == ["n", "text"]
    assert [row[1] for row in rows] == ["'=1+1", "http://example.test", "'+86", "007", "平"]


def test_values_of_every_type_are_written(tmp_path: Path) -> None:
    row = {
        "day": date(2026, 2, 28),
        "at": datetime(2026, 2, 28, 10, 30, tzinfo=UTC),
        "money": Decimal("12.3400"),
        "flag": True,
        "nothing": None,
        "list": ["a", "b"],
    }
    batch = pa.RecordBatch.from_pylist([row])
    for ending in ("csv", "xlsx", "json", "parquet"):
        assert export_rows(iter([batch]), tmp_path / f"rows.{ending}") == 1
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as opened:
        (found,) = csv.DictReader(opened)
    assert (found["day"], found["money"], found["nothing"], found["list"]) == ("2026-02-28", "12.34", "", '["a", "b"]')
    assert found["at"] == "2026-02-28T10:30:00+00:00"
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == [row]
