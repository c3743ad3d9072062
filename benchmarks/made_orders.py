"""A quick made-up chain as Parquet, of any size: repeat purchases, returns, tickets without members."""

# ruff: noqa: E501 - the SQL reads by the column

from pathlib import Path

import duckdb

__all__ = ["FIRST_DAY", "LAST_DAY", "make"]

FIRST_DAY, LAST_DAY = "2024-01-01", "2025-12-31"
_PRODUCTS, _STORES, _DAYS = 20_000, 1_000, 731

_PRODUCT = f"""
SELECT 'P' || lpad(i::VARCHAR, 6, '0') AS product_id, 'Product ' || i AS name,
  CASE WHEN i % 97 = 0 THEN 'tobacco' WHEN i % 101 = 0 THEN 'bag' WHEN i % 3 = 0 THEN 'fresh' ELSE 'merchandise' END AS kind,
  'Department ' || lpad((i % 20)::VARCHAR, 2, '0') AS department, 'Category ' || lpad((i % 300)::VARCHAR, 3, '0') AS category,
  'Subcategory ' || lpad((i % 1500)::VARCHAR, 4, '0') AS subcategory, 'Brand ' || lpad((hash(i) % 2000)::VARCHAR, 4, '0') AS brand,
  hash(i, 1) % 7 = 0 AS private_label, NULL::VARCHAR AS package_size, NULL::MAP(VARCHAR, VARCHAR) AS attributes,
  'S' || i % 200 AS supplier_id, NULL::DECIMAL(18,4) AS unit_cost,
  CASE WHEN i % 5 > 0 THEN (1 + hash(i, 2) % 5000 / 100.0)::DECIMAL(18,2)::DECIMAL(18,4) END AS list_price,
  NULL::BIGINT AS shelf_life_days, NULL::DATE AS launched_on, NULL::VARCHAR AS gtin
FROM range({_PRODUCTS}) AS t(i)
"""

_CUSTOMER = """
SELECT 'till' AS source, 'M' || lpad(i::VARCHAR, 9, '0') AS customer_id,
  TIMESTAMPTZ '2024-01-01 00:00:00+00' + INTERVAL 1 HOUR * (hash(i, 1) % 15000)::BIGINT AS registered_at,
  CASE hash(i, 2) % 3 WHEN 0 THEN 'female' WHEN 1 THEN 'male' END AS gender, 1940 + (hash(i, 3) % 68)::BIGINT AS birth_year,
  'Region ' || hash(i, 4) % 8 AS region, 'City ' || hash(i, 5) % 60 AS city, NULL::VARCHAR AS postcode,
  NULL::VARCHAR AS home_cell, ['store', 'app', 'mini_program'][1 + (hash(i, 6) % 3)::INT] AS acquisition_channel,
  NULL::VARCHAR AS acquisition_campaign, NULL::VARCHAR AS referrer_customer_id,
  ['gold', 'silver', 'bronze'][1 + (hash(i, 7) % 3)::INT] AS tier, NULL::MAP(VARCHAR, VARCHAR) AS attributes
FROM range($people) AS t(i)
"""

# A person's pull is skewed (the square of a uniform draw), a tenth never buy, a quarter of the tickets have no member.
_LINES = f"""
WITH ticket AS MATERIALIZED (
  SELECT o, (hash(o, 1) % 1000000) / 1e6 AS u, hash(o, 2) % 4 = 0 AS guest, (hash(o, 3) % {_STORES}) AS s,
    1 + (hash(o, 4) % 4)::INT + (hash(o, 5) % 4)::INT AS n,
    DATE '{FIRST_DAY}' + (o // ($tickets // {_DAYS} + 1))::INT AS day, (6 + hash(o, 6) % 16)::INT AS hour, hash(o, 7) % 3600 AS second
  FROM range($first, $last) AS t(o)
), line AS (
  SELECT *, (floor(u * u * $people * 0.9))::BIGINT AS person,
    CASE WHEN hash(o, l) % 3 = 0 THEN (floor(u * u * $people * 0.9)::BIGINT * 31 + l * 7) % {_PRODUCTS}
      ELSE (hash(o, l, 3) % {_PRODUCTS})::BIGINT END AS product, hash(o, l, 4) AS dice
  FROM (SELECT *, unnest(range(1, n + 1)) AS l FROM ticket)
), priced AS (
  SELECT *, 1 + dice % 3 AS pieces, (dice % 100 = 0) AS is_return, dice // 1000 % 5 = 0 AS on_offer, dice // 7000 % 20 = 0 AS by_coupon,
    (1 + hash(product, 2) % 5000 / 100.0)::DECIMAL(18,2) AS price
  FROM line
)
SELECT 'T' || lpad(o::VARCHAR, 11, '0') AS order_id, l::BIGINT AS line_no, 'till' AS source,
  CASE WHEN NOT guest THEN 'M' || lpad(person::VARCHAR, 9, '0') END AS customer_id,
  'store ' || lpad(CASE WHEN guest OR o % 4 = 0 THEN s ELSE person % {_STORES} END::VARCHAR, 4, '0') AS store_id,
  ['store', 'store', 'store', 'app', 'mini_program'][1 + (hash(o, 8) % 5)::INT] AS channel,
  'P' || lpad(product::VARCHAR, 6, '0') AS product_id,
  (day + INTERVAL 1 HOUR * hour + INTERVAL 1 SECOND * second::BIGINT - INTERVAL 8 HOUR)::TIMESTAMPTZ AS ordered_at,
  day AS business_day, (CASE WHEN is_return THEN -1 ELSE pieces END)::DECIMAL(18,4) AS quantity,
  (CASE WHEN is_return THEN -price ELSE pieces * price END)::DECIMAL(18,4) AS gross_amount,
  (CASE WHEN on_offer AND NOT is_return THEN pieces * 0.25 ELSE 0 END)::DECIMAL(18,4) AS product_discount,
  (CASE WHEN by_coupon AND NOT is_return THEN 0.5 ELSE 0 END)::DECIMAL(18,4) AS coupon_discount,
  (CASE WHEN is_return THEN -price ELSE pieces * price END - CASE WHEN on_offer AND NOT is_return THEN pieces * 0.25 ELSE 0 END
    - CASE WHEN by_coupon AND NOT is_return THEN 0.5 ELSE 0 END)::DECIMAL(18,4) AS net_amount,
  NULL::DECIMAL(18,4) AS unit_cost, NULL::VARCHAR AS coupon_code, 'card' AS payment_method, NULL::VARCHAR AS register_id,
  NULL::VARCHAR AS cashier_id, NULL::VARCHAR AS return_of
FROM priced
"""


def make(folder: Path, lines: int, people: int) -> None:
    """Writes `customer`, `product` and `order_line` (a file a month) as Parquet.

    Args:
        folder: Where to; nothing is done if it is already there.
        lines: How many order lines, give or take a hundredth.
        people: How many customer records.
    """
    if (folder / "done").exists():
        return
    (folder / "order_line").mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET memory_limit = '4GB'")
    _copy(connection, _PRODUCT, folder / "product.parquet")
    _copy(connection, _CUSTOMER.replace("$people", str(people)), folder / "customer.parquet")
    tickets = lines // 4
    a_day = tickets // _DAYS + 1
    for number, first in enumerate(range(0, _DAYS, 30)):
        last = min(first + 30, _DAYS)
        text = _LINES.replace("$people", str(people)).replace("$tickets", str(tickets))
        text = text.replace("$first", str(first * a_day)).replace("$last", str(last * a_day))
        _copy(connection, text, folder / "order_line" / f"{number:02d}.parquet")
    connection.close()
    (folder / "done").touch()


def _copy(connection: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
