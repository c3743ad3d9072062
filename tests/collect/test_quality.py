from datetime import date

from shopkeeper.collect.quality import Outcome, check_rows, checks, run_checks
from shopkeeper.storage.warehouse import append_rows, replace_rows
from tests.collect.conftest import NOW, Desk
from tests.collect.test_load import HEAD, LINES

CLOSE = """
table = "daily_close"
[columns]
store_id = "store"
business_day = "day"
sales = "sales"
tickets = "tickets"
"""


def outcomes(desk: Desk, as_of: date | None = None) -> dict[str, Outcome]:
    wanted = checks(desk.loader.lake.tables(), as_of)
    return {f"{found.table}.{found.name}": found for found in run_checks(desk.loader.engine, wanted)}


def test_till_and_lines_are_held_against_each_other_by_store_and_day(desk: Desk) -> None:
    lines = (
        "A1,1,,S1,7,2024-01-05,1,5,0\nA1,2,,S1,8,2024-01-05,1,5,0\n"
        "A2,1,,S2,7,2024-01-05,1,5,0\nA3,1,,S2,7,2024-01-06,1,5,0\n"
        "R1,1,,S2,7,2024-01-06,-1,-2,0\n"
    )
    desk.load(LINES, desk.file("a.csv", HEAD + lines))
    close = (
        "store,day,sales,tickets\nS1,2024-01-05,10.00,1\nS2,2024-01-05,5.50,1\n"
        "S2,2024-01-06,3,1\nS3,2024-01-05,8,2\nS4,2024-01-05,0,0\n"
    )
    desk.load(CLOSE, desk.file("c.csv", close))
    found = outcomes(desk, date(2024, 1, 6))
    assert found["order_line.daily_close"] == Outcome(
        "daily_close", "order_line", "rule", ok=False, found=1, sample="S2 on 2024-01-05"
    )
    assert found["order_line.daily_close_missing"].sample == "S3 on 2024-01-05"
    assert found["order_line.late_stores"].sample == "S1 since 2024-01-05"
    assert found["order_line.fresh"].ok
    assert found["order_line.unique_key"].ok
    assert not outcomes(desk, date(2024, 1, 9))["order_line.fresh"].ok


def test_a_store_whose_close_did_not_come_is_named(desk: Desk) -> None:
    lines = "".join(f"{store}{day},1,,{store},7,2024-01-{day:02},1,5,0\n" for store in "ABW" for day in (4, 5, 6, 7))
    desk.load(LINES, desk.file("a.csv", HEAD + lines))
    closes = "".join(f"{store},2024-01-{day:02},5,1\n" for store, day in (("A", 5), ("A", 6), ("B", 4), ("B", 6)))
    desk.load(CLOSE, desk.file("c.csv", "store,day,sales,tickets\n" + closes))
    found = outcomes(desk)["order_line.lines_not_closed"]
    assert (found.severity, found.ok, found.sample) == ("warning", False, "B on 2024-01-05")


def test_what_is_described_nowhere_is_a_warning(desk: Desk) -> None:
    desk.load(LINES, desk.file("a.csv", HEAD + "A1,1,,S1,7,2024-01-05,1,5,0\nA1,2,,S1,8,2024-01-05,1,5,0\n"))
    desk.load('table = "product"\n[columns]\nproduct_id = "sku"\n', desk.file("p.csv", "sku\n7\n"))
    found = outcomes(desk)["order_line.reference:product_id"]
    assert (found.severity, found.ok, found.found, found.sample) == ("warning", False, 1, "8")
    assert "order_line.reference:store_id" not in outcomes(desk)


def test_a_key_twice_and_amounts_that_do_not_add_up_are_found(desk: Desk) -> None:
    loader = desk.loader
    desk.load(LINES, desk.file("a.csv", HEAD + "A1,1,,S1,7,2024-01-05,1,5,1\n"))
    rows = loader.engine.connection().sql(f"FROM read_parquet({loader.lake.files('order_line')})").to_arrow_table()
    place = rows.column_names.index("net_amount")
    append_rows(
        loader.lake, loader.engine, "order_line", rows.set_column(place, "net_amount", rows["unit_cost"].fill_null(2))
    )
    found = outcomes(desk)
    assert found["order_line.unique_key"].sample == "till/A1/1"
    assert (found["order_line.amounts"].severity, found["order_line.amounts"].found) == ("warning", 1)
    assert found["order_line.discounts"].ok


def test_outcomes_are_rows_of_the_dictionary(desk: Desk) -> None:
    desk.load(LINES, desk.file("a.csv", HEAD + "A1,1,,S1,7,2024-01-05,1,5,1\n"))
    rows = check_rows(list(outcomes(desk).values()), NOW)
    replace_rows(desk.loader.lake, desk.loader.engine, "quality_check", rows)
    assert all(row[0] for row in desk.rows("quality_check", "ok"))


def test_every_store_that_is_missing_is_named(desk: Desk) -> None:
    desk.load(LINES, desk.file("a.csv", HEAD + "A1,1,,S1,7,2024-01-05,1,5,0\n"))
    missing = "".join(f"T{store:02},2024-01-05,10,1\n" for store in range(12))
    desk.load(CLOSE, desk.file("c.csv", "store,day,sales,tickets\n" + missing))
    sample = outcomes(desk)["order_line.daily_close_missing"].sample
    assert sample is not None
    assert [named.split()[0] for named in sample.split(", ")] == [f"T{store:02}" for store in range(12)]
