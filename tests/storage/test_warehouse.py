from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkeeper.base.errors import ConflictError, UsageError
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Table
from shopkeeper.schema.tables import table as declared
from shopkeeper.storage import warehouse
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.retrying import retrying
from tests.storage.rows import filled

NOON = datetime(2017, 1, 1, 12, tzinfo=UTC)


def lines(days: Mapping[date, int], mark: str = "old") -> pa.Table:
    """So many lines a day."""
    rows = [
        {"order_id": f"{day}-{n}", "business_day": day, "ordered_at": NOON, "source": mark, "net_amount": Decimal(n)}
        for day, count in days.items()
        for n in range(count)
    ]
    return filled("order_line", rows)


def as_query(name: str, rows: pa.Table) -> tuple[Query, dict[str, pa.Table]]:
    table = declared(name)
    given_table = Table("given", "rows", table.columns, table.key)
    text = f"SELECT {', '.join(table.column_names)} FROM given"
    return Query.from_sql(text, inputs=(given_table,)), {"given": rows}


def replace_days(
    lake: Lake, engine: DuckDBEngine, days: Sequence[date], rows: pa.Table, name: str = "order_line"
) -> Any:
    query, inputs = as_query(name, rows)
    return warehouse.replace_days(lake, engine, name, query, days, inputs=inputs)


def counted(engine: DuckDBEngine) -> dict[tuple[date, str], int]:
    query = Query.from_sql("SELECT business_day AS d, source AS s, count(*) AS n FROM order_line GROUP BY ALL")
    return {(row["d"], row["s"]): row["n"] for row in engine.arrow(query).to_pylist()}


def test_replaced_days_change_and_the_others_of_their_month_stay(lake: Lake, engine: DuckDBEngine) -> None:
    first, second, later = date(2017, 1, 1), date(2017, 1, 31), date(2017, 2, 1)
    warehouse.append_rows(lake, engine, "order_line", lines({first: 2, second: 3, later: 4}))
    untouched = set(lake.files("order_line", None)) & {
        file.file_path.removeprefix("file://") for file in lake.data_files("order_line") if file.partition[0] == 565
    }
    replace_days(lake, engine, [second], lines({second: 1}, "new"))
    assert counted(engine) == {(first, "old"): 2, (second, "new"): 1, (later, "old"): 4}
    assert untouched < set(lake.files("order_line"))


def test_a_day_with_no_rows_left_is_empty(lake: Lake, engine: DuckDBEngine) -> None:
    first, second = date(2017, 1, 1), date(2017, 2, 1)
    warehouse.append_rows(lake, engine, "order_line", lines({first: 2, second: 3}))
    replace_days(lake, engine, [first], lines({}))
    assert counted(engine) == {(second, "old"): 3}
    replace_days(lake, engine, [second, date(2019, 1, 1)], lines({}))
    assert counted(engine) == {}
    assert lake.files("order_line") == []


def test_days_that_had_no_rows_get_some(lake: Lake, engine: DuckDBEngine) -> None:
    day = date(2017, 3, 1)
    replace_days(lake, engine, [day], lines({day: 2}))
    replace_days(lake, engine, [date(2017, 3, 2)], lines({date(2017, 3, 2): 1}))
    assert counted(engine) == {(day, "old"): 2, (date(2017, 3, 2), "old"): 1}


def test_no_days_change_nothing(lake: Lake, engine: DuckDBEngine) -> None:
    before = warehouse.append_rows(lake, engine, "order_line", lines({date(2017, 1, 1): 1}))
    assert replace_days(lake, engine, [], lines({})) == before


def test_days_of_a_table_without_days_are_refused(lake: Lake, engine: DuckDBEngine) -> None:
    with pytest.raises(UsageError, match="product is not kept by day or month"):
        replace_days(lake, engine, [date(2017, 1, 1)], filled("product", []), "product")


DAYS = st.dates(date(2016, 12, 30), date(2017, 3, 2))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.dictionaries(DAYS, st.integers(1, 3), max_size=6),
    replaced=st.lists(DAYS, min_size=1, max_size=4, unique=True),
    fresh=st.integers(0, 2),
)
def test_replacing_days_is_what_it_says(
    tmp_path_factory: pytest.TempPathFactory, before: dict[date, int], replaced: list[date], fresh: int
) -> None:
    place = tmp_path_factory.mktemp("days")
    lake = Lake(place / "lake")
    engine = DuckDBEngine(lake, spill=place / "spill", threads=1)
    warehouse.append_rows(lake, engine, "order_line", lines(before))
    replace_days(lake, engine, replaced, lines(dict.fromkeys(replaced, fresh), "new"))
    expected = {(day, "old"): count for day, count in before.items() if day not in replaced}
    expected |= {(day, "new"): fresh for day in replaced if fresh}
    assert counted(engine) == expected
    engine.close()


@pytest.mark.parametrize(("name", "column", "key"), [
    ("decision", "occurred_at", "decision_id"),
    ("inventory", "observed_at", "product_id"),
])  # fmt: skip
def test_the_day_of_an_instant_is_its_day_in_utc(
    lake: Lake, engine: DuckDBEngine, name: str, column: str, key: str
) -> None:
    instants = [datetime(2017, 1, 30, 23, 59, 59, 999999, UTC), datetime(2017, 1, 31, tzinfo=UTC),
                datetime(2017, 1, 31, 23, 59, 59, 999999, UTC), datetime(2017, 2, 1, tzinfo=UTC)]  # fmt: skip
    rows = filled(name, [{key: str(place), column: at} for place, at in enumerate(instants)])
    warehouse.append_rows(lake, engine, name, rows)
    replace_days(lake, engine, [date(2017, 1, 31)], filled(name, [{key: "new", column: instants[1]}]), name)
    found = engine.arrow(Query.from_sql(f"SELECT {key} AS x FROM {name} ORDER BY 1"))["x"].to_pylist()
    assert found == ["0", "3", "new"]


def test_days_of_a_table_that_moved_on_are_refused_and_done_again(lake: Lake, engine: DuckDBEngine) -> None:
    day, other = date(2017, 1, 1), date(2017, 1, 2)
    warehouse.append_rows(lake, engine, "order_line", lines({day: 1}))

    class Meddling:
        """Another process appends while the first redo computes."""

        name, times = "duckdb", 0

        def write(self, *arguments: Any) -> list[str]:
            if not self.times:
                warehouse.append_rows(lake, engine, "order_line", lines({other: 1}, "theirs"))
            self.times += 1
            return engine.write(*arguments)

    meddling, (query, inputs) = Meddling(), as_query("order_line", lines({day: 2}, "new"))

    def redo() -> Any:
        return warehouse.replace_days(lake, meddling, "order_line", query, [day], inputs=inputs)  # type: ignore[arg-type]

    with pytest.raises(ConflictError, match="moved on"):
        redo()
    meddling.times = 0
    retrying(redo)
    assert counted(engine) == {(day, "new"): 2, (other, "theirs"): 2}


def test_retrying_gives_up_in_the_end() -> None:
    tried = []

    def fail() -> None:
        tried.append(1)
        raise ConflictError("again")

    with pytest.raises(ConflictError):
        retrying(fail, tries=3)
    assert len(tried) == 3


class Noted:
    """The part of a lease store that the warehouse uses."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.seen: list[list[str]] = []

    def acquire(self, name: str, holder: str, *, now: datetime, lasts: timedelta, note: Any = None) -> None:
        assert now.tzinfo
        assert lasts
        self.held[name] = type("Lease", (), {"name": name, "holder": holder, "note": note})
        self.seen.append(note["files"])

    def release(self, name: str, holder: str) -> bool:
        return self.held.pop(name).holder == holder  # type: ignore[no-any-return]

    def live(self, now: datetime) -> list[Any]:  # noqa: ARG002 - none of these ends
        return list(self.held.values())


def test_files_are_noted_until_they_are_committed(lake: Lake, engine: DuckDBEngine) -> None:
    leases, real, live = Noted(), lake.append, []

    def watched(*arguments: Any) -> Any:
        live.append(warehouse.live_files(leases, NOON))
        return real(*arguments)

    lake.append = watched  # type: ignore[method-assign]
    query, inputs = as_query("order_line", lines({date(2017, 1, 1): 1}))
    warehouse.append(lake, engine, "order_line", query, inputs=inputs, leases=leases)
    assert live == [set(lake.files("order_line"))]
    assert leases.held == {}
    assert leases.seen == [lake.files("order_line")]
