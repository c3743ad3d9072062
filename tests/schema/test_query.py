from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.errors import QueryError
from shopkeeper.schema.query import Bounds, Query, literal
from shopkeeper.schema.table import Column, Table, Type


def test_parameters_are_filled_in_as_typed_constants() -> None:
    query = Query.from_sql(
        "SELECT store_id FROM store WHERE opened_on < $day AND floor_area > $area", day=date(2026, 1, 2), area=1.5
    )
    assert "CAST('2026-01-02' AS DATE)" in query.sql()
    assert "CAST('1.5' AS DOUBLE)" in query.sql()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT nothere FROM store", "nothere"),
        ("SELECT store_id FROM nothere", "nothere, not in the dictionary"),
        ("DELETE FROM store", "no SELECT"),
        ("SELECT FROM WHERE", "not SQL"),
        ("SELECT store_id FROM store WHERE name = $name", r"\$name"),
    ],
)
def test_a_query_that_does_not_fit_the_dictionary_cannot_be_built(text: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        Query.from_sql(text)


def test_a_value_for_no_parameter_is_refused() -> None:
    with pytest.raises(QueryError, match="no parameter other"):
        Query.from_sql("SELECT store_id FROM store", other=1)


def test_tables_and_columns_are_known_also_through_stars_and_names_of_parts() -> None:
    query = Query.from_sql("WITH a AS (SELECT * FROM daily_close) SELECT a.* FROM a JOIN store USING (store_id)")
    assert query.tables == {"daily_close", "store"}
    assert query.columns == ("store_id", "business_day", "sales", "tickets", "tenders")


def test_lineage_names_the_columns_a_result_comes_from() -> None:
    query = Query.from_sql(
        "WITH a AS (SELECT net_amount - coupon_discount AS x FROM order_line) SELECT sum(x) AS y FROM a"
    )
    assert query.lineage("y") == ("order_line.coupon_discount", "order_line.net_amount")


_DAY, _LATER = date(2026, 1, 5), date(2026, 2, 7)


@pytest.mark.parametrize(
    ("where", "bounds"),
    [
        ("business_day >= $a", Bounds(_DAY, None)),
        ("business_day < $a", Bounds(None, _DAY)),
        ("$a <= business_day", Bounds(_DAY, None)),
        ("business_day = $a", Bounds(_DAY, _DAY)),
        ("business_day BETWEEN $a AND $b AND store_id = 'x'", Bounds(_DAY, _LATER)),
        ("(business_day > $a) AND (business_day <= $b)", Bounds(_DAY, _LATER)),
        ("business_day IN ($b, $a)", Bounds(_DAY, _LATER)),
        ("business_day >= $a OR store_id = 'x'", Bounds()),
        ("business_day + INTERVAL 1 DAY >= $a", Bounds()),
        ("NOT business_day >= $a", Bounds()),
    ],
)
def test_the_days_that_matter_are_read_from_the_condition(where: str, bounds: Bounds) -> None:
    named = {name: value for name, value in (("a", _DAY), ("b", _LATER)) if f"${name}" in where}
    query = Query.from_sql(f"SELECT order_id FROM order_line WHERE {where}", **named)
    assert query.bounds() == {"order_line": bounds}


def test_a_table_read_twice_needs_the_days_of_both_readings() -> None:
    text = (
        "SELECT a.order_id FROM order_line AS a, order_line AS b "
        "WHERE a.business_day >= $a AND a.business_day <= $b AND b.business_day = $b"
    )
    assert Query.from_sql(text, a=_DAY, b=_LATER).bounds() == {"order_line": Bounds(_DAY, _LATER)}
    unbound = "SELECT a.order_id FROM order_line AS a, order_line AS b WHERE a.business_day >= $a"
    assert Query.from_sql(unbound, a=_DAY).bounds() == {"order_line": Bounds()}


def test_handed_over_tables_are_known_beside_the_dictionary() -> None:
    given_table = Table("given", "g", (Column("x", Type.INTEGER, "x"),), ("x",))
    assert Query.from_sql("SELECT x FROM given", inputs=(given_table,)).columns == ("x",)


_VALUES = st.one_of(
    st.text(),
    st.integers(-(2**62), 2**62),
    st.booleans(),
    st.dates(date(1000, 1, 1), date(2999, 12, 31)),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.decimals(-(10**12), 10**12, places=4),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(_VALUES)
def test_every_value_comes_back_from_the_engine_as_it_went_in(value: Any) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    if isinstance(value, str) and "\x00" in value:
        return  # no SQL text can hold it; the readers refuse it
    text = sqlglot.select(literal(value).as_("x")).sql("duckdb")
    found = connection.sql(text).to_arrow_table()["x"][0].as_py()
    assert found == (Decimal(str(value)) if isinstance(value, Decimal) else value)


@given(st.text())
def test_no_text_escapes_its_literal_in_either_dialect(text: str) -> None:
    for dialect in ("duckdb", "spark"):
        sql = sqlglot.select(literal(text).as_("x")).sql(dialect)
        tree = sqlglot.parse_one(sql, read=dialect)
        assert tree.selects[0].this.name == text
