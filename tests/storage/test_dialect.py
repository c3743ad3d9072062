"""The same query gives the same rows on DuckDB and Spark, for the words in which they differ."""

import math
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from shopkeeper.base.errors import QueryError
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Column, Table, Type
from shopkeeper.storage.engine import DuckDBEngine, Engine
from shopkeeper.storage.lake import Lake
from tests.spark_cluster import Engines

pytestmark = pytest.mark.spark

UNITS = ("second", "minute", "hour", "day")
COLUMNS = {
    "k": Type.STRING, "i": Type.INTEGER, "n": Type.NUMBER, "m": Type.MONEY, "d": Type.DATE, "ts": Type.INSTANT,
    "b": Type.BOOLEAN, "s": Type.STRING, "mp": Type.MAP, "l": Type.STRINGS,
}  # fmt: skip
T = Table("t", "odd values", tuple(Column(name, kind, name) for name, kind in COLUMNS.items()), ("k",))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


ROWS = pa.table(
    {
        "k": ["a", "a", "a", "b", "b", None],
        "i": pa.array([1, 7, -7, 3, None, 10], pa.int64()),
        "n": pa.array([1.5, 2.5, -2.5, None, 0.1, 1e6]),
        "m": pa.array(
            [Decimal(each) if each else None for each in ("1", "2.5", "2.6", "-0.3333", None, "1000000.0001")],
            pa.decimal128(18, 4),
        ),
        "d": [date(2017, 1, 31), date(2017, 2, 28), date(2016, 2, 29), date(2017, 12, 31), None, date(2018, 1, 1)],
        "ts": pa.array(
            [
                _at("2017-01-31T23:59:59.5"), _at("2017-03-12T06:59:59"), _at("2017-03-12T07:00:00"),
                _at("2017-11-05T05:30:00"), None, _at("2018-01-01T16:00:00"),
            ],
            pa.timestamp("us", "UTC"),
        ),
        "b": [True, False, None, True, False, True],
        "s": ["O'Hara \\ \"q\"", "豆浆\n油条", "", " pad ", "a%b_c", None],
        "mp": pa.array(
            [[("x", "1"), ("y", "2")], [], None, [("x", "9")], [("z", None)], [("x", "")]],
            pa.map_(pa.string(), pa.string()),
        ),
        "l": pa.array([["p", "q"], [], None, ["q"], ["q", "p", None], ["z"]], pa.list_(pa.string())),
    }
)  # fmt: skip

EXPRESSIONS = {
    "division": (
        "i / 2", "i // 2", "i % 3", "m / 3", "m / 0", "i / 0", "n / 0", "i // 0", "i % 0", "m / (m - 1)", "m * 1.5",
        "CAST(m AS DOUBLE) / NULLIF(i, 0)", "CAST(1 AS DECIMAL(18,4)) / 3", "100.0 * i / 7", "coalesce(m, 0) / 7",
    ),
    "rounding": (
        "round(n)", "round(m, 1)", "round(n, 1)", "CAST(n AS BIGINT)", "CAST(m AS BIGINT)", "CAST(-2.5 AS INT)",
        "floor(n)", "ceil(n)", "floor(m)", "CAST(floor(n / 2) AS INT)", "CAST(m * 1.55555 AS DECIMAL(18,4))",
        "CAST(n * 1.23455 AS DECIMAL(18,4))", "round(n * 0.015, 2)", "log(abs(n))", "ln(abs(n))", "pow(n, 2)",
    ),
    "days": (
        "date_diff('day', d, DATE '2017-12-31')", "date_diff('week', d, DATE '2017-12-31')",
        "date_diff('month', d, DATE '2017-12-31')", "date_diff('quarter', d, DATE '2017-12-31')",
        "date_diff('year', d, DATE '2017-12-31')", "d - DATE '2017-01-01'", "d + 7", "d + INTERVAL 7 DAY",
        "d - INTERVAL 1 MONTH", "CAST(d - INTERVAL 1 MONTH AS DATE)", "d + INTERVAL (i) DAY", "d - INTERVAL (i) WEEK",
        "d + INTERVAL (i) MONTH", "date_trunc('month', d)", "CAST(date_trunc('week', d) AS DATE)", "last_day(d)",
        "extract(dow FROM d)", "extract(isodow FROM d)", "dayofweek(d)", "isodow(d)", "extract(week FROM d)",
        "extract(doy FROM d)", "year(d) * 100 + month(d)", "strftime(d, '%Y-%m')", "dayname(d)", "monthname(d)",
        "quarter(d)", "CAST(d AS VARCHAR)", "strptime('2017-01-02', '%Y-%m-%d')",
    ),
    "instants": (
        *(f"date_diff('{unit}', ts, TIMESTAMPTZ '2017-12-31 00:00:30+00')" for unit in UNITS),
        "ts + INTERVAL 90 MINUTE", "ts - INTERVAL '7 days'", "ts + INTERVAL (i) HOUR", "date_trunc('hour', ts)",
        "CAST(date_trunc('day', ts) AS DATE)", "CAST(ts AS DATE)", "extract(second FROM ts)", "epoch(ts)",
        "epoch_ms(ts)", "extract(epoch FROM ts)", "CAST(epoch(ts) AS BIGINT) // 86400",
        "strftime(ts, '%Y-%m-%d %H:%M:%S')",
    ),
    "time zones": (
        "timezone('Asia/Shanghai', ts)", "ts AT TIME ZONE 'America/New_York'",
        "extract(hour FROM timezone('Asia/Shanghai', ts))", "hour(timezone('America/New_York', ts))",
        "CAST(timezone('America/New_York', ts) AS DATE)",
        "CAST(timezone('America/New_York', ts) - INTERVAL 4 HOUR AS DATE)",
        "timezone('America/New_York', CAST(d AS TIMESTAMP))", "date_trunc('month', timezone('Asia/Shanghai', ts))",
        "strftime(timezone('Asia/Shanghai', ts), '%H:%M')", "extract(isodow FROM timezone('Asia/Shanghai', ts))",
        "date_diff('day', CAST(timezone('Asia/Shanghai', ts) AS DATE), DATE '2017-06-01')",
    ),
    "maps and lists": (
        "mp['x']", "mp['nope']", "map_keys(mp)", "cardinality(mp)", "map_contains(mp, 'x')", "MAP {'a': i}", "l[1]",
        "l[2]", "l[-1]", "l[1:2]", "l[i + 10]", "len(l)", "list_contains(l, 'q')", "list_sort(l)",
        "list_has_any(l, ['q'])", "array_to_string(l, ',')", "list_transform(l, lambda x: x || '!')",
        "list_sort(list_distinct(l))",
    ),
    "texts": (
        "s || 'x'", "concat(s, i)", "concat_ws('-', k, s)", "length(s)", "trim(s)", "substr(s, 2, 2)", "strpos(s, 'a')",
        "replace(s, '\\', '/')", "regexp_matches(s, '^[a-z]%')", "regexp_replace(s, '[aeiou]', 'X', 'g')",
        "s LIKE 'a\\%%'", "s LIKE '%\\%'", "s LIKE '%''%'", "s LIKE '%b$_c' ESCAPE '$'", "s ILIKE 'o%'",
        "s = 'O''Hara \\ \"q\"'", "s = '豆浆\n油条'", "contains(s, '\\')", "starts_with(s, 'O')", "md5(k)", "sha256(k)",
        "split_part(s, 'a', 1)", "lpad(k, 3, '0')", "TRY_CAST(s AS BIGINT)", "CAST(i AS VARCHAR)", "CAST(m AS VARCHAR)",
    ),
    "nulls": (
        "greatest(i, 3)", "least(i, n)", "greatest(i, NULL, 2)", "coalesce(k, 'none')", "nullif(k, 'a')",
        "k IS DISTINCT FROM 'a'", "k NOT IN ('a')", "b AND NULL", "isnan(n)", "isfinite(n)",
    "hash(k) = hash('a')", "hash(k) >= 0", "if(i > 3, 1, 0)",
    ),
    "windows": (
        "sum(m) OVER (PARTITION BY k ORDER BY i, d)", "row_number() OVER (PARTITION BY k ORDER BY i)",
        "row_number() OVER (PARTITION BY k ORDER BY i DESC)", "rank() OVER (ORDER BY m)", "ntile(3) OVER (ORDER BY i)",
        "lag(i, 1, 0) OVER (ORDER BY i)", "d - lag(d) OVER (PARTITION BY k ORDER BY d)", "avg(m) OVER (PARTITION BY k)",
        "last_value(i IGNORE NULLS) OVER (ORDER BY d ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
        "sum(i) OVER (ORDER BY d RANGE BETWEEN INTERVAL 365 DAY PRECEDING AND INTERVAL 1 DAY PRECEDING)",
        "count(*) FILTER (WHERE b) OVER (PARTITION BY k)", "percent_rank() OVER (ORDER BY m)",
    ),
}  # fmt: skip

AGGREGATES = (
    "median(i)", "median(m)", "median(n)", "quantile_cont(i, 0.25)", "quantile_cont(m, 0.25)", "quantile_disc(i, 0.5)",
    "quantile(i, 0.5)", "percentile_cont(0.75) WITHIN GROUP (ORDER BY n)", "arg_max(i, d)", "arg_min(s, i)",
    "arg_max(l, d)", "arg_max(s, d)", "max_by(i, d) FILTER (WHERE b)", "count(*) FILTER (WHERE b)",
    "sum(i) FILTER (WHERE d > DATE '2017-01-01')", "count(DISTINCT i)", "avg(m)", "avg(i)", "avg(m) FILTER (WHERE b)",
    "stddev(n)", "var_samp(i)", "list(i ORDER BY i)", "array_agg(s ORDER BY d DESC)",
    "list(i ORDER BY i DESC NULLS FIRST)", "list(i ORDER BY i) FILTER (WHERE i > 100)", "list(i ORDER BY i DESC)[1:2]",
    "list(i ORDER BY i)[1]", "len(list(i))",
    "list_sort(list(DISTINCT i))", "array_agg(DISTINCT b ORDER BY b)", "bool_or(b)",
    "any_value(b)", "count_if(b)", "CAST(sum(m) AS DECIMAL(18,4))", "round(avg(m), 2)", "sum(i) / count(*)",
    "sum(m) / sum(i)", "100.0 * count(*) / sum(count(*)) OVER ()", "median(date_diff('day', DATE '2017-01-01', d))",
)  # fmt: skip

QUERIES = (
    "SELECT k, string_agg(s, ',' ORDER BY i) AS x FROM t GROUP BY k ORDER BY k",
    "SELECT x, x * 2 AS y FROM range(3) AS g(x) ORDER BY x",
    "SELECT k, i FROM t QUALIFY row_number() OVER (PARTITION BY k ORDER BY i DESC, d) <= 2 ORDER BY i DESC, k LIMIT 3",
    "SELECT k, sum(i) AS total FROM t GROUP BY k QUALIFY rank() OVER (ORDER BY sum(i) DESC) <= 2 ORDER BY total DESC",
    "SELECT DISTINCT ON (k) k, i FROM t ORDER BY k, i",
    "SELECT k, i * 2 AS twice, twice + 1 AS more FROM t WHERE twice > 2 ORDER BY k, i",
    "SELECT k AS g, b, count(*) AS c FROM t GROUP BY ALL HAVING c > 0 ORDER BY ALL",
    "SELECT * EXCLUDE (mp, l) FROM t ORDER BY k, i",
    "SELECT i FROM t ORDER BY i DESC",
    "SELECT k, b, count(*) AS c FROM t GROUP BY ROLLUP (k, b) ORDER BY k, b, c",
    "WITH x AS NOT MATERIALIZED (SELECT k, i FROM t) SELECT k, max(i) AS m FROM x GROUP BY ALL ORDER BY k",
    (
        "WITH gaps AS (SELECT k, d - lag(d) OVER (PARTITION BY k ORDER BY d) AS gap FROM t) SELECT k, "
        "median(gap) AS g, stddev_samp(gap) / NULLIF(avg(gap), 0) AS v FROM gaps WHERE gap IS NOT NULL "
        "GROUP BY k ORDER BY k"
    ),
    "SELECT a.k FROM t AS a ANTI JOIN t AS b ON a.k = b.k AND b.i > 5 ORDER BY a.k",
    "SELECT k, unnest(l) AS x FROM t ORDER BY k, x",
    "SELECT CAST(x AS DATE) AS x FROM generate_series(DATE '2017-01-30', DATE '2017-02-02', INTERVAL 1 DAY) AS g(x)",
    "SELECT k, i FROM t WHERE d BETWEEN DATE '2017-01-01' AND DATE '2017-12-31' AND k IN ('a', 'b') ORDER BY ALL",
    "SELECT k, i FROM t WHERE ts >= '2017-03-12' AND d > '2017-01-31' ORDER BY ALL",
    "SELECT k FROM t WHERE i NOT IN (SELECT i FROM t WHERE i IS NOT NULL AND i > 5) ORDER BY k",
    "SELECT i, sum(i) OVER w AS a FROM t WINDOW w AS (PARTITION BY k ORDER BY d) ORDER BY ALL",
)


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> DuckDBEngine:
    place = tmp_path_factory.mktemp("duck")
    return DuckDBEngine(Lake(place / "lake"), spill=place / "spill", memory_limit="512MB")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _columns(engine: Engine, query: Query, rows: pa.Table = ROWS) -> dict[str, list[Any]]:
    found = engine.arrow(query, {"t": rows})
    return {name: _plain(found[name].to_pylist()) for name in found.column_names}


@pytest.mark.parametrize("group", EXPRESSIONS)
def test_expressions(group: str, duck: DuckDBEngine, spark_engine: Engines) -> None:
    texts = EXPRESSIONS[group]
    columns = ", ".join(f"{text} AS x{place}" for place, text in enumerate(texts))
    query = Query.from_sql(f"SELECT {columns} FROM t ORDER BY k, i", inputs=(T,))
    expected, found = _columns(duck, query), _columns(spark_engine(duck._lake), query)
    wrong = {
        text: (expected[f"x{place}"], found[f"x{place}"])
        for place, text in enumerate(texts)
        if expected[f"x{place}"] != found[f"x{place}"]
    }
    assert not wrong


def test_aggregates(duck: DuckDBEngine, spark_engine: Engines) -> None:
    columns = ", ".join(f"{text} AS x{place}" for place, text in enumerate(AGGREGATES))
    query = Query.from_sql(f"SELECT k, {columns} FROM t GROUP BY k ORDER BY k", inputs=(T,))
    expected, found = _columns(duck, query), _columns(spark_engine(duck._lake), query)
    wrong = {
        text: (expected[f"x{place}"], found[f"x{place}"])
        for place, text in enumerate(AGGREGATES)
        if expected[f"x{place}"] != found[f"x{place}"]
    }
    assert not wrong


@pytest.mark.parametrize("text", QUERIES)
def test_queries(text: str, duck: DuckDBEngine, spark_engine: Engines) -> None:
    query = Query.from_sql(text, inputs=(T,))
    assert _columns(spark_engine(duck._lake), query) == _columns(duck, query)


def test_doubles_round_the_same_way_near_the_middle(duck: DuckDBEngine, spark_engine: Engines) -> None:
    chance = random.Random(7)  # noqa: S311 - test data
    middles = [(chance.randrange(-(10**9), 10**9) * 2 + 1) / 20_000 for _ in range(20_000)]
    values = [
        *middles,
        *(math.nextafter(each, math.inf) for each in middles),
        *(each * chance.random() for each in middles),
    ]
    rows = pa.table({"n": values, "k": [f"{place:06}" for place in range(len(values))]})
    given = Table("t", "numbers", (Column("n", Type.NUMBER, "n"), Column("k", Type.STRING, "k")), ("k",))
    query = Query.from_sql(
        "SELECT CAST(n AS DECIMAL(18,4)) AS money, CAST(n AS BIGINT) AS whole, round(n, 2) AS cents FROM t ORDER BY k",
        inputs=(given,),
    )
    expected, found = _columns(duck, query, rows), _columns(spark_engine(duck._lake), query, rows)
    assert {name: sum(a != b for a, b in zip(expected[name], found[name], strict=True)) for name in expected} == {
        "money": 0,
        "whole": 0,
        "cents": 0,
    }


def test_parameters_are_escaped(duck: DuckDBEngine, spark_engine: Engines) -> None:
    odd = ['O\'Hara \\ "q"', "豆浆\n油条", "'; DROP TABLE t; --", "\\' OR 1=1", "${x} $y", "a%b_c"]
    query = Query.from_sql(
        "SELECT $one AS one, k FROM t WHERE s IN $odd OR s = $one OR m = $money OR ts = $at ORDER BY k, i", inputs=(T,),
        odd=odd, one=odd[3], money=Decimal("-0.3333"), at=_at("2018-01-01T16:00:00"),
    )  # fmt: skip
    assert _columns(spark_engine(duck._lake), query) == _columns(duck, query)


@pytest.mark.parametrize("text", ["CAST(n AS VARCHAR)", "CAST(ts AS VARCHAR)"])
def test_a_text_that_would_differ_is_refused(text: str) -> None:
    query = Query.from_sql(f"SELECT {text} AS x FROM t", inputs=(T,))
    with pytest.raises(QueryError, match="gives another text on Spark"):
        query.sql("spark")


def test_without_the_rewrites_the_engines_disagree(
    duck: DuckDBEngine, spark_engine: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: the comparison sees a difference that the rewrites take away."""
    monkeypatch.setattr("shopkeeper.schema.query.for_spark", lambda tree, _: tree)
    query = Query.from_sql("SELECT dayofweek(d) AS x FROM t WHERE d IS NOT NULL ORDER BY d", inputs=(T,))
    assert _columns(duck, query)["x"] == [1, 2, 2, 0, 1]
    assert _columns(spark_engine(duck._lake), query)["x"] == [2, 3, 3, 1, 2]
