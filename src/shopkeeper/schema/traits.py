"""The traits of a person: the catalogue that the profile, the audience language, the console and the docs share.

A *visit* is an order with at least one line bought, of any kind of product; a *purchase* is an order with at least one
line bought that counts (`product_fact.counted`): tobacco, bags, top-ups and the like are left out.
"The last 30 days" are 30 business days up to and with `as_of`.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from shopkeeper.base.errors import MissingError
from shopkeeper.schema.places import CHANNELS
from shopkeeper.schema.table import Type
from shopkeeper.schema.trait import Liveness, Trait

__all__ = ["AGE_BANDS", "GROUPS", "PRICE_TIERS", "RFM_CLASSES", "STAGES", "TRAITS", "TRENDS", "trait"]

STAGES = ("prospect", "new", "active", "sleeping", "lapsed")
TRENDS = ("rising", "steady", "falling")
PRICE_TIERS = ("low", "middle", "high")
AGE_BANDS = ("under_18", "18_24", "25_34", "35_44", "45_54", "55_64", "65_plus")
RFM_CLASSES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "champions": ("Champions", "重要价值会员"),
        "loyal": ("Loyal", "忠诚会员"),
        "potential_loyal": ("Potential loyal", "潜力会员"),
        "newcomers": ("Newcomers", "新近会员"),
        "needs_attention": ("Needs attention", "重要保持会员"),
        "at_risk": ("At risk", "流失预警会员"),
        "cannot_lose": ("Cannot lose", "重要挽留会员"),
        "hibernating": ("Hibernating", "休眠会员"),
        "lost": ("Lost", "流失会员"),
    }
)
"""The classes by editable cut-points, each with its heading in English and Chinese."""

GROUPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "who": ("Who", "基本信息"),
        "recency": ("Recency", "最近消费"),
        "frequency": ("Frequency", "消费频次"),
        "monetary": ("Monetary", "消费金额"),
        "basket": ("Basket", "小票"),
        "rhythm": ("Rhythm", "消费节奏"),
        "favourites": ("Favourites", "偏好"),
        "variety": ("Variety", "丰富度"),
        "price": ("Price and offers", "价格与优惠"),
        "lifecycle": ("Lifecycle", "生命周期"),
        "rfm": ("RFM", "RFM 分层"),
    }
)
"""The groups of traits in the order they are shown, each with its heading in English and Chinese."""

# A catalogue reads by the line, not by the argument.
# fmt: off

_S, _I, _N, _M, _D = Type.STRING, Type.INTEGER, Type.NUMBER, Type.MONEY, Type.DATE

_WHO = (
    Trait("gender", _S, "who", "Gender as the source has it.", "来源系统记录的性别。", "Gender", "性别"),
    Trait("birth_year", _I, "who", "Year of birth.", "出生年份。", "Year of birth", "出生年份", "year"),
    Trait("age_band", _S, "who", "Age at the end of the year of `as_of`, as a band.",
          "按统计日所在年份计算的年龄段。", "Age band", "年龄段", values=AGE_BANDS),
    Trait("region", _S, "who", "Region of the home.", "居住地区。", "Region", "地区"),
    Trait("city", _S, "who", "City of the home.", "居住城市。", "City", "城市"),
    Trait("tier", _S, "who", "Membership tier as the source has it.", "来源系统记录的会员等级。", "Tier", "会员等级"),
    Trait("registered_at", Type.INSTANT, "who", "When the first record was made.", "首次注册时间。", "Registered",
          "注册时间"),
    Trait("acquisition_channel", _S, "who", "Channel the person came by.", "获客渠道。", "Acquired by", "获客渠道"),
    Trait("acquisition_campaign", _S, "who", "Campaign the person came by.", "获客活动。", "Acquisition campaign",
          "获客活动"),
    Trait("attributes", Type.MAP, "who", "What else the source knows, by name.", "来源系统提供的其他属性。",
          "Other attributes", "其他属性"),
)

_RECENCY = (
    Trait("first_purchase_on", _D, "recency", "Day of the first purchase.", "首次消费日。", "First purchase",
          "首次消费"),
    Trait("last_purchase_on", _D, "recency", "Day of the last purchase.", "最近一次消费日。", "Last purchase",
          "最近消费"),
    Trait("recency_days", _I, "recency", "Days since the last purchase; 0 is today.",
          "距最近一次消费的天数，0 为当天。", "Recency", "最近消费间隔", "days"),
    Trait("first_visit_on", _D, "recency", "Day of the first order of any kind, left-out kinds too.",
          "首次到店日（含不计入的商品类型）。", "First visit", "首次到店"),
    Trait("last_visit_on", _D, "recency", "Day of the last order of any kind, left-out kinds too.",
          "最近一次到店日（含不计入的商品类型）。", "Last visit", "最近到店"),
    Trait("tenure_days", _I, "recency", "Days since registration or the first visit, whichever came first.",
          "自注册或首次到店（取较早者）起的天数。", "Tenure", "会员时长", "days"),
)

_FREQUENCY = (
    Trait("orders_30d", _I, "frequency", "Orders in the last 30 days.", "近 30 天订单数。", "Orders 30 d",
          "近30天订单", "orders"),
    Trait("orders_90d", _I, "frequency", "Orders in the last 90 days.", "近 90 天订单数。", "Orders 90 d",
          "近90天订单", "orders"),
    Trait("orders_365d", _I, "frequency", "Orders in the last 365 days.", "近 365 天订单数。", "Orders 365 d",
          "近365天订单", "orders"),
    Trait("orders_ever", _I, "frequency", "Orders ever.", "累计订单数。", "Orders ever", "累计订单", "orders"),
    Trait("visit_days_ever", _I, "frequency", "Days with a visit, ever.", "累计到店天数。", "Visit days",
          "累计到店天数", "days"),
)

_MONETARY = (
    Trait("monetary_30d", _M, "monetary", "Paid in the last 30 days, returns taken off.",
          "近 30 天实付金额（已扣退货）。", "Spend 30 d", "近30天消费额", "currency"),
    Trait("monetary_90d", _M, "monetary", "Paid in the last 90 days, returns taken off.",
          "近 90 天实付金额（已扣退货）。", "Spend 90 d", "近90天消费额", "currency"),
    Trait("monetary_365d", _M, "monetary", "Paid in the last 365 days, returns taken off.",
          "近 365 天实付金额（已扣退货）。", "Spend 365 d", "近365天消费额", "currency"),
    Trait("monetary_ever", _M, "monetary", "Paid ever, returns taken off.", "累计实付金额（已扣退货）。",
          "Spend ever", "累计消费额", "currency"),
    Trait("spend_all_ever", _M, "monetary", "Paid ever for everything, left-out kinds too.",
          "全部商品累计实付金额（含不计入的商品类型）。", "Spend, all kinds", "累计全部消费额", "currency"),
)

_BASKET = (
    Trait("basket_value", _M, "basket", "Average amount paid an order, ever (客单价).",
          "平均每单实付金额（客单价）。", "Average ticket", "客单价", "currency"),
    Trait("basket_value_90d", _M, "basket", "Average amount paid an order in the last 90 days.", "近 90 天客单价。",
          "Average ticket 90 d", "近90天客单价", "currency"),
    Trait("basket_items", _N, "basket", "Average units an order, ever (连带率).", "平均每单件数（连带率）。",
          "Items per ticket", "连带率", "units"),
    Trait("basket_lines", _N, "basket", "Average lines bought an order, ever.", "平均每单商品行数。",
          "Lines per ticket", "每单行数", "lines"),
)

_RHYTHM = (
    Trait("gap_median_days", _N, "rhythm", "Median of the days between one visit day and the next.",
          "相邻两个到店日间隔天数的中位数。", "Median gap", "到店间隔中位数", "days"),
    Trait("gap_variation", _N, "rhythm",
          "Standard deviation of the gaps over their mean: 0 is clockwork, 1 as irregular as chance; needs three gaps.",
          "到店间隔的变异系数：0 为完全规律，1 相当于随机；至少需要三个间隔。", "Irregularity", "间隔波动", "ratio"),
    Trait("next_purchase_on", _D, "rhythm", "Next visit expected by habit: last visit and the median gap.",
          "按习惯预计的下次到店日：最近到店日加间隔中位数。", "Next expected", "预计下次到店"),
    Trait("overdue_days", _I, "rhythm", "Days the expected visit is overdue; 0 when it is not.",
          "超过预计到店日的天数，未超过为 0。", "Overdue", "超期天数", "days"),
)


def _favourite(
    what: str, chinese: str, of: tuple[str, str], kind: Type = _S, note: tuple[str, str] = ("", ""),
    values: tuple[str, ...] = (),
) -> tuple[Trait, Trait]:
    """A favourite and its share; ties go to the first by name."""
    english_of, chinese_of = of
    return (
        Trait(f"favourite_{what}", kind, "favourites",
              f"The {what} with most of the person's {english_of}, ever{note[0]}.",
              f"累计{chinese_of}最多的{chinese}{note[1]}。", f"Favourite {what}", f"偏好{chinese}", values=values),
        Trait(f"favourite_{what}_share", _N, "favourites",
              f"Share of the favourite {what} in the person's {english_of}.",
              f"偏好{chinese}占{chinese_of}的比例。", f"Favourite {what} share", f"偏好{chinese}占比", "share"),
    )


_SPEND, _ORDERS = ("spend on goods bought", "购买金额"), ("orders", "订单数")
_FAVOURITES = (
    *_favourite("department", "部门", _SPEND),
    *_favourite("category", "品类", _SPEND),
    *_favourite("brand", "品牌", _SPEND),
    *_favourite("store", "门店", _ORDERS),
    *_favourite("channel", "渠道", _ORDERS, values=CHANNELS),
    *_favourite("weekday", "星期", _ORDERS, _I, ("; 1 is Monday", "（1 为周一）")),
    *_favourite("hour", "时段", _ORDERS, _I, ("; 0 to 23", "（0 至 23 时）")),
)

_VARIETY = (
    Trait("products_ever", _I, "variety", "Different products bought, ever.", "累计购买的不同商品数。", "Products",
          "商品数", "products"),
    Trait("categories_ever", _I, "variety", "Different categories bought, ever.", "累计购买的不同品类数。",
          "Categories", "品类数", "categories"),
    Trait("departments_ever", _I, "variety", "Different departments bought, ever.", "累计购买的不同部门数。",
          "Departments", "部门数", "departments"),
    Trait("brands_ever", _I, "variety", "Different brands bought, ever.", "累计购买的不同品牌数。", "Brands",
          "品牌数", "brands"),
    Trait("stores_ever", _I, "variety", "Different stores bought in, ever.", "累计消费过的不同门店数。", "Stores",
          "门店数", "stores"),
)

_PRICE = (
    Trait("private_label_share", _N, "price", "Share of private label in what was paid for goods bought.",
          "自有品牌占消费额的比例。", "Private label", "自有品牌占比", "share"),
    Trait("discount_share", _N, "price", "Product discounts over the amount before discounts.",
          "商品折扣占原价金额的比例。", "Discount depth", "折扣率", "share"),
    Trait("discount_line_share", _N, "price", "Share of lines bought with a product discount.",
          "享受商品折扣的商品行占比。", "Bought on discount", "折扣购买占比", "share"),
    Trait("coupon_share", _N, "price", "Coupon discounts over the amount before discounts.",
          "券抵扣金额占原价金额的比例。", "Coupon depth", "券抵扣率", "share"),
    Trait("coupon_order_share", _N, "price", "Share of orders with a coupon.", "使用优惠券的订单占比。",
          "Orders with coupon", "用券订单占比", "share"),
    Trait("price_index", _N, "price",
          "Place of the goods bought in the prices of their subcategory, by spend: 0 cheapest third, 1 dearest third.",
          "所购商品在其小类价格带中的位置，按消费额加权：0 为最低三分之一，1 为最高三分之一。", "Price index",
          "价格指数", "share"),
    Trait("price_tier", _S, "price", "Price tier against the category: low, middle or high.",
          "相对品类的价格层级：低、中、高。", "Price tier", "价格带", values=PRICE_TIERS),
    Trait("return_rate", _N, "price", "Amount returned over the amount bought.", "退货金额占购买金额的比例。",
          "Return rate", "退货率", "share"),
)

_LIFECYCLE = (
    Trait("lifecycle", _S, "lifecycle",
          "Stage relative to the person's own rhythm; prospect: registered without purchase.",
          "按本人消费节奏判定的生命周期阶段；prospect 为注册未消费。", "Lifecycle", "生命周期", values=STAGES),
    Trait("lifecycle_fixed", _S, "lifecycle", "Stage by fixed days since the last visit.",
          "按固定天数判定的生命周期阶段。", "Lifecycle, fixed days", "固定天数生命周期", values=STAGES),
    Trait("trend", _S, "lifecycle",
          "Spend of the last 90 days against the 90 before; empty until the first purchase is 180 days old.",
          "近 90 天消费额与此前 90 天相比：上升、平稳或下降；首次消费不足 180 天者为空。", "Trend", "消费趋势",
          values=TRENDS),
)

_RFM = (
    Trait("rfm_recency", _I, "rfm", "Quintile of recency among buyers, 5 = latest; equal values are never split.",
          "最近消费五分位，5 为最近；相同值不拆分。", "R quintile", "R 五分位", "quintile"),
    Trait("rfm_frequency", _I, "rfm", "Quintile of orders in 365 days among buyers, 5 = most.",
          "近 365 天订单数五分位，5 为最多。", "F quintile", "F 五分位", "quintile"),
    Trait("rfm_monetary", _I, "rfm", "Quintile of spend in 365 days among buyers, 5 = most.",
          "近 365 天消费额五分位，5 为最高。", "M quintile", "M 五分位", "quintile"),
    Trait("rfm_cell", _S, "rfm", "The three quintiles as digits, such as 545.", "三个五分位组成的编码，如 545。",
          "RFM cell", "RFM 编码"),
    Trait("rfm_recency_points", _I, "rfm", "Points of recency by the editable cut-points, 1 to 5.",
          "按可编辑分界点计算的最近消费得分，1 至 5。", "R points", "R 得分", "points"),
    Trait("rfm_frequency_points", _I, "rfm", "Points of orders in 365 days by the editable cut-points, 1 to 5.",
          "按可编辑分界点计算的频次得分，1 至 5。", "F points", "F 得分", "points"),
    Trait("rfm_monetary_points", _I, "rfm", "Points of spend in 365 days by the editable cut-points, 1 to 5.",
          "按可编辑分界点计算的金额得分，1 至 5。", "M points", "M 得分", "points"),
    Trait("rfm_class", _S, "rfm", "Named class by the three points.", "按三项得分划分的会员类别。", "RFM class",
          "RFM 类别", values=tuple(RFM_CLASSES)),
)

# What the last profile and the order lines of so many days say exactly; the rest is as the last run found it.
_LIVE_DAYS = {
    "first_purchase_on": 1, "last_purchase_on": 1, "recency_days": 1, "first_visit_on": 1, "last_visit_on": 1,
    "tenure_days": 1, "orders_30d": 30, "orders_90d": 90, "orders_365d": 365, "monetary_30d": 30, "monetary_90d": 90,
    "monetary_365d": 365, "basket_value_90d": 90, "lifecycle_fixed": 1, "trend": 180, "rfm_recency_points": 1,
    "rfm_frequency_points": 365, "rfm_monetary_points": 365, "rfm_class": 365,
}


def _as_live(declared: Trait) -> Trait:
    days = _LIVE_DAYS.get(declared.name)
    return declared if days is None else replace(declared, liveness=Liveness.LIVE, live_days=days)


TRAITS: Mapping[str, Trait] = MappingProxyType(
    {
        declared.name: _as_live(declared)
        for declared in (
            *_WHO,
            *_RECENCY,
            *_FREQUENCY,
            *_MONETARY,
            *_BASKET,
            *_RHYTHM,
            *_FAVOURITES,
            *_VARIETY,
            *_PRICE,
            *_LIFECYCLE,
            *_RFM,
        )
    }
)
"""Every trait by its name, in the order of the columns of `profile`; a new one is only ever added at the end."""


def trait(name: str) -> Trait:
    """Gives a declared trait by its name.

    Raises:
        MissingError: The catalogue has no such trait.
    """
    try:
        return TRAITS[name]
    except KeyError:
        raise MissingError(f"there is no trait '{name}'", next_step="shopkeeper table describe profile") from None
