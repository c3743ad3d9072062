"""The events of Segment's e-commerce specification, version 2; the names of version 1 are aliases."""

from shopkeeper.schema.happening import Happening

__all__ = ["COMMERCE_EVENTS"]

_PRODUCT = (
    "product_id",
    "sku",
    "category",
    "name",
    "brand",
    "variant",
    "price",
    "quantity",
    "coupon",
    "position",
    "url",
    "image_url",
)
_ORDER = (
    "checkout_id",
    "order_id",
    "affiliation",
    "subtotal",
    "total",
    "revenue",
    "shipping",
    "tax",
    "discount",
    "coupon",
    "currency",
    "products",
)
_SOLD = (*_ORDER, "store_id", "channel", "ordered_at", "payment_method")
_STEP = ("checkout_id", "step", "shipping_method", "payment_method")
_COUPON = ("order_id", "cart_id", "coupon_id", "coupon_name", "discount", "reason")
_PROMOTION = ("promotion_id", "creative", "name", "position")
_WISH = ("wishlist_id", "wishlist_name", *_PRODUCT)

# A catalogue reads by the line, not by the argument.
# fmt: off
COMMERCE_EVENTS = (
    Happening("Products Searched", "browsing", "Products were searched for.", "搜索商品。", ("query",),
              aliases=("Searched Products",)),
    Happening("Product List Viewed", "browsing", "A list or category of products was viewed.", "浏览商品列表或品类。",
              ("list_id", "category", "products"), aliases=("Viewed Product Category", "Viewed Product List")),
    Happening("Product List Filtered", "browsing", "A list of products was filtered or sorted.", "筛选或排序商品列表。",
              ("list_id", "category", "filters", "sorts", "products"), aliases=("Filtered Product List",)),
    Happening("Promotion Viewed", "promotion", "A promotion was seen.", "看到促销。", _PROMOTION,
              aliases=("Viewed Promotion",)),
    Happening("Promotion Clicked", "promotion", "A promotion was clicked.", "点击促销。", _PROMOTION,
              aliases=("Clicked Promotion",)),
    Happening("Product Clicked", "browsing", "A product was clicked in a list.", "在列表中点击商品。", _PRODUCT,
              aliases=("Clicked Product",)),
    Happening("Product Viewed", "browsing", "A product's page was viewed.", "浏览商品详情。", (*_PRODUCT, "currency",
              "value"),
              aliases=("Viewed Product",)),
    Happening("Product Added", "cart", "A product was put into the cart.", "加入购物车。",
              ("cart_id", *_PRODUCT, "currency", "value"), aliases=("Added Product",)),
    Happening("Product Removed", "cart", "A product was taken out of the cart.", "移出购物车。", ("cart_id", *_PRODUCT),
              aliases=("Removed Product",)),
    Happening("Cart Viewed", "cart", "The cart was viewed.", "查看购物车。", ("cart_id", "products"),
              aliases=("Viewed Cart",)),
    Happening("Checkout Started", "order", "A checkout began.", "开始结算。", (*_ORDER, "value"),
              aliases=("Started Order", "Started Checkout")),
    Happening("Checkout Step Viewed", "order", "A step of the checkout was viewed.", "查看结算步骤。", _STEP,
              aliases=("Viewed Checkout Step",)),
    Happening("Checkout Step Completed", "order", "A step of the checkout was completed.", "完成结算步骤。", _STEP,
              aliases=("Completed Checkout Step",)),
    Happening("Payment Info Entered", "order", "A means of payment was given.", "填写支付信息。", (*_STEP, "order_id"),
              aliases=("Entered Payment Info",)),
    Happening("Order Updated", "order", "An order was changed.", "订单变更。", _SOLD, ("order_id",),
              aliases=("Updated Order",), server_only=True),
    Happening("Order Completed", "order", "An order was placed.", "下单完成。", _SOLD, ("order_id", "products"),
              aliases=("Completed Order",), server_only=True, becomes="order_line"),
    Happening("Order Refunded", "order", "An order was refunded, whole or in part.", "订单退款（全部或部分）。",
              (*_SOLD, "refund_id"), ("order_id",), aliases=("Refunded Order",), server_only=True,
              becomes="order_line"),
    Happening("Order Cancelled", "order", "An order was cancelled.", "订单取消。", _SOLD, ("order_id",),
              aliases=("Cancelled Order", "Order Canceled"), server_only=True),
    Happening("Coupon Entered", "coupon", "A coupon code was typed in.", "输入优惠券码。", _COUPON,
              aliases=("Entered Coupon",)),
    Happening("Coupon Applied", "coupon", "A coupon was applied to a cart.", "购物车使用优惠券。", _COUPON,
              aliases=("Applied Coupon",)),
    Happening("Coupon Denied", "coupon", "A coupon was not accepted.", "优惠券不可用。", _COUPON,
              aliases=("Denied Coupon",)),
    Happening("Coupon Removed", "coupon", "A coupon was taken off a cart.", "移除优惠券。", _COUPON,
              aliases=("Removed Coupon",)),
    Happening("Product Added to Wishlist", "wishlist", "A product was put onto a list of wishes.", "加入心愿单。",
              _WISH,
              aliases=("Added Product to Wishlist",)),
    Happening("Product Removed from Wishlist", "wishlist", "A product was taken off a list of wishes.",
              "移出心愿单。", _WISH,
              aliases=("Removed Product from Wishlist",)),
    Happening("Wishlist Product Added to Cart", "wishlist", "A product went from a list of wishes into the cart.",
              "心愿单商品加入购物车。", ("cart_id", *_WISH), aliases=("Added Wishlist Product to Cart",)),
    Happening("Product Shared", "sharing", "A product was shared.", "分享商品。",
              ("share_via", "share_message", "recipient", *_PRODUCT), aliases=("Shared Product",)),
    Happening("Cart Shared", "sharing", "A cart was shared.", "分享购物车。",
              ("share_via", "share_message", "recipient", "cart_id", "products"), aliases=("Shared Cart",)),
    Happening("Product Reviewed", "voice", "A product was reviewed.", "评价商品。",
              ("product_id", "review_id", "review_body", "rating", "order_id", "store_id", "language"), ("product_id",),
              aliases=("Reviewed Product",), becomes="interaction"),
)
# fmt: on
