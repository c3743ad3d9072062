"""What is reported: compact facts by store and day, from which reports of any level add up."""

from shopkeeper.schema.table import Column, Partition, Table, TableKind, Type

__all__ = ["REPORTED"]

_STORE = Column("store_id", Type.STRING, "The store", required=True)
_DAY = Column("business_day", Type.DATE, "The business day", required=True)

_MEASURES = (
    Column("sales", Type.MONEY, "Net sales, returns taken off", unit="currency"),
    Column("gross", Type.MONEY, "Sales before discounts, returns taken off", unit="currency"),
    Column("tickets", Type.INTEGER, "Orders with at least one line bought", unit="tickets"),
    Column("items", Type.MONEY, "Units bought of the kinds that count", unit="units"),
    Column("people", Type.INTEGER, "Members who bought, and each ticket without a member", unit="people"),
    Column("member_sales", Type.MONEY, "Net sales to members", unit="currency"),
    Column("member_tickets", Type.INTEGER, "Tickets of members", unit="tickets"),
    Column("costed_sales", Type.MONEY, "Net sales of lines whose cost is known", unit="currency"),
    Column("cost", Type.MONEY, "Cost of those lines", unit="currency"),
)

REPORTED: tuple[Table, ...] = (
    Table(
        "store_day",
        "one store on one business day",
        (_STORE, _DAY, *_MEASURES),
        key=("store_id", "business_day"),
        kind=TableKind.DERIVED,
        partition=Partition.MONTH,
        partition_column="business_day",
    ),
    Table(
        "department_day",
        "one department in one store on one business day; a ticket counts in each of its departments",
        (_STORE, _DAY, Column("department", Type.STRING, "The department; empty where unknown"), *_MEASURES),
        key=("store_id", "business_day", "department"),
        kind=TableKind.DERIVED,
        partition=Partition.MONTH,
        partition_column="business_day",
    ),
)
