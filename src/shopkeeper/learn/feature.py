"""The features of the response model: each with the way it can only push, and the words in which it is a reason."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.base.errors import DataError

__all__ = ["FEATURES", "Feature", "Matrix", "matrix"]

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a model.

    Args:
        name: Its column.
        direction: 1 where more of it can only raise the score of the trees, -1 only lower, 0 either way.
        english: The noun phrase of a reason.
        chinese: The same in Chinese.
    """

    name: str
    direction: int
    english: str
    chinese: str


FEATURES: tuple[Feature, ...] = (
    Feature("recency_days", -1, "days since the last visit", "距上次到店天数"),
    Feature("tenure_days", 0, "days since the first visit", "距首次到店天数"),
    Feature("visits", 1, "visits a month", "月均到店次数"),
    Feature("spend", 1, "spend a month", "月均消费"),
    Feature("basket_value", 0, "average basket", "客单价"),
    Feature("visits_30d", 1, "visits in the last 30 days", "近30天到店次数"),
    Feature("discount_share", 0, "share of price discounts", "促销折扣占比"),
    Feature("private_label_share", 0, "share of private label", "自有品牌占比"),
    Feature("products", 1, "variety of products bought", "购买商品种类数"),
    Feature("till_coupons", 1, "lines bought with a coupon a month", "月均用券商品行数"),
    Feature("till_coupons_60d", 1, "lines bought with a coupon in 60 days", "近60天用券商品行数"),
    Feature("till_coupons_recent", 1, "coupons used lately", "近期用券"),
    Feature("till_coupon_days", 1, "days with a coupon a month", "月均用券天数"),
    Feature("till_coupon_products", 1, "different products bought with a coupon", "用券购买的商品种类数"),
    Feature("till_coupon_basket_share", 1, "share of baskets with a coupon", "用券小票占比"),
    Feature("till_coupon_share", 1, "share of money saved by coupons", "用券优惠占比"),
    Feature("till_coupon_recency_days", -1, "days since the last coupon at the till", "距上次用券天数"),
    Feature("own_visits", 1, "purchases of this campaign's products a month", "本活动商品月均购买次数"),
    Feature("own_visits_60d", 1, "purchases of this campaign's products in 60 days", "近60天购买本活动商品次数"),
    Feature("own_spend", 1, "spend on this campaign's products a month", "本活动商品月均消费"),
    Feature("own_share", 1, "share of spend on this campaign's products", "本活动商品消费占比"),
    Feature("own_products", 1, "different products of this campaign bought", "已购本活动商品种类数"),
    Feature("own_rarity", 1, "purchases of this campaign's less common products", "购买本活动小众商品"),
    Feature("own_with_coupon", 1, "this campaign's products bought with a coupon", "用券购买本活动商品次数"),
    Feature(
        "own_with_coupon_recent", 1, "this campaign's products lately bought with a coupon", "近期用券购买本活动商品"
    ),
    Feature(
        "own_pull",
        1,
        "recent purchases of this campaign's products that others buy with coupons",
        "近期购买本活动中常被用券的商品",
    ),
    Feature("own_discount_share", 0, "share of discounts on this campaign's products", "本活动商品折扣占比"),
    Feature("own_recency_days", -1, "days since a product of this campaign was bought", "距上次购买本活动商品天数"),
    Feature("offers_bought", 1, "coupons of this campaign for products already bought", "匹配已购商品的券数"),
    Feature("offers_often", 1, "coupons of this campaign for products bought often", "匹配常购商品的券数"),
    Feature("best_offer_visits", 1, "purchases a month under the best matching coupon", "最匹配券的月均购买次数"),
    Feature("narrow_visits", 1, "purchases under this campaign's narrow coupons", "专用券商品的购买次数"),
    Feature("category_visits", 1, "purchases in this campaign's categories a month", "本活动品类月均购买次数"),
    Feature("category_spend", 1, "spend in this campaign's categories a month", "本活动品类月均消费"),
    Feature("category_products", 1, "different products bought in this campaign's categories", "本活动品类购买种类数"),
    Feature(
        "category_recency_days", -1, "days since a purchase in this campaign's categories", "距上次购买本活动品类天数"
    ),
    Feature("category_coupons", 1, "coupons used in this campaign's categories a month", "本活动品类月均用券数"),
    Feature("category_coupon_rate", 1, "share of coupon use in this campaign's categories", "本活动品类用券率"),
    Feature("maker_visits", 1, "purchases from the same makers a month", "同厂商商品月均购买次数"),
    Feature("redemptions", 1, "campaign coupons redeemed so far", "历史活动核销数"),
    Feature("redemptions_60d", 1, "campaign coupons redeemed in 60 days", "近60天活动核销数"),
    Feature("redemption_recency_days", -1, "days since the last redemption", "距上次核销天数"),
    Feature("alike_redeemed", 1, "coupons redeemed for the same products", "同类商品券核销数"),
    Feature("campaigns_redeemed", 1, "campaigns answered so far", "响应过的活动数"),
    Feature("same_kind_campaigns_redeemed", 1, "campaigns of this kind answered", "响应过的同类活动数"),
    Feature("redeemed_rate", 1, "share of campaigns answered", "活动响应率"),
    Feature("same_kind_rate", 1, "share of campaigns of this kind answered", "同类活动响应率"),
    Feature("campaign_offers", 0, "number of coupons in this campaign", "本活动券数"),
    Feature("campaign_products", 0, "number of products in this campaign", "本活动商品数"),
    Feature("age", 0, "age group", "年龄段"),
    Feature("income", 0, "income group", "收入段"),
    Feature("household_size", 0, "household size", "家庭人口"),
    Feature("demographics_known", 0, "whether demographics are known", "是否有人口属性"),
)
"""Chosen on campaigns that started before 2017-08-01 only: docs/decisions/response-model.md."""


def matrix(table: pa.Table, columns: Sequence[str]) -> Matrix:
    """Takes columns of a table as a matrix, empty cells as NaN.

    Returns:
        Shape (rows, columns), float64.

    Raises:
        DataError: A column is not there.
    """
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise DataError(f"the features lack {', '.join(missing)}", place=f"columns: {', '.join(table.column_names)}")
    found = np.empty((table.num_rows, len(columns)))
    for place, name in enumerate(columns):
        found[:, place] = table[name].cast(pa.float64()).to_numpy()
    return found
