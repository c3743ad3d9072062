"""What headers are called in the files of shops, in Chinese and English, and the columns they mean."""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["IDENTIFIER_HEADERS", "NAMES", "PERSONAL_HEADERS", "SCALES", "is_known", "plain"]

_TEXT: Mapping[str, str] = MappingProxyType(
    {
        "order_id": "小票号 小票编号 单号 订单号 订单编号 流水号 交易号 交易流水号 销售单号 "
        "receipt_no receipt ticket_no "
        "ticket_id basket_id transaction_id transaction_no invoice_no order_no order",
        "line_no": "行号 序号 明细行号 项次 line line_number item_no seq",
        "customer_id": "会员卡号 会员号 会员编号 会员id 卡号 顾客编号 客户编号 会员 用户id "
        "member_no member_id card_no "
        "customer_no customer member user_id household_id",
        "store_id": "门店编号 门店号 门店编码 店号 门店代码 门店 店铺 店铺编号 机构编码 机构号 "
        "store shop_id shop store_no "
        "branch branch_id site",
        "product_id": "商品编码 商品编号 货号 商品代码 商品id sku sku编码 商品货号 品号 "
        "item_code item_id product_code product_no "
        "product article article_no plu item",
        "ordered_at": "交易时间 销售时间 下单时间 订单时间 小票时间 支付时间 购买时间 时间 "
        "交易日期时间 timestamp order_time "
        "transaction_time transaction_timestamp datetime sold_at time",
        "business_day": "营业日 营业日期 交易日期 销售日期 日期 销售日 date day business_date sales_date order_date "
        "transaction_date",
        "quantity": "数量 销售数量 件数 销量 购买数量 qty units count",
        "gross_amount": "应收金额 原价金额 原价合计 销售原价 标价金额 零售金额 吊牌金额 折前金额 "
        "gross gross_sales list_amount",
        "product_discount": "优惠金额 折扣金额 促销优惠 商品优惠 让利金额 折扣 优惠 "
        "discount discount_amount promotion_discount",
        "coupon_discount": "优惠券金额 券抵扣 券优惠 优惠券抵扣 卡券金额 代金券 coupon coupon_amount coupon_disc",
        "net_amount": "实收金额 实付金额 实收 实付 销售金额 成交金额 付款金额 金额 小计 net "
        "net_sales sales amount paid "
        "sales_value total",
        "unit_cost": "成本价 进价 单位成本 成本 cost unit_cost_price",
        "coupon_code": "券码 优惠券码 优惠券编号 coupon_no voucher",
        "payment_method": "支付方式 付款方式 收款方式 结算方式 payment payment_type tender pay_method",
        "register_id": "收银机号 款台 款台号 pos号 收银台 机号 till pos register terminal",
        "cashier_id": "收银员 收银员编号 收银员号 营业员 cashier operator",
        "channel": "渠道 销售渠道 订单渠道 来源渠道 sales_channel",
        "return_of": "原单号 原小票号 退货原单 original_order original_receipt",
        "name": "商品名称 品名 商品名 名称 门店名称 店名 活动名称 "
        "product_name item_name store_name description title item",
        "department": "部门 大类 一级分类 大类名称 dept division",
        "category": "品类 中类 分类 类别 二级分类 商品分类 中类名称 product_category class",
        "subcategory": "小类 三级分类 子类 小类名称 product_type subclass",
        "brand": "品牌 品牌名称 brand_name",
        "private_label": "自有品牌 是否自有品牌 own_brand",
        "package_size": "规格 包装规格 商品规格 size pack_size",
        "list_price": "零售价 标准售价 原价 售价 标价 price retail_price",
        "supplier_id": "供应商编码 供应商 供应商编号 vendor supplier",
        "shelf_life_days": "保质期 保质期天数 shelf_life",
        "launched_on": "上市日期 引进日期 上架日期 launch_date",
        "gtin": "条码 条形码 国际条码 barcode ean upc",
        "kind": "类型 种类 type",
        "region": "大区 区域 省份 省 province area",
        "city": "城市 市",
        "latitude": "纬度 lat",
        "longitude": "经度 lng lon",
        "ownership": "经营方式 门店性质 加盟直营 ownership_type",
        "trade_area": "商圈 商圈类型",
        "opening_hours": "营业时间 hours",
        "opened_on": "开业日期 开店日期 open_date opened",
        "closed_on": "关店日期 闭店日期 close_date closed",
        "floor_area": "营业面积 面积 sqm",
        "org_unit_id": "组织编码 上级机构 组织",
        "registered_at": "注册时间 入会时间 注册日期 入会日期 办卡日期 开卡日期 registered joined "
        "join_date created_at signup_date",
        "gender": "性别 sex",
        "birth_year": "出生年份 出生年 birth_year yob",
        "postcode": "邮编 邮政编码 zip zip_code postal_code",
        "tier": "会员等级 等级 会员级别 level membership_level",
        "acquisition_channel": "注册渠道 入会渠道 获客渠道",
        "sales": "销售额 日销售额 营业额 总销售额",
        "tickets": "客单数 小票数 单数 交易笔数 来客数 transactions receipts",
        "campaign_id": "活动编号 活动id campaign",
        "offer_id": "券编号 优惠编号 offer",
        "starts_on": "开始日期 start_date start from",
        "ends_on": "结束日期 截止日期 end_date to",
        "observed_at": "盘点时间 库存时间 采集时间",
        "on_hand": "库存 库存数量 现有库存 stock stock_qty",
        "on_order": "在途 在途数量 在途库存",
        "occurred_at": "发生时间 评价时间 反馈时间 event_time",
        "rating": "评分 星级 score stars",
        "value": "目标值 面值 target goal",
    }
)

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {column: (column, *text.split()) for column, text in _TEXT.items()}
)
"""Column of the dictionary → what files call it, the surest name first."""

IDENTIFIER_HEADERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "phone": (
            "手机号",
            "手机号码",
            "手机",
            "电话",
            "联系电话",
            "会员手机号",
            "会员手机",
            "phone",
            "mobile",
            "phone_number",
            "tel",
        ),
        "email": ("邮箱", "电子邮箱", "电子邮件", "邮件", "email", "e-mail", "mail", "email_address"),
        "openid": ("openid", "微信openid", "小程序openid"),
        "unionid": ("unionid", "微信unionid"),
        "device": ("设备号", "device_id", "idfa", "imei"),
    }
)
PERSONAL_HEADERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "name": (
            "姓名",
            "会员姓名",
            "顾客姓名",
            "客户姓名",
            "收货人",
            "full_name",
            "customer_name",
            "member_name",
            "first_name",
        ),
        "address": ("地址", "收货地址", "家庭住址", "联系地址", "address", "street"),
    }
)
SCALES: Mapping[str, str] = MappingProxyType({"万元": "10000", "千元": "1000", "分": "0.01", "cents": "0.01"})
"""Unit written in a header → what amounts under it are multiplied by."""

_UNIT = re.compile(r"[(\[【](.*?)[)\]】]\s*$")


def plain(header: str) -> tuple[str, str | None]:
    """Gives the bare name of a header, lower-case and without signs, and the unit in its brackets."""
    text = unicodedata.normalize("NFKC", header).strip().lower()
    unit = _UNIT.search(text)
    bare = text[: unit.start()] if unit else text
    return re.sub(r"[\s_\-./:#*]+", "", bare), unit.group(1).strip() if unit else None


_KNOWN = frozenset(
    plain(name)[0]
    for names in (*NAMES.values(), *IDENTIFIER_HEADERS.values(), *PERSONAL_HEADERS.values())
    for name in names
)


def is_known(header: str) -> bool:
    """Whether a text is the name of something we know."""
    return plain(header)[0] in _KNOWN
