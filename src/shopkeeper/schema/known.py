"""What is known of people and goods: derived tables of the rooms `identity` and `profile`."""

from shopkeeper.schema.places import CHANNELS
from shopkeeper.schema.table import Column, Partition, Privacy, Table, TableKind, Type
from shopkeeper.schema.traits import TRAITS

__all__ = ["HABITS", "KNOWN"]

_SOURCE = Column("source", Type.STRING, "The source of the record", required=True)
_CUSTOMER = Column("customer_id", Type.STRING, "The record", required=True, privacy=Privacy.PERSON)
_PERSON = Column("person_id", Type.STRING, "The person", required=True, privacy=Privacy.PERSON)
_DAY = Column("business_day", Type.DATE, "The store's business day (营业日)", required=True)
_STORE = Column("store_id", Type.STRING, "The store", required=True)


def _amount(name: str, meaning: str) -> Column:
    return Column(name, Type.MONEY, meaning, unit="currency")


def _count(name: str, meaning: str, unit: str) -> Column:
    return Column(name, Type.INTEGER, meaning, unit=unit)


HABITS = (
    "first_purchase_on",
    "last_purchase_on",
    "first_visit_on",
    "last_visit_on",
    "orders_ever",
    "visit_days_ever",
    "monetary_ever",
    "spend_all_ever",
    "basket_value",
    "basket_items",
    "basket_lines",
    "gap_median_days",
    "gap_variation",
    "favourite_department",
    "favourite_department_share",
    "favourite_category",
    "favourite_category_share",
    "favourite_brand",
    "favourite_brand_share",
    "favourite_store",
    "favourite_store_share",
    "favourite_channel",
    "favourite_channel_share",
    "favourite_weekday",
    "favourite_weekday_share",
    "favourite_hour",
    "favourite_hour_share",
    "products_ever",
    "categories_ever",
    "departments_ever",
    "brands_ever",
    "stores_ever",
    "private_label_share",
    "discount_share",
    "discount_line_share",
    "coupon_share",
    "coupon_order_share",
    "price_index",
    "return_rate",
)
"""The traits that depend on nothing but the person's own lines: they stay as they are until those change."""

KNOWN = (
    Table(
        "person",
        "one customer record and the person it belongs to, with history",
        (
            _SOURCE,
            _CUSTOMER,
            _PERSON,
            Column("method", Type.STRING, "How the record was given to the person", required=True),
            Column("confidence", Type.NUMBER, "How sure that is", unit="share"),
            Column("valid_from", Type.INSTANT, "From when the record belongs to the person; 1970-01-01 is ever since"),
            Column("valid_to", Type.INSTANT, "Until when; empty while it lasts"),
        ),
        key=("source", "customer_id", "valid_from"),
        kind=TableKind.DERIVED,
    ),
    Table(
        "person_merge",
        "one stay of a customer record with a person, for records that were linked: what the map of identifiers says",
        (
            _SOURCE,
            _CUSTOMER,
            _PERSON,
            Column("valid_from", Type.INSTANT, "From when the record belongs to the person", required=True),
            Column("valid_to", Type.INSTANT, "Until when; empty while it lasts"),
        ),
        key=("source", "customer_id", "valid_from"),
        kind=TableKind.DERIVED,
    ),
    Table(
        "product_fact",
        "what the traits need of one product",
        (
            Column("product_id", Type.STRING, "The product", required=True),
            Column("kind", Type.STRING, "What sort of item"),
            Column(
                "counted", Type.BOOLEAN, "Whether it counts in RFM, favourites, baskets and price tier", required=True
            ),
            Column("department", Type.STRING, "Department"),
            Column("category", Type.STRING, "Category"),
            Column("subcategory", Type.STRING, "Subcategory"),
            Column("brand", Type.STRING, "Brand"),
            Column("private_label", Type.BOOLEAN, "Whether it is the chain's own brand", required=True),
            Column("price_tier", Type.INTEGER, "Third of the prices in its subcategory: 1 cheapest, 3 dearest"),
        ),
        key=("product_id",),
        kind=TableKind.DERIVED,
    ),
    Table(
        "basket",
        "one order of one customer record on one business day; bought lines have a positive quantity",
        (
            _SOURCE,
            _CUSTOMER,
            Column("order_id", Type.STRING, "The order (basket, 小票)", required=True),
            _DAY,
            _STORE,
            Column("channel", Type.STRING, "The channel", values=CHANNELS),
            Column("hour", Type.INTEGER, "Hour of its first line in the shop's time zone", unit="hour"),
            _count("lines", "Counted lines bought; a purchase has at least one", "lines"),
            Column("units", Type.MONEY, "Counted units bought", unit="units"),
            _amount("net", "Paid for counted lines, returns taken off"),
            _amount("bought", "Paid for counted lines bought"),
            _amount("gross", "Amount of counted lines bought before discounts"),
            _amount("product_discount", "Product discounts of counted lines bought"),
            _amount("coupon_discount", "Coupon discounts of counted lines bought"),
            _amount("private_label", "Paid for counted lines bought of private label"),
            _amount("returned", "Amount of counted lines returned, not negative"),
            _count("discount_lines", "Counted lines bought with a product discount", "lines"),
            _count("coupon_lines", "Counted lines bought with a coupon", "lines"),
            _count("all_lines", "Lines bought of any kind; a visit has at least one", "lines"),
            _amount("all_net", "Paid for lines of any kind, returns taken off"),
        ),
        key=("source", "customer_id", "order_id", "business_day"),
        kind=TableKind.DERIVED,
        partition=Partition.MONTH,
        partition_column="business_day",
    ),
    Table(
        "person_habit",
        "what one person's own lines say, up to a day: traits that stay until those lines change",
        (_PERSON, *(TRAITS[name].column() for name in HABITS)),
        key=("person_id",),
        kind=TableKind.DERIVED,
    ),
    Table(
        "profile",
        "one person with all traits as of the end of a day",
        (
            _PERSON,
            Column("as_of", Type.DATE, "The day at whose end the traits hold", required=True),
            *(declared.column() for declared in TRAITS.values()),
            Column(
                "lifecycle_version",
                Type.STRING,
                "Label of the lifecycle cut-points it was computed with; `shopkeeper cuts list` has the version",
            ),
            Column(
                "rfm_version",
                Type.STRING,
                "Label of the RFM cut-points it was computed with; `shopkeeper cuts list` has the version",
            ),
        ),
        key=("person_id",),
        kind=TableKind.DERIVED,
    ),
    Table(
        "lifecycle_balance",
        "the balance of active people of one store over the days up to one day: "
        "opening + new + recalled - sleeping - lapsed = closing",
        (
            Column("as_of", Type.DATE, "The closing day", required=True),
            Column(
                "store_id", Type.STRING, "The home store: that of the last visit up to the closing day", required=True
            ),
            Column("days", Type.INTEGER, "How many days the balance covers", unit="days", required=True),
            _count("opening", "People active (or new) at the end of the day before the first", "people"),
            _count("new", "People whose first visit lies within", "people"),
            _count(
                "recalled", "People sleeping or lapsed at the opening who are active at the closing (唤回)", "people"
            ),
            _count("sleeping", "People of the opening or new ones who sleep at the closing", "people"),
            _count("lapsed", "People of the opening or new ones who are lapsed at the closing", "people"),
            _count("closing", "People active (or new) at the closing", "people"),
            Column(
                "lifecycle_version",
                Type.STRING,
                "Label of the lifecycle cut-points it was computed with; `shopkeeper cuts list` has the version",
            ),
        ),
        key=("as_of", "store_id", "days"),
        kind=TableKind.DERIVED,
    ),
    Table(
        "coverage",
        "tickets and sales of one store, channel, business day and hour, with members' part; shares are sums over sums",
        (
            _DAY,
            _STORE,
            Column("channel", Type.STRING, "The channel", values=CHANNELS),
            Column("hour", Type.INTEGER, "Hour of the ticket's first line in the shop's time zone", unit="hour"),
            _count("tickets", "Tickets", "tickets"),
            _count("member_tickets", "Tickets of members", "tickets"),
            _amount("sales", "Net sales"),
            _amount("member_sales", "Net sales to members"),
        ),
        key=("business_day", "store_id", "channel", "hour"),
        kind=TableKind.DERIVED,
        partition=Partition.MONTH,
        partition_column="business_day",
    ),
)
