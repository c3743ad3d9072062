"""Goods (货): products, their stock, prices, shelves and lots."""

from shopkeeper.schema.table import Column, Partition, Table, TableKind, Type

__all__ = ["GOODS", "PRODUCT_KINDS"]

PRODUCT_KINDS = ("merchandise", "fresh", "tobacco", "service", "top_up", "bag", "deposit", "gift_card")

_PRODUCT_ID = Column("product_id", Type.STRING, "The product", required=True)
_STORE_ID = Column("store_id", Type.STRING, "The store", required=True)

GOODS = (
    Table(
        "product",
        "one sellable item",
        (
            Column("product_id", Type.STRING, "Its id; leading zeros count", required=True),
            Column("name", Type.STRING, "Its name"),
            Column("kind", Type.STRING, "What sort of item; some kinds are left out of traits", values=PRODUCT_KINDS),
            Column("department", Type.STRING, "Department"),
            Column("category", Type.STRING, "Category"),
            Column("subcategory", Type.STRING, "Subcategory"),
            Column("brand", Type.STRING, "Brand"),
            Column("private_label", Type.BOOLEAN, "Whether it is the chain's own brand"),
            Column("package_size", Type.STRING, "Size of the package as text"),
            Column("attributes", Type.MAP, "Flavour, colour, size … by name"),
            Column("supplier_id", Type.STRING, "Supplier"),
            Column("unit_cost", Type.MONEY, "Cost of one unit", unit="currency"),
            Column("list_price", Type.MONEY, "Price of one unit on the shelf", unit="currency"),
            Column("shelf_life_days", Type.INTEGER, "How long it keeps", unit="days"),
            Column("launched_on", Type.DATE, "First day of sale"),
            Column("gtin", Type.STRING, "Bar code number"),
        ),
        key=("product_id",),
        kind=TableKind.MASTER,
    ),
    Table(
        "shelf",
        "where a product stands",
        (
            _STORE_ID,
            _PRODUCT_ID,
            Column("aisle", Type.STRING, "Aisle"),
            Column("bay", Type.STRING, "Bay in the aisle"),
            Column("level", Type.STRING, "Level in the bay"),
            Column("facings", Type.INTEGER, "Facings side by side", unit="facings"),
        ),
        key=("store_id", "product_id"),
        kind=TableKind.MASTER,
    ),
    Table(
        "inventory",
        "stock of a product in a store at an instant",
        (
            _STORE_ID,
            _PRODUCT_ID,
            Column("observed_at", Type.INSTANT, "When it was counted", required=True),
            Column("on_hand", Type.MONEY, "Units there", unit="units"),
            Column("on_order", Type.MONEY, "Units ordered and not yet there", unit="units"),
        ),
        key=("store_id", "product_id", "observed_at"),
        partition=Partition.MONTH,
        partition_column="observed_at",
    ),
    Table(
        "stock_movement",
        "one movement of stock",
        (
            _STORE_ID,
            _PRODUCT_ID,
            Column("occurred_at", Type.INSTANT, "When", required=True),
            Column(
                "kind",
                Type.STRING,
                "Why it moved",
                required=True,
                values=("receipt", "transfer", "count", "write_off", "disposal"),
            ),
            Column("quantity", Type.MONEY, "Units, negative when they leave", unit="units", required=True),
            Column("reason", Type.STRING, "Reason given"),
        ),
        key=("store_id", "product_id", "occurred_at", "kind"),
    ),
    Table(
        "price",
        "a price seen, ours or a competitor's",
        (
            _PRODUCT_ID,
            _STORE_ID,
            Column("seller", Type.STRING, "Who asked it; `own` is us", required=True),
            Column("observed_at", Type.INSTANT, "When it was seen", required=True),
            Column("price", Type.MONEY, "The price", unit="currency", required=True),
        ),
        key=("product_id", "store_id", "seller", "observed_at"),
    ),
    Table(
        "promotion",
        "a product on display or in the mailer, in a store, in a week",
        (
            _STORE_ID,
            _PRODUCT_ID,
            Column("starts_on", Type.DATE, "First day", required=True),
            Column("ends_on", Type.DATE, "Last day", required=True),
            Column("display_location", Type.STRING, "Where in the store it is displayed"),
            Column("mailer_location", Type.STRING, "Where in the mailer it stands"),
            Column("promo_price", Type.MONEY, "Price while it lasts", unit="currency"),
        ),
        key=("store_id", "product_id", "starts_on", "display_location", "mailer_location"),
        partition=Partition.MONTH,
        partition_column="starts_on",
    ),
    Table(
        "lot",
        "one traceable batch at one step of its way",
        (
            Column("lot_id", Type.STRING, "The batch", required=True),
            _PRODUCT_ID,
            Column("supplier_id", Type.STRING, "Supplier"),
            Column("origin", Type.STRING, "Where it comes from"),
            Column(
                "step",
                Type.STRING,
                "The step",
                required=True,
                values=("harvested", "packed", "shipped", "received", "shelved"),
            ),
            Column("occurred_at", Type.INSTANT, "When", required=True),
            Column("place", Type.STRING, "Where"),
            Column("temperature", Type.NUMBER, "Temperature", unit="°C"),
        ),
        key=("lot_id", "step", "occurred_at"),
    ),
)
