"""What a behaviour may be asked about: the fields and measures of order lines, events and redemptions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from shopkeeper.schema.goods import PRODUCT_KINDS
from shopkeeper.schema.places import CHANNELS

__all__ = ["ACTS", "ActKind", "Field", "FieldType", "Measure", "Origin"]


class FieldType(StrEnum):
    """What a field's values are."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole number"
    BOOLEAN = "true or false"


class Origin(StrEnum):
    """Where a field's value comes from: a column of the act's own table, of `product`, or worked out."""

    COLUMN = "column"
    PRODUCT = "product"
    WEEKDAY = "weekday"
    HOUR = "hour"
    POSITIVE = "positive"


@dataclass(frozen=True, slots=True)
class Field:
    """One field that rows of an act are filtered by.

    Args:
        name: Its word in the language.
        type: What its values are.
        column: The column it stands for.
        english: Its words in English.
        chinese: Its words in Chinese.
        origin: Where the value comes from.
        values: The only values it may have, if it is a choice.
    """

    name: str
    type: FieldType
    column: str
    english: str
    chinese: str
    origin: Origin = Origin.COLUMN
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is counted or summed over the rows of an act.

    Args:
        name: Its word in the language.
        english: What is counted, for one and for several.
        chinese: Its measure word in Chinese.
        whole: Whether it counts (or sums what may be a fraction).
    """

    name: str
    english: tuple[str, str]
    chinese: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class ActKind:
    """One table whose rows are things people do.

    Args:
        table: The table.
        word: How an act begins in the language.
        moment: The column that says when, an instant or a day.
        day: The column of the business day, where the table has one.
        fields: What its rows are filtered by.
        measures: What is counted; the first is what `times` means.
    """

    table: str
    word: str
    moment: str
    day: str | None
    fields: Mapping[str, Field]
    measures: Mapping[str, Measure]


def _fields(*fields: Field) -> Mapping[str, Field]:
    return MappingProxyType({field.name: field for field in fields})


def _measures(*measures: Measure) -> Mapping[str, Measure]:
    return MappingProxyType({measure.name: measure for measure in measures})


_TEXT, _PRODUCT = FieldType.TEXT, Origin.PRODUCT
_DAYS = Measure("days", ("day", "different days"), "天")

_GOODS = (
    Field("product", _TEXT, "product_id", "product", "商品"),
    Field("category", _TEXT, "category", "category", "品类", _PRODUCT),
    Field("subcategory", _TEXT, "subcategory", "subcategory", "小类", _PRODUCT),
    Field("department", _TEXT, "department", "department", "部类", _PRODUCT),
    Field("brand", _TEXT, "brand", "brand", "品牌", _PRODUCT),
    Field("kind", _TEXT, "kind", "kind of goods", "商品类型", _PRODUCT, PRODUCT_KINDS),
    Field("private_label", FieldType.BOOLEAN, "private_label", "private label", "自有品牌", _PRODUCT),
)
_PLACES = (
    Field("store", _TEXT, "store_id", "store", "门店"),
    Field("channel", _TEXT, "channel", "channel", "渠道", values=CHANNELS),
)

_ORDER_LINE = ActKind(
    "order_line",
    "bought",
    "ordered_at",
    "business_day",
    _fields(
        *_GOODS,
        *_PLACES,
        Field("weekday", FieldType.WHOLE, "business_day", "weekday (1 = Monday)", "星期（1 为周一）", Origin.WEEKDAY),
        Field("hour", FieldType.WHOLE, "ordered_at", "hour", "小时", Origin.HOUR),
        Field("with_coupon", FieldType.BOOLEAN, "coupon_discount", "with coupon", "用券", Origin.POSITIVE),
        Field("discounted", FieldType.BOOLEAN, "product_discount", "discounted", "有折扣", Origin.POSITIVE),
        Field("payment", _TEXT, "payment_method", "means of payment", "支付方式"),
    ),
    _measures(
        Measure("orders", ("time", "times"), "次"),
        Measure("lines", ("line", "lines"), "行"),
        Measure("units", ("unit", "units"), "件", whole=False),
        _DAYS,
        Measure("amount", ("", ""), "", whole=False),
    ),
)

_EVENT = ActKind(
    "event",
    "did",
    "occurred_at",
    None,
    _fields(
        Field("event", _TEXT, "name", "event", "行为"),
        Field("type", _TEXT, "type", "type", "类型"),
        *_GOODS,
        *_PLACES,
        Field("search", _TEXT, "query", "search", "搜索词"),
        Field("hour", FieldType.WHOLE, "occurred_at", "hour", "小时", Origin.HOUR),
    ),
    _measures(
        Measure("times", ("time", "times"), "次"),
        _DAYS,
        Measure("amount", ("", ""), "", whole=False),
    ),
)

_REDEMPTION = ActKind(
    "redemption",
    "redeemed",
    "redeemed_on",
    "redeemed_on",
    _fields(
        Field("offer", _TEXT, "offer_id", "offer", "优惠"),
        Field("campaign", _TEXT, "campaign_id", "campaign", "活动"),
    ),
    _measures(Measure("times", ("time", "times"), "次"), _DAYS),
)

ACTS: Mapping[str, ActKind] = MappingProxyType({act.table: act for act in (_ORDER_LINE, _EVENT, _REDEMPTION)})
