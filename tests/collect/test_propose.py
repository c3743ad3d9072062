from decimal import Decimal

import pytest

from shopkeeper.collect.propose import Proposal
from tests.collect.conftest import Desk


def proposed(desk: Desk, content: str, table: str = "order_line", encoding: str = "utf-8") -> Proposal:
    return desk.loader.propose(table, desk.file("a.csv", content, encoding), name="till")


def targets(proposal: Proposal) -> dict[str, str | None]:
    return {guess.header: guess.target for guess in proposal.guesses}


def test_a_chinese_till_export_needs_no_hand(desk: Desk) -> None:
    content = (
        "门店销售明细,,,,,,,,,,\n"
        "小票号,会员卡号,手机号,姓名,商品编码,门店,数量,实收金额(元),优惠金额,交易时间,支付方式\n"
        "A1,00012,13812345678,张三,00123,S01,2,9.00,1.00,2024/1/5 10:01,微信\n"
        "A2,,,,00124,S01,1,5.00,0,2024/1/5 10:05,现金\n"
    )
    proposal = proposed(desk, content, encoding="gb18030")
    assert targets(proposal) == {
        "小票号": "order_id", "会员卡号": "customer_id", "手机号": "identifiers.phone", "姓名": "personal.name",
        "商品编码": "product_id", "门店": "store_id", "数量": "quantity", "实收金额(元)": "net_amount",
        "优惠金额": "product_discount", "交易时间": "ordered_at", "支付方式": "payment_method",
    }  # fmt: skip
    assert proposal.shape.encoding == "gb18030"
    assert proposal.shape.header_row == 2
    assert proposal.mapping is not None
    receipt = desk.load(proposal.mapping, desk.file("a.csv", content, "gb18030"))
    assert (receipt.stored, receipt.refused) == (2, 0)
    assert desk.rows("order_line", "sum(net_amount)") == [(Decimal(14),)]
    assert all(guess.confidence > 0.9 and guess.reason for guess in proposal.guesses)
    assert not any("138" in value for guess in proposal.guesses for value in guess.sample)


def test_a_phone_alone_becomes_the_customers_token(desk: Desk) -> None:
    proposal = proposed(desk, "小票号,会员卡号,商品编码,门店,数量,金额,时间\nA1,13812345678,1,S,1,5,2024-01-05\n")
    assert proposal.mapping is not None
    assert proposal.mapping.rule("customer_id").kind == "identifier:phone"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("header", "values", "setting", "value"),
    [
        ("实收金额(万元)", ("1.2", "3"), "scale", Decimal(10_000)),
        ("优惠金额", ("-1", "-2.5"), "negate", True),
        ("交易日期", ("25/01/2024", "03/02/2024"), "format", "%d/%m/%Y"),
        ("渠道", ("小程序", "门店"), "values", {"小程序": "mini_program", "门店": "store"}),
    ],
)
def test_values_tell_the_rest(desk: Desk, header: str, values: tuple[str, str], setting: str, value: object) -> None:
    head, cells = "小票号,商品编码,门店,数量,实收,时间", "A,1,S,1,5,2024-01-05"
    proposal = proposed(desk, f"{head},{header}\n{cells},{values[0]}\n{cells},{values[1]}\n")
    target = targets(proposal)[header]
    if target is None:  # 实收 took the amount: without it
        proposal = proposed(
            desk, f"{head},{header}\n{cells},{values[0]}\n{cells},{values[1]}\n".replace("实收,", "甲,")
        )
        target = targets(proposal)[header]
    assert target is not None
    assert proposal.mapping is not None
    assert getattr(proposal.mapping.rule(target), setting) == value


def test_what_is_missing_is_named(desk: Desk) -> None:
    proposal = proposed(desk, "小票号,金额\nA1,5\n")
    assert proposal.mapping is None
    assert set(proposal.missing) == {"store_id", "product_id", "quantity", "ordered_at", "business_day"}
    assert proposal.draft["columns"] == {"order_id": "小票号", "net_amount": "金额", "channel": None}


def test_values_that_do_not_fit_are_not_proposed(desk: Desk) -> None:
    proposal = proposed(desk, "商品编码,零售价,品名\n1,abc,可乐\n2,def,薯片\n", table="product")
    assert targets(proposal) == {"商品编码": "product_id", "零售价": None, "品名": "name"}


def test_one_ticket_file_names_its_products_and_stores_too(desk: Desk) -> None:
    content = "小票号,商品编码,商品名称,门店编号,门店名称\nA1,1,可乐,S1,人民路店\nA2,1,可乐,S1,人民路店\n"
    products, stores = (proposed(desk, content, table).mapping for table in ("product", "store"))
    assert products is not None
    assert stores is not None
    assert [rule.column for rule in products.rules] == ["商品编码", "商品名称"]
    assert [rule.column for rule in stores.rules] == ["门店编号", "门店名称"]
    assert desk.load(products, desk.file("a.csv", content)).duplicate == 1


_ENGLISH = (
    "Receipt No,Member No,Phone,Name,Store,Item Code,Item,Category,Time,Qty,Price,Discount,Paid\n"
    "S1,M1,13800138001,Wang Xiaoming,0012,0690001,Fresh milk,Dairy,2026-03-02 08:12,1,12.90,1.00,11.90\n"
)


def test_an_english_till_export_needs_no_hand(desk: Desk) -> None:
    found = targets(proposed(desk, _ENGLISH))
    assert found["Item Code"] == "product_id"
    assert found["Time"] == "ordered_at"
    assert found["Name"] == "personal.name"


@pytest.mark.parametrize("table", ["product", "store"])
def test_a_persons_name_never_becomes_that_of_a_product_or_store(desk: Desk, table: str) -> None:
    found = targets(proposed(desk, _ENGLISH, table))
    assert found["Name"] is None
    assert found["Item"] == ("name" if table == "product" else None)
