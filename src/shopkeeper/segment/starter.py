"""Segments that any chain wants on its first day, in both languages, as lines of the audience language."""

from functools import cache

from shopkeeper.segment.check import audience
from shopkeeper.segment.definition import Definition

__all__ = ["starters"]

_STARTERS = (
    (
        "new_without_second",
        'lifecycle in ("new", "active") and orders_ever = 1 and recency_days <= 90',
        ("New without a second order", "新客未复购"),
        ("Bring them back before the first visit fades.", "在首购印象消退前促成第二单。"),
    ),
    (
        "champions",
        "rfm_recency >= 4 and rfm_frequency >= 4 and rfm_monetary >= 5",
        ("Champions", "核心高价值会员"),
        ("Thank them, ask them, do not discount them.", "表达感谢、邀请共创，不必打折。"),
    ),
    (
        "sleeping_but_valuable",
        'lifecycle = "sleeping" and rfm_monetary >= 4',
        ("Sleeping but valuable", "沉睡高价值会员"),
        ("Win back those who spent most while they came.", "优先唤回曾经高消费的会员。"),
    ),
    (
        "lapsed_big_spenders",
        'lifecycle = "lapsed" and rfm_monetary >= 4',
        ("Lapsed big spenders", "流失大客户"),
        ("Ask why, with a strong offer or a call.", "以强力优惠或回访了解流失原因。"),
    ),
    (
        "rising",
        'trend = "rising" and orders_90d >= 3',
        ("Rising", "消费上升会员"),
        ("Widen what they buy while they like you more.", "趁热扩展其购买品类。"),
    ),
    (
        "falling_regulars",
        'trend = "falling" and orders_365d >= 12 and lifecycle in ("active", "sleeping")',
        ("Falling regulars", "消费下滑熟客"),
        ("Act before they are gone: habits are breaking.", "在习惯断裂前及时干预。"),
    ),
    (
        "price_hunters",
        'discount_line_share >= 0.3 and orders_365d >= 5 and price_tier = "low"',
        ("Price hunters", "价格敏感会员"),
        ("Clearance and multi-buy; keep margins away from them.", "适合清仓与多件优惠。"),
    ),
    (
        "coupon_lovers",
        "coupon_order_share >= 0.1 and orders_365d >= 5",
        ("Coupon lovers", "爱用券会员"),
        ("Answer coupons; test smaller ones.", "对券响应高，可测试更小面额。"),
    ),
    (
        "loyal_to_private_label",
        "private_label_share >= 0.4 and orders_365d >= 5",
        ("Loyal to private label", "自有品牌忠诚会员"),
        ("First to hear of new own-brand products.", "自有品牌新品首推人群。"),
    ),
    (
        "category_switchers",
        "categories_ever >= 10 and favourite_category_share <= 0.2 and favourite_brand_share <= 0.15",
        ("Category switchers", "品类尝新会员"),
        ("Open to new products and tastings.", "乐于尝新，适合新品与试吃。"),
    ),
    (
        "breakfast_regulars",
        "bought hour between 6 and 9 at least 4 days in last 30 days",
        ("Breakfast regulars", "早餐熟客"),
        ("Breakfast passes and hot-food bundles.", "适合早餐月卡与热食组合。"),
    ),
    (
        "weekend_families",
        "bought weekday in (6, 7) at least 4 days in last 60 days and basket_lines >= 8",
        ("Weekend families", "周末家庭会员"),
        ("Large weekend baskets: family packs, Friday reminders.", "周末大单：家庭装与周五提醒。"),
    ),
    (
        "registered_without_purchase",
        'lifecycle = "prospect"',
        ("Registered without purchase", "注册未消费"),
        ("A first-order gift.", "首单礼促成首次消费。"),
    ),
)


@cache
def starters() -> tuple[Definition, ...]:
    """The starter set, checked against the declared traits."""
    return tuple(Definition(name, audience(line, name=name), *labels, *uses) for name, line, labels, uses in _STARTERS)
