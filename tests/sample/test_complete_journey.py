from collections.abc import Iterator

import duckdb
import pytest

from shopkeeper.base.errors import MissingError
from shopkeeper.sample import complete_journey as journey
from shopkeeper.schema.tables import TABLES

ROWS = {
    "customer": 2_469,
    "product": 92_331,
    "store": 457,
    "order_line": 1_469_307,
    "campaign": 27,
    "campaign_target": 6_589,
    "offer": 1_197,
    "offer_product": 116_204 - 4_872,
    "redemption": 2_102,
    "promotion": 20_940_529,
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(tmp_path_factory.mktemp("journey") / "journey.db")
    connection.execute("SET TimeZone = 'Asia/Shanghai'")  # the result must not depend on it
    connection.execute("SET preserve_insertion_order = false")
    for name in journey.INPUTS:
        connection.register(name, journey.dataset(name))
    for table in journey.TABLES_GIVEN:
        kind = "VIEW" if table == "promotion" else "TABLE"
        connection.execute(f"CREATE {kind} {table} AS {journey.query(table).sql()}")
    yield connection
    connection.close()


def one(shop: duckdb.DuckDBPyConnection, sql: str) -> tuple[object, ...]:
    row = shop.execute(sql).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("table", journey.TABLES_GIVEN)
def test_all_rows_arrive_with_declared_columns(shop: duckdb.DuckDBPyConnection, table: str) -> None:
    assert one(shop, f"SELECT count(*) FROM {table}") == (ROWS[table],)
    declared = TABLES[table]
    kinds = {row[0]: row[1] for row in shop.execute(f"DESCRIBE {table}").fetchall()}
    assert set(kinds) <= set(declared.column_names)
    assert {name: kinds[name] for name in kinds if "DECIMAL" not in kinds[name]} == {
        name: declared.column(name).type.value for name in kinds if "DECIMAL" not in kinds[name]
    }
    required = [column.name for column in declared.columns if column.required]
    assert set(required) <= set(kinds)
    missing = " OR ".join(f"{name} IS NULL" for name in required)
    assert one(shop, f"SELECT count(*) FROM {table} WHERE {missing}") == (0,)


@pytest.mark.parametrize("table", [table for table in journey.TABLES_GIVEN if table != "promotion"])
def test_keys_are_unique(shop: duckdb.DuckDBPyConnection, table: str) -> None:
    key = ", ".join(TABLES[table].key)
    assert one(shop, f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM {table})") == (ROWS[table],)


def test_choices_are_declared_choices(shop: duckdb.DuckDBPyConnection) -> None:
    found = {row[0] for row in shop.execute("SELECT DISTINCT kind FROM product").fetchall()}
    assert found <= set(TABLES["product"].column("kind").values)
    assert {"tobacco", "gift_card", "top_up", "deposit", "service", "fresh", "merchandise"} == found


def test_amounts_follow_and_no_discount_is_negative(shop: duckdb.DuckDBPyConnection) -> None:
    broken = one(
        shop,
        "SELECT count(*) FROM order_line WHERE gross_amount - product_discount - coupon_discount <> net_amount"
        " OR product_discount < 0 OR coupon_discount < 0 OR gross_amount < 0",
    )
    assert broken == (0,)
    sums = one(
        shop,
        "SELECT round(sum(sales_value - coupon_disc), 2), round(sum(sales_value + retail_disc + coupon_match_disc), 2)"
        " FROM journey_transactions",
    )
    assert [float(value) for value in one(shop, "SELECT sum(net_amount), sum(gross_amount) FROM order_line")] == [*sums]


def test_gross_is_the_shelf_price_that_others_paid_without_a_coupon(shop: duckdb.DuckDBPyConnection) -> None:
    """The reading of the four amounts is held against the data: same product, store and week, bought with no coupon."""
    lines, with_gross, with_coupon_added = one(
        shop,
        """
        WITH shelf AS (
          SELECT product_id, store_id, week, mode(round((sales_value + retail_disc) / quantity, 2)) AS price
          FROM journey_transactions WHERE quantity > 0 AND coupon_disc = 0 GROUP BY ALL
        ), used AS (
          SELECT price, (sales_value + retail_disc + coupon_match_disc) / quantity AS gross, coupon_disc / quantity AS c
          FROM journey_transactions JOIN shelf USING (product_id, store_id, week)
          WHERE quantity > 0 AND coupon_disc > 0
        )
        SELECT count(*), avg(CAST(abs(gross - price) < 0.006 AS INT)), avg(CAST(abs(gross + c - price) < 0.006 AS INT))
        FROM used
        """,
    )
    assert isinstance(lines, int)
    assert isinstance(with_gross, float)
    assert lines > 900
    assert with_gross > 0.99
    assert with_coupon_added == 0


def test_only_in_the_shops_zone_has_every_redemption_a_basket_of_its_day(shop: duckdb.DuckDBPyConnection) -> None:
    without = """
        SELECT count(*) FROM redemption AS r WHERE NOT EXISTS (
          SELECT 1 FROM order_line AS l WHERE l.customer_id = r.customer_id AND {day} = r.redeemed_on
        )"""
    assert one(shop, without.format(day="l.business_day")) == (0,)
    (missing,) = one(shop, without.format(day="CAST(l.ordered_at AT TIME ZONE 'UTC' AS DATE)"))
    assert missing == 233  # 88.9 % of 2,102 have one
    assert one(shop, "SELECT min(business_day), max(business_day), count(DISTINCT business_day) FROM order_line") == (
        *one(shop, "SELECT DATE '2017-01-01', DATE '2017-12-31'"),
        364,  # closed on Christmas Day
    )


def test_promotion_weeks_are_the_weeks_of_the_transactions(shop: duckdb.DuckDBPyConnection) -> None:
    weeks = shop.execute("SELECT DISTINCT starts_on, ends_on FROM promotion ORDER BY 1").fetchall()
    assert len(weeks) == 53
    outside = one(
        shop,
        """
        SELECT count(*)
        FROM journey_transactions AS t
        JOIN (
          SELECT DISTINCT 1 + date_diff('day', DATE '2017-01-01', ends_on) / 7 AS week, starts_on, ends_on
          FROM promotion
        ) AS p USING (week)
        WHERE NOT CAST(CAST(t.transaction_timestamp AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York'
          AS DATE) BETWEEN p.starts_on AND p.ends_on
        """,
    )
    assert outside == (0,)


def test_what_does_not_fit_is_counted(shop: duckdb.DuckDBPyConnection) -> None:
    coupons = journey.received("offer_product")
    assert coupons == 116_204
    assert coupons - ROWS["offer_product"] == 4_872
    assert journey.received("customer") is None
    assert one(
        shop,
        "SELECT count(DISTINCT product_id) FROM order_line WHERE product_id NOT IN (SELECT product_id FROM product)",
    ) == (17,)
    repeats = "SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM redemption GROUP BY {by} HAVING count(*) > 1)"
    assert one(shop, repeats.format(by="offer_id, customer_id")) == (27,)
    assert one(shop, repeats.format(by="offer_id, customer_id, redeemed_on")) == (None,)
    described = one(shop, "SELECT count(*), count(attributes) FROM customer")
    assert described == (2_469, 801)  # 32 %


def test_fuel_is_no_unit(shop: duckdb.DuckDBPyConnection) -> None:
    kinds = shop.execute(
        "SELECT p.kind, max(l.quantity) FROM order_line AS l JOIN product AS p USING (product_id)"
        " WHERE p.subcategory LIKE 'GASOLINE%' GROUP BY 1"
    ).fetchall()
    assert [(kind, int(most)) for kind, most in kinds] == [("service", 89_638)]
    (most,) = one(
        shop,
        "SELECT max(l.quantity) FROM order_line AS l JOIN product AS p USING (product_id) WHERE p.kind <> 'service'",
    )
    assert float(str(most)) < 200


def test_numbering_of_lines_does_not_depend_on_their_order() -> None:
    connection = duckdb.connect()
    rows = f"SELECT * FROM '{journey.file('journey_transactions')}' WHERE basket_id % 400 = 0"
    text = journey.query("order_line").sql()
    for name, order in (("given", ""), ("shuffled", "ORDER BY hash(product_id)")):
        connection.execute(f"CREATE OR REPLACE TABLE journey_transactions AS {rows} {order}")
        connection.execute(f"CREATE TABLE {name} AS {text}")
    assert one(connection, "SELECT count(*) > 1000 FROM given") == (True,)
    assert one(connection, "SELECT count(*) FROM (FROM given EXCEPT ALL FROM shuffled)") == (0,)


def test_a_table_that_the_data_do_not_fill_is_named() -> None:
    with pytest.raises(MissingError, match="no table 'weather'"):
        journey.query("weather")
