"""The retail extension: what happens in stores, at tills, with coupons, points, tickets and consent."""

from shopkeeper.schema.happening import Happening

__all__ = ["RETAIL_EVENTS"]

_SHELF = ("shelf_id", "aisle", "bay", "level")
_WALLET = ("coupon_id", "coupon", "coupon_name", "offer_id", "campaign_id", "value", "store_id")
_POINTS = ("points", "balance", "reason", "order_id", "store_id")
_CONSENT = ("purpose", "channel", "text_version", "reason")
_LINE = (
    "order_id",
    "line_no",
    "product_id",
    "sku",
    "category",
    "name",
    "quantity",
    "price",
    "gross_amount",
    "product_discount",
    "coupon_discount",
    "coupon",
    "net_amount",
    "unit_cost",
    "lot_id",
    "store_id",
    "channel",
    "register_id",
    "cashier_id",
    "tender",
    "ordered_at",
    "return_of",
    "currency",
)
_RECEIPT = (
    "order_id",
    "store_id",
    "channel",
    "register_id",
    "cashier_id",
    "tender",
    "ordered_at",
    "return_of",
    "total",
    "discount",
    "coupon",
    "currency",
    "products",
)

# A catalogue reads by the line, not by the argument.
# fmt: off
RETAIL_EVENTS = (
    Happening("Store Entered", "store", "Somebody came into a store.", "进店。",
              ("store_id", "entrance_id", "people", "signal"), ("store_id",), channel="store", nobodys=True),
    Happening("Store Left", "store", "Somebody left a store.", "离店。",
              ("store_id", "entrance_id", "people", "dwell_seconds"), ("store_id",), channel="store", nobodys=True),
    Happening("Zone Entered", "store", "Somebody came into a zone of a store.", "进入店内区域。",
              ("store_id", "zone_id", "dwell_seconds", "signal"), ("store_id", "zone_id"), channel="store",
              nobodys=True),
    Happening("Shelf Viewed", "store", "Somebody stood before a shelf.", "驻足货架。",
              ("store_id", *_SHELF, "product_id", "dwell_seconds"), ("store_id",), channel="store", nobodys=True),
    Happening("Product Picked Up", "store", "A product was taken from a shelf.", "拿起商品。",
              ("store_id", *_SHELF, "product_id", "quantity"), ("store_id",), channel="store", nobodys=True),
    Happening("Scan", "store", "A code was scanned.", "扫码。", ("store_id", "code", "code_kind", "product_id"),
              ("code",)),
    Happening("Coupon Issued", "wallet", "A coupon was put into a wallet.", "发券。", _WALLET, ("coupon_id",),
              server_only=True),
    Happening("Coupon Redeemed", "wallet", "A coupon was redeemed.", "核销。", (*_WALLET, "order_id"), ("coupon_id",),
              server_only=True),
    Happening("Points Earned", "wallet", "Points were earned.", "获得积分。", _POINTS, ("points",), server_only=True),
    Happening("Points Spent", "wallet", "Points were spent.", "使用积分。", _POINTS, ("points",), server_only=True),
    Happening("Receipt Printed", "order", "A till closed a receipt with all its lines.", "收银小票（整单）。", _RECEIPT,
              ("order_id", "products"), aliases=("Receipt", "Receipt Completed"), server_only=True,
              becomes="order_line", nobodys=True),
    Happening("Receipt Line", "order", "A till sold one line.", "收银小票行。", _LINE,
              ("order_id", "line_no", "product_id", "quantity", "net_amount"), server_only=True,
              becomes="order_line", nobodys=True),
    Happening("Review Posted", "voice", "A store, an order or the chain was reviewed.", "发布评价。",
              ("review_id", "review_body", "rating", "product_id", "order_id", "store_id", "language"),
              becomes="interaction"),
    Happening("Ticket Opened", "voice", "Somebody asked the service desk.", "提交工单。",
              ("ticket_id", "subject", "text", "status", "product_id", "order_id", "store_id", "language"),
              becomes="interaction"),
    Happening("Survey Answered", "voice", "A question of a survey was answered.", "回答问卷。",
              ("survey_id", "question", "answer", "score", "product_id", "order_id", "store_id", "language"),
              becomes="interaction"),
    Happening("Consent Given", "consent", "Somebody agreed to a purpose on a channel.", "同意授权。", _CONSENT,
              ("purpose", "channel", "text_version"), server_only=True, becomes="consent"),
    Happening("Consent Withdrawn", "consent", "Somebody withdrew what they agreed to.", "撤回授权。", _CONSENT,
              ("purpose", "channel"), server_only=True, becomes="consent"),
)
# fmt: on
