"""Audiences in words, in both languages, with labels, units and currency."""

import pytest
from hypothesis import given, settings

from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.line import parse
from shopkeeper.segment.sentence import sentence
from shopkeeper.segment.tree import Node
from tests.segment.strategies import trees


@pytest.mark.parametrize(
    ("line", "english", "chinese"),
    [
        (
            "recency_days > 60 and monetary_365d >= 1500 and discount_share < 0.25",
            "Recency is above 60 days and Spend 365 d is at least ¥1,500 and Discount depth is below 25%",
            "最近消费间隔高于60天，且近365天消费额不低于1,500元，且折扣率低于25%",
        ),
        (
            'bought category "牛奶" at least 3 times for at least 100 in last 90 days or not in segment "x"',
            (
                "bought category “牛奶” at least 3 times and for at least ¥100 in the last 90 days "
                "or not (in the segment “x”)"
            ),
            "近90天购买品类“牛奶”至少3次且金额至少100元，或不满足（属于人群包“x”）",
        ),
        (
            'did event "view" in last 30 days then not bought within 7 days',
            "did event “view” in the last 30 days, and then not bought anything within 7 days",
            "近30天发生行为“view”，之后7天内未购买任意商品",
        ),
        ('lifecycle in ("new", "active")', "Lifecycle is one of “new”, “active”", "生命周期为“新会员”、“活跃”之一"),
        ("redeemed at least 1 times", "redeemed any offer at least 1 time", "核销任意优惠至少1次"),
        ('consents to "sms" by "app"', "consents to sms by app", "同意通过app接收sms"),
    ],
)
def test_sentences(line: str, english: str, chinese: str) -> None:
    catalogue = Catalogue(currency="CNY")
    assert sentence(parse(line), "en", catalogue) == f"People for whom: {english}."
    assert sentence(parse(line), "zh", catalogue) == f"满足以下条件的会员：{chinese}。"


@settings(max_examples=60, deadline=None)
@given(tree=trees)
def test_every_audience_has_a_sentence(tree: Node) -> None:
    assert sentence(tree, "en")
    assert sentence(tree, "zh")
