"""Tickets of a Chinese till, as files bring them."""

MAPPING = """
table = "order_line"
source = "till"
[columns]
order_id = "小票号"
customer_id = "会员"
store_id = "门店"
product_id = "商品"
ordered_at = "时间"
quantity = "数量"
net_amount = "金额"
[identifiers]
phone = "手机号"
"""
