"""Places (场): stores, the organisation, its people and targets, and the days and weather around them."""

from shopkeeper.schema.table import Column, Partition, Privacy, Table, TableKind, Type

__all__ = ["CHANNELS", "PLACES"]

CHANNELS = ("store", "web", "app", "mini_program", "marketplace")

PLACES = (
    Table(
        "store",
        "one place of sale, also the web shop and the app",
        (
            Column("store_id", Type.STRING, "Its id", required=True),
            Column("name", Type.STRING, "Its name"),
            Column("channel", Type.STRING, "What sort of place", values=CHANNELS),
            Column("org_unit_id", Type.STRING, "Node of the organisation it belongs to"),
            Column("ownership", Type.STRING, "Who runs it", values=("own", "franchise")),
            Column(
                "trade_area", Type.STRING, "Trade area (商圈)", values=("office", "residential", "school", "transit")
            ),
            Column("region", Type.STRING, "Region"),
            Column("city", Type.STRING, "City"),
            Column("latitude", Type.NUMBER, "Latitude", unit="degrees"),
            Column("longitude", Type.NUMBER, "Longitude", unit="degrees"),
            Column("opening_hours", Type.STRING, "Opening hours as text"),
            Column("opened_on", Type.DATE, "First day of trade"),
            Column("closed_on", Type.DATE, "Last day of trade"),
            Column("comparable_from", Type.DATE, "From when it counts as a comparable store (可比店)"),
            Column("floor_area", Type.NUMBER, "Sales floor", unit="m²"),
            Column("cutover_hour", Type.INTEGER, "Hour at which the business day (营业日) changes", unit="hour"),
        ),
        key=("store_id",),
        kind=TableKind.MASTER,
    ),
    Table(
        "org_unit",
        "one node of the organisation, with dates",
        (
            Column("org_unit_id", Type.STRING, "Its id", required=True),
            Column("parent_id", Type.STRING, "The node above"),
            Column("kind", Type.STRING, "Its level", required=True, values=("chain", "region", "area", "store")),
            Column("name", Type.STRING, "Its name"),
            Column("valid_from", Type.DATE, "From when", required=True),
            Column("valid_to", Type.DATE, "Until when; empty while it lasts"),
        ),
        key=("org_unit_id", "valid_from"),
        kind=TableKind.MASTER,
    ),
    Table(
        "staff",
        "one member of staff",
        (
            Column("staff_id", Type.STRING, "Id", required=True, privacy=Privacy.PERSON),
            Column("store_id", Type.STRING, "Store"),
            Column("role", Type.STRING, "Role"),
            Column("employed_from", Type.DATE, "First day"),
            Column("employed_to", Type.DATE, "Last day"),
        ),
        key=("staff_id",),
        kind=TableKind.MASTER,
    ),
    Table(
        "calendar",
        "one day in one region",
        (
            Column("day", Type.DATE, "The day", required=True),
            Column("region", Type.STRING, "The region", required=True),
            Column("is_working_day", Type.BOOLEAN, "Whether people work, with moved days (调休)"),
            Column("holiday", Type.STRING, "Holiday, if it is one"),
            Column("lunar_month", Type.INTEGER, "Month of the lunar calendar, negative when leap", unit="month"),
            Column("lunar_day", Type.INTEGER, "Day of the lunar month", unit="day"),
            Column("school_term", Type.BOOLEAN, "Whether schools are open"),
            Column("local_event", Type.STRING, "What else is on"),
        ),
        key=("day", "region"),
        kind=TableKind.MASTER,
    ),
    Table(
        "weather",
        "one hour at one place, seen or forecast",
        (
            Column("place", Type.STRING, "Where", required=True),
            Column("hour", Type.INSTANT, "Which hour", required=True),
            Column("issued_at", Type.INSTANT, "When it was forecast or seen", required=True),
            Column("temperature", Type.NUMBER, "Temperature", unit="°C"),
            Column("rain", Type.NUMBER, "Rain", unit="mm"),
            Column("wind", Type.NUMBER, "Wind", unit="m/s"),
        ),
        key=("place", "hour", "issued_at"),
    ),
    Table(
        "target",
        "one goal of one node for one business day",
        (
            Column("org_unit_id", Type.STRING, "Node of the organisation, or a store", required=True),
            Column("business_day", Type.DATE, "The business day", required=True),
            Column("measure", Type.STRING, "What is to be reached, such as sales", required=True),
            Column("value", Type.MONEY, "How much", required=True),
        ),
        key=("org_unit_id", "business_day", "measure"),
        kind=TableKind.MASTER,
    ),
    Table(
        "daily_close",
        "what the till or finance closed for one store and business day",
        (
            Column("store_id", Type.STRING, "The store", required=True),
            Column("business_day", Type.DATE, "The business day", required=True),
            Column("sales", Type.MONEY, "Net sales closed", unit="currency"),
            Column("tickets", Type.INTEGER, "Tickets closed", unit="tickets"),
            Column("tenders", Type.MAP, "Amount by means of payment"),
        ),
        key=("store_id", "business_day"),
        kind=TableKind.MASTER,
    ),
    Table(
        "spend",
        "one day's cost of a channel or campaign",
        (
            Column("day", Type.DATE, "The day", required=True),
            Column("channel", Type.STRING, "The channel", required=True),
            Column("campaign_id", Type.STRING, "The campaign"),
            Column("amount", Type.MONEY, "What was spent", unit="currency", required=True),
        ),
        key=("day", "channel", "campaign_id"),
        partition=Partition.NONE,
    ),
)
