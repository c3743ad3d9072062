"""The contract every engine keeps, run on DuckDB, on Spark in one Java machine and on a standalone Spark cluster."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shopkeeper.base.errors import DataError, QueryError, ShopkeeperError, StorageError, UnavailableError, UsageError
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table as declared
from shopkeeper.storage import warehouse
from shopkeeper.storage.engine import DuckDBEngine, Engine, SparkEngine
from shopkeeper.storage.engine import duckdb as duckdb_module
from shopkeeper.storage.lake import Lake
from tests.spark_cluster import SparkTests
from tests.storage.rows import filled

EVENING = datetime(2017, 1, 31, 23, 59, 59, 5, tzinfo=UTC)


@pytest.fixture(
    scope="module",
    params=[
        "duckdb",
        pytest.param("local[2]", marks=pytest.mark.spark),
        pytest.param("standalone", marks=pytest.mark.spark),
    ],
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    # Signs that a file pattern would swallow belong to a folder's name like any other.
    return Lake(tmp_path / "小店 [1] {a}" / "lake")


@pytest.fixture
def engine(kind: str, lake: Lake, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    if kind == "duckdb":
        made: Engine = DuckDBEngine(lake, spill=tmp_path / "spill", memory_limit="512MB", threads=2)
    else:
        tests: SparkTests = request.getfixturevalue("spark_tests")
        made = tests.engine(kind if kind.startswith("local") else tests.cluster(), lake)
    yield made
    made.close()


def lines(*rows: dict[str, Any]) -> pa.Table:
    given = [{"source": "till", "store_id": "s", "product_id": "p", "ordered_at": EVENING, **row} for row in rows]
    return filled("order_line", given)


def test_what_was_written_is_read(lake: Lake, engine: Engine) -> None:
    rows = filled(
        "product",
        [
            {"product_id": "a", "name": "豆浆", "attributes": {"size": "1 L"}, "unit_cost": Decimal("1.2345")},
            {"product_id": "b", "private_label": True, "launched_on": date(2017, 2, 28), "shelf_life_days": 3},
        ],
    )
    warehouse.append_rows(lake, engine, "product", rows)
    query = Query.from_sql(f"SELECT {', '.join(declared('product').column_names)} FROM product ORDER BY product_id")
    found = engine.arrow(query)
    assert found.schema.remove_metadata().equals(rows.schema)
    assert found.to_pylist() == rows.to_pylist()


def test_lists_and_instants_keep_their_parts(lake: Lake, engine: Engine) -> None:
    rows = filled("offer", [{"offer_id": "o", "products": ["p", "q"], "categories": [], "starts_at": EVENING}])
    warehouse.append_rows(lake, engine, "offer", rows)
    found = engine.arrow(Query.from_sql("SELECT products, categories, starts_at FROM offer"))
    assert found.to_pylist() == [{"products": ["p", "q"], "categories": [], "starts_at": EVENING}]


def test_rows_given_may_be_none_at_all(engine: Engine) -> None:
    """A table of Arrow without rows may have no chunk; a time stamp in it is what PySpark stumbled over."""
    none = lines().slice(0)
    chunkless = pa.table([pa.chunked_array([], field.type) for field in none.schema], schema=none.schema)
    query = Query.from_sql("SELECT count(*) AS n, max(ordered_at) AS last FROM order_line")
    assert engine.arrow(query, {"order_line": chunkless}).to_pylist() == [{"n": 0, "last": None}]


def test_a_table_never_written_is_empty_and_typed(engine: Engine) -> None:
    found = engine.arrow(Query.from_sql("SELECT order_id, net_amount, business_day, ordered_at FROM order_line"))
    assert found.num_rows == 0
    assert [str(kind) for kind in found.schema.types] == [
        "string",
        "decimal128(18, 4)",
        "date32[day]",
        "timestamp[us, tz=UTC]",
    ]


def test_files_carry_field_ids_and_a_foreign_reader_reads_them(lake: Lake, engine: Engine) -> None:
    rows = filled("product", [{"product_id": "a", "attributes": {"size": "1 L"}, "list_price": Decimal("2.5")}])
    warehouse.append_rows(lake, engine, "product", rows)
    for file in lake.files("product"):
        fields = pq.read_schema(file)
        assert [int(field.metadata[b"PARQUET:field_id"]) for field in fields] == list(range(1, 17))
    assert lake.iceberg("product").scan().to_arrow().to_pylist() == rows.to_pylist()


def test_each_partition_gets_its_files_and_bounds_prune_them(lake: Lake, engine: Engine) -> None:
    days = [date(2017, 1, 31), date(2017, 2, 1), date(2017, 2, 28)]
    warehouse.append_rows(
        lake, engine, "order_line", lines(*({"order_id": str(day), "business_day": day} for day in days))
    )
    assert sorted((file.partition[0], file.record_count) for file in lake.data_files("order_line")) == [
        (564, 1),
        (565, 2),
    ]  # months since 1970
    query = Query.from_sql("SELECT order_id FROM order_line WHERE business_day >= $day ORDER BY 1", day=days[1])
    assert engine.arrow(query)["order_id"].to_pylist() == ["2017-02-01", "2017-02-28"]
    assert len(lake.files("order_line", query.bounds()["order_line"])) < len(lake.files("order_line"))


def test_a_day_partition_of_an_instant_is_the_day_in_utc(lake: Lake, engine: Engine) -> None:
    instants = [EVENING, datetime(2017, 2, 1, tzinfo=UTC)]
    rows = filled("decision", [{"decision_id": str(i), "occurred_at": at} for i, at in enumerate(instants)])
    warehouse.append_rows(lake, engine, "decision", rows)
    assert sorted(file.partition[0] for file in lake.data_files("decision")) == [17197, 17198]  # days since 1970


def test_no_rows_give_no_files(lake: Lake, engine: Engine) -> None:
    empty = Query.from_sql("SELECT product_id FROM product WHERE false")
    assert engine.write(empty, declared("product")) == []
    assert warehouse.replace(lake, engine, "product", empty) is None
    assert not list(lake.location.rglob("*.parquet"))


def test_columns_a_query_does_not_give_are_null_and_unknown_ones_refused(lake: Lake, engine: Engine) -> None:
    warehouse.append(lake, engine, "product", Query.from_sql("SELECT 'a' AS product_id, 1 AS list_price"))
    assert engine.arrow(Query.from_sql("SELECT product_id, name, list_price FROM product")).to_pylist() == [
        {"product_id": "a", "name": None, "list_price": Decimal("1.0000")}
    ]
    with pytest.raises(DataError, match="gives colour, which table product does not have"):
        engine.write(Query.from_sql("SELECT 'a' AS product_id, 'red' AS colour"), declared("product"))


def test_inputs_are_read_beside_the_lake_and_hide_its_tables(lake: Lake, engine: Engine) -> None:
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": "a", "name": "old"}]))
    query = Query.from_sql("SELECT product_id, name FROM product")
    given = filled("product", [{"product_id": "b", "name": "new"}])
    assert engine.arrow(query, {"product": given}).to_pylist() == [{"product_id": "b", "name": "new"}]
    assert engine.arrow(query).to_pylist() == [{"product_id": "a", "name": "old"}]


@pytest.mark.usefixtures("lake")
def test_files_handed_over_are_read_like_a_table(engine: Engine, tmp_path: Path) -> None:
    for name in ("a", "b"):
        pq.write_table(filled("product", [{"product_id": name, "name": "new"}]), tmp_path / f"given-{name}.parquet")
    query = Query.from_sql("SELECT product_id, name FROM product ORDER BY product_id")
    found = engine.arrow(query, {"product": tmp_path / "given-*.parquet"}).to_pylist()
    assert found == [{"product_id": "a", "name": "new"}, {"product_id": "b", "name": "new"}]


def test_an_older_state_can_be_read(lake: Lake, engine: Engine) -> None:
    first = warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": "a"}]))
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": "b"}]))
    query = Query.from_sql("SELECT count(*) AS n FROM product")
    assert first is not None
    assert engine.arrow(query, snapshots={"product": first.id})["n"].to_pylist() == [1]
    assert engine.arrow(query)["n"].to_pylist() == [2]


def test_batches_come_in_order_and_bounded(lake: Lake, engine: Engine) -> None:
    rows = filled("product", [{"product_id": f"{i:04}"} for i in range(1000)])
    warehouse.append_rows(lake, engine, "product", rows)
    batches = list(engine.batches(Query.from_sql("SELECT product_id FROM product ORDER BY product_id"), rows=300))
    assert len(batches) > 1
    assert [each for batch in batches for each in batch["product_id"].to_pylist()] == rows["product_id"].to_pylist()


def test_a_relation_is_not_executed(lake: Lake, engine: Engine) -> None:
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": "a", "name": "no number"}]))
    relation = engine.relation(Query.from_sql("SELECT CAST(name AS BIGINT) AS n FROM product"))
    assert list(relation.columns) == ["n"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT CAST(name AS BIGINT) AS n FROM product", DataError),
        ("SELECT nonsense(name) AS n FROM product", QueryError),
        ("SELECT sum(name) AS n FROM product WHERE true GROUP BY product_id", (DataError, QueryError)),
    ],
)
def test_an_engine_s_errors_are_ours(
    lake: Lake, engine: Engine, text: str, error: type[Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": "a", "name": "no number"}]))
    with pytest.raises(error):
        engine.arrow(Query.from_sql(text))
    assert capfd.readouterr() == ("", "")


def test_every_error_of_duckdb_is_one_of_ours() -> None:
    theirs = {kind for kind in vars(duckdb).values() if isinstance(kind, type) and issubclass(kind, duckdb.Error)}
    assert theirs == set(duckdb_module.ERRORS)


@pytest.mark.parametrize("theirs", duckdb_module.ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_of_duckdb_comes_out_as_ours(theirs: type[duckdb.Error]) -> None:
    with pytest.raises(ShopkeeperError) as caught, duckdb_module.translated("table x"):
        raise theirs("why")
    assert type(caught.value) is duckdb_module.ERRORS[theirs]
    assert "table x" in str(caught.value)


@pytest.mark.parametrize(
    ("theirs", "advice"),
    [
        (duckdb.OutOfMemoryException, "raise engine.memory_limit or free the disk"),
        (duckdb.IOException, "free the disk"),
        (duckdb.InterruptException, "do the same again"),
        (duckdb.TransactionException, "do the same again"),
        (duckdb.HTTPException, "can be reached"),
        (duckdb.InternalException, "shopkeeper doctor"),
    ],
)
def test_each_failure_has_the_advice_that_helps(theirs: type[duckdb.Error], advice: str) -> None:
    with pytest.raises(StorageError) as caught, duckdb_module.translated("table x"):
        raise theirs("why")
    assert advice in str(caught.value)
    assert ("memory_limit" in str(caught.value)) == (theirs is duckdb.OutOfMemoryException)
    assert "why" in str(caught.value)
    assert "why" not in caught.value.noted


def test_a_file_removed_after_planning_is_planned_again(lake: Lake, engine: Engine) -> None:
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": "a"}]))
    old = lake.scan("product")
    warehouse.replace_rows(lake, engine, "product", filled("product", [{"product_id": "b"}]))
    for file in old.files:
        Path(file).unlink()
    real, asked = lake.scan, []

    def stale(*arguments: Any) -> Any:
        asked.append(arguments)
        return old if len(asked) == 1 else real(*arguments)

    lake.scan = stale  # type: ignore[method-assign]
    assert engine.arrow(Query.from_sql("SELECT product_id FROM product")).to_pylist() == [{"product_id": "b"}]
    assert len(asked) == 2


def test_writing_leaves_no_staging_folder(lake: Lake, engine: Engine) -> None:
    with pytest.raises(DataError):
        engine.write(Query.from_sql("SELECT 'a' AS product_id, CAST('x' AS BIGINT) AS list_price"), declared("product"))
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": "a"}]))
    list(engine.batches(Query.from_sql("SELECT product_id FROM product")))
    assert not list(lake.location.rglob(".staging-*"))


@pytest.mark.spark
def test_one_process_has_one_spark(lake: Lake, tmp_path: Path, spark_tests: SparkTests) -> None:
    running = spark_tests.engine("local[2]", lake)
    other = SparkEngine(lake, "local[1]", spill=tmp_path)
    with pytest.raises(UsageError, match=r"already runs in this process on local\[2\]"):
        other.start()
    running.close()


def test_spark_without_java_says_what_to_install(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopkeeper.storage.engine.spark._Machine._running", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UnavailableError, match="install a Java 17 runtime"):
        SparkEngine(lake, "local[1]", spill=tmp_path).start()


@pytest.mark.parametrize(("size", "java"), [("4GB", "4096m"), ("1.5 GiB", "1536m"), ("512MB", "512m")])
def test_memory_is_written_as_java_wants_it(lake: Lake, tmp_path: Path, size: str, java: str) -> None:
    assert SparkEngine(lake, "local[1]", spill=tmp_path, memory=size)._settings()["spark.driver.memory"] == java


def test_a_memory_that_is_none_is_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'much' is no amount of memory"):
        SparkEngine(lake, "local[1]", spill=tmp_path, memory="much")
