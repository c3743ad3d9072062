import pytest

from shopkeeper.base.errors import FaultsError, UsageError
from shopkeeper.collect.mapping import Mapping

WHOLE = """
table = "order_line"
source = "till \\"one\\""
time_zone = "Asia/Shanghai"
nulls = ["", "无"]

[file]
encoding = "gb18030"
delimiter = "\\t"
header_row = 2

[columns]
order_id = "小票号"
line_no = "行号"
customer_id = { column = "手机号", kind = "identifier:phone" }
store_id = "门店"
channel = { column = "渠道", default = "store", values = { "小程序" = "mini_program" } }
product_id = "商品编码"
ordered_at = { column = "时间", format = "%d/%m/%Y %H:%M" }
quantity = "数量"
gross_amount = { column = "单价", times = "数量", scale = "0.01" }
product_discount = { column = "优惠", negate = true, decimal = "," }

[identifiers]
email = "邮箱"

[personal]
name = "姓名"
"""


def test_a_mapping_file_is_read_and_written_without_loss() -> None:
    mapping = Mapping.from_toml(WHOLE)
    assert Mapping.from_toml(mapping.to_toml()) == mapping
    assert Mapping.from_dict(mapping.to_dict()) == mapping
    assert mapping.headers == (
        "小票号", "行号", "手机号", "门店", "渠道", "商品编码", "时间", "数量", "单价", "优惠", "邮箱", "姓名",
    )  # fmt: skip


def test_all_faults_are_named_at_once_with_their_paths() -> None:
    text = """
    table = "order_line"
    colour = "red"
    time_zone = "Mars/Base"
    [file]
    header_row = "first"
    [columns]
    order_id = { column = "a", constant = "b" }
    nothing = "c"
    channel = { column = "d", values = { x = "moon" } }
    quantity = { column = "e", scale = "big" }
    store_id = { column = "f", negate = true }
    customer_id = { column = "g", kind = "identifier:shoe" }
    [personal]
    shoe_size = "h"
    """
    with pytest.raises(FaultsError) as caught:
        Mapping.from_toml(text)
    assert {fault.path for fault in caught.value.faults} == {
        "colour", "time_zone", "file.header_row", "columns.order_id", "columns.nothing", "columns.channel",
        "columns.quantity.scale", "columns.store_id", "columns.customer_id.kind", "columns.product_id",
        "columns.ordered_at", "columns.business_day", "columns.net_amount", "personal.shoe_size",
    }  # fmt: skip


def test_what_is_computed_is_not_loaded() -> None:
    with pytest.raises(FaultsError, match="computed, not loaded"):
        Mapping.from_toml('table = "person"\n[columns]\nsource = "a"\ncustomer_id = "b"\nperson_id = "c"\nmethod = "d"')


def test_what_is_no_toml_says_so() -> None:
    with pytest.raises(UsageError, match="not TOML"):
        Mapping.from_toml("table = ")
