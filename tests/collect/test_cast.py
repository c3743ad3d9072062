from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkeeper.collect.cast import cast_to
from shopkeeper.schema.table import Column, Type


def cast(kind: Type, texts: list[str], **options: Any) -> list[Any]:
    column = Column("x", kind, "x", values=options.pop("values", ()))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("given", pa.table({"n": range(len(texts)), "t": pa.array(texts, pa.string())}))
        value = cast_to(column, "t", zone="Asia/Shanghai", **options)
        return connection.sql(f"SELECT {value} AS v FROM given ORDER BY n").to_arrow_table()["v"].to_pylist()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"), ("-1.50", "-1.5"), ("1,234.5", "1234.5"), ("１，２３４．５", "1234.5"), ("¥12.00", "12"),
        ("12.5元", "12.5"), ("1.2万元", "12000"), ("3万", "30000"), ("12%", "0.12"), ("(5.00)", "-5"), ("5-", "-5"),
        ("12.", "12"), (".5", "0.5"), ("-.5", "-0.5"), ("1e3", "1000"), ("-¥3.2", "-3.2"), ("1,000,000", "1000000"),
        ("1,5", None), ("abc", None), ("12 34", None), ("1234567,890", None), ("1-2", None), ("--1", None), ("", None),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(text: str, value: str | None) -> None:
    assert cast(Type.MONEY, [text]) == [None if value is None else Decimal(value)]


def test_a_decimal_comma_is_asked_for() -> None:
    assert cast(Type.MONEY, ["1.234,5", "12,5"], decimal=",") == [Decimal("1234.5"), Decimal("12.5")]


def test_whole_numbers() -> None:
    texts = ["1", "3.0", "1,000", "007", "3.5", "99999999999999999999"]
    assert cast(Type.INTEGER, texts) == [1, 3, 1000, 7, None, None]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-05", "2024/1/5", "2024.1.5", "20240105", "2024年1月5日", "２０２４年１月５日", "45296", "45296.5",
        "2024-01-05 12:30:00", "2024/1/5 0:00", "2024-01-04T20:00:00Z",
    ],
)  # fmt: skip
def test_days_as_people_write_them(text: str) -> None:
    assert cast(Type.DATE, [text]) == [date(2024, 1, 5)]


def test_what_is_no_day_or_could_be_two() -> None:
    assert cast(Type.DATE, ["2024-13-05", "2024-02-30", "12", "5/1/2024", "tomorrow"]) == [None] * 5
    assert cast(Type.DATE, ["5/1/2024"], form="%d/%m/%Y") == [date(2024, 1, 5)]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-05 12:30:00", "2024-01-05T12:30:00", "2024/1/5 12:30", "2024年1月5日 12时30分", "2024年1月5日12:30:00",
        "20240105123000", "202401051230", "2024-01-05T04:30:00Z", "2024-01-05 12:30:00+0800", "2024-01-05 12:30:00+08",
        "1704429000", "1704429000000", "45296.5208333333",
    ],
)  # fmt: skip
def test_instants_are_the_shops_unless_they_name_a_zone(text: str) -> None:
    assert cast(Type.INSTANT, [text]) == [datetime(2024, 1, 5, 4, 30, tzinfo=UTC)]


def test_a_day_alone_is_its_midnight_and_nonsense_is_nothing() -> None:
    assert cast(Type.INSTANT, ["2024-01-05", "2024/1/5 25:00", "x"]) == [
        datetime(2024, 1, 4, 16, tzinfo=UTC),
        None,
        None,
    ]


def test_choices_and_truth() -> None:
    assert cast(Type.STRING, ["store", "STORE", "shop"], values=("store", "web")) == ["store", "store", None]
    assert cast(Type.BOOLEAN, ["是", "否", "1", "TRUE", "maybe"]) == [True, False, True, True, None]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.decimals(-(10**12), 10**12, places=2, allow_nan=False), min_size=1, max_size=20))
def test_any_amount_survives_its_usual_forms(amounts: list[Decimal]) -> None:
    for form in ("{:.2f}", "{:,.2f}", "{:,.2f}元", " {:.2f}".strip()):
        assert cast(Type.MONEY, [form.format(amount) for amount in amounts]) == amounts


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=10), st.sampled_from(list(Type)[:7]))
def test_no_text_breaks_a_cast(texts: list[str], kind: Type) -> None:
    clean = [text.encode("utf-8", "ignore").decode().replace("\x00", "") for text in texts]
    assert len(cast(kind, clean)) == len(clean)
