from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.collect.orders import Days, consents, interactions, order_fault, order_lines
from shopkeeper.schema.event import Event
from shopkeeper.schema.tables import table
from shopkeeper.storage.iceberg import arrow_schema
from shopkeeper.storage.keys import Key
from shopkeeper.storage.token import Tokens
from tests.canary import PHONES

TOKENS = Tokens(Key(b"k" * 32), "CN")
NOW = datetime(2024, 6, 1, 18, tzinfo=UTC)
DAYS = Days("Asia/Shanghai", 4, {"S2": 0})
D = Decimal


def event(name: str, properties: dict[str, Any], **more: Any) -> Event:
    message = {"type": "track", "event": name, "userId": "u1", "messageId": "m1", "properties": properties} | more
    taken = accept([message], Door("till", TOKENS, NOW, store_id="S1", channel="store"))
    assert taken.refusals == ()
    return msgspec.json.decode(taken.entries[0].body, type=Event)


def lines(name: str, properties: dict[str, Any], columns: str, **more: Any) -> list[tuple[Any, ...]]:
    return [
        tuple(row[column] for column in columns.split()) for row in order_lines(event(name, properties), DAYS, **more)
    ]


def test_an_order_becomes_its_lines() -> None:
    order = {
        "order_id": 7001,
        "payment_method": "wechat",
        "coupon": "JUNE",
        "products": [
            {"product_id": "P1", "price": 5, "quantity": 2},
            {"sku": "K2", "price": "12.50", "discount": 2.5, "unit_cost": 6, "coupon": "OWN"},
        ],
    }
    first, second = order_lines(event("Completed Order", order), DAYS)
    assert first == {
        "order_id": "7001",
        "line_no": 1,
        "source": "till",
        "customer_id": TOKENS.token("user", "u1"),
        "store_id": "S1",
        "channel": "store",
        "product_id": "P1",
        "ordered_at": NOW,
        "business_day": date(2024, 6, 1),
        "quantity": D(2),
        "gross_amount": D(10),
        "product_discount": D(0),
        "coupon_discount": D(0),
        "net_amount": D(10),
        "unit_cost": None,
        "coupon_code": "JUNE",
        "payment_method": "wechat",
        "register_id": None,
        "cashier_id": None,
        "return_of": None,
    }
    assert (second["line_no"], second["product_id"], second["net_amount"], second["coupon_code"]) == (
        2,
        "K2",
        D(10),
        "OWN",
    )
    assert set(first) == set(table("order_line").column_names)
    pa.Table.from_pylist([first, second], schema=arrow_schema(table("order_line")))


@pytest.mark.parametrize(
    ("ordered_at", "store", "day"),
    [
        ("2024-06-01T19:59:59Z", "S1", date(2024, 6, 1)),  # 3:59 there, before the cut-over
        ("2024-06-01T20:00:00Z", "S1", date(2024, 6, 2)),
        ("2024-06-01T16:00:00Z", "S2", date(2024, 6, 2)),  # this store changes at midnight
        ("2024-06-02T03:59:59+08:00", "S1", date(2024, 6, 1)),
    ],
)
def test_the_business_day_is_the_stores(ordered_at: str, store: str, day: date) -> None:
    order = {
        "order_id": "1",
        "store_id": store,
        "ordered_at": ordered_at,
        "products": [{"product_id": "P", "price": 1}],
    }
    assert lines("Order Completed", order, "business_day") == [(day,)]


@pytest.mark.parametrize(
    ("product", "amounts"),
    [
        ({"price": 5, "quantity": 3}, (15, 0, 0, 15)),
        ({"price": 5, "quantity": 3, "discount": 2, "coupon_discount": 1}, (15, 2, 1, 12)),
        ({"price": 5, "quantity": 3, "net_amount": 12}, (15, 3, 0, 12)),
        ({"net_amount": 12, "product_discount": 2}, (14, 2, 0, 12)),
        ({"gross_amount": 14, "coupon_discount": 4}, (14, 0, 4, 10)),
        ({"price": "3.3333", "quantity": 3}, ("9.9999", 0, 0, "9.9999")),
        ({"price": 8, "quantity": 0.512}, ("4.096", 0, 0, "4.096")),
        ({"gross_amount": -10, "quantity": -1}, (-10, 0, 0, -10)),
    ],
)
def test_gross_less_discounts_is_net(product: dict[str, Any], amounts: tuple[Any, ...]) -> None:
    order = {"order_id": "1", "products": [{"product_id": "P"} | product]}
    columns = "gross_amount product_discount coupon_discount net_amount"
    assert lines("Order Completed", order, columns) == [tuple(D(amount) for amount in amounts)]


def test_a_discount_on_the_order_is_spread_over_its_lines_to_the_last_cent() -> None:
    products = [{"product_id": product, "price": price} for product, price in (("A", 10), ("B", 10), ("C", 10))]
    order = {"order_id": "1", "discount": 10, "products": products}
    assert lines("Order Completed", order, "product_discount net_amount") == [
        (D("3.3333"), D("6.6667")),
        (D("3.3334"), D("6.6666")),
        (D("3.3333"), D("6.6667")),
    ]
    assert lines("Order Completed", order | {"coupon": "X"}, "coupon_discount") == [
        (D("3.3333"),),
        (D("3.3334"),),
        (D("3.3333"),),
    ]
    paid = [{"product_id": "A", "price": 10, "net_amount": 4}]
    assert lines("Order Completed", order | {"products": paid}, "product_discount net_amount") == [(D(6), D(4))]


def test_a_receipt_and_its_single_lines_have_the_same_keys() -> None:
    head = {"order_id": "R1", "register_id": "T3", "cashier_id": "C9", "tender": "cash"}
    line = {"line_no": 3, "product_id": "P", "quantity": 2, "net_amount": 6, "unit_cost": 2, "lot_id": "L1"}
    columns = "source order_id line_no quantity net_amount unit_cost register_id cashier_id payment_method"
    whole = lines("Receipt Printed", head | {"products": [line]}, columns)
    assert whole == lines("Receipt line", head | line, columns)
    assert whole == [("till", "R1", 3, D(2), D(6), D(2), "T3", "C9", "cash")]


def test_a_ticket_without_a_member_has_no_customer_and_one_with_a_scanned_card_has() -> None:
    receipt = {"order_id": "R1", "products": [{"product_id": "P", "price": 1}]}
    (row,) = order_lines(event("Receipt Printed", receipt, userId=None), DAYS)
    assert row["customer_id"] is None
    (row,) = order_lines(event("Receipt Printed", receipt | {"member_no": "V1", "phone": PHONES[0]}, userId=None), DAYS)
    assert row["customer_id"] == TOKENS.token("member_no", "V1")


def test_a_refund_is_an_order_of_negative_lines_that_names_the_one_it_returns() -> None:
    part = {
        "order_id": "1",
        "refund_id": "F1",
        "products": [{"product_id": "P", "price": 5, "quantity": 2, "discount": 1}],
    }
    columns = "order_id return_of line_no quantity gross_amount product_discount net_amount"
    assert lines("Order Refunded", part, columns) == [("F1", "1", 1, D(-2), D(-9), D(0), D(-9))]
    sold = [{"product_id": "A", "price": 10}, {"product_id": "B", "price": 7, "discount": 2}]
    originals = order_lines(event("Order Completed", {"order_id": "1", "products": sold}), DAYS)
    whole = lines("Order Refunded", {"order_id": "1"}, columns, originals=originals[::-1])
    assert [row[1:] for row in whole] == [("1", 1, D(-1), D(-10), D(0), D(-10)), ("1", 2, D(-1), D(-5), D(0), D(-5))]
    assert whole == lines("Order Refunded", {"order_id": "1"}, columns, originals=originals)
    assert {row[0] for row in whole} != {"1"}
    assert lines("Order Refunded", {"order_id": "1"}, columns) == []


@pytest.mark.parametrize(
    ("change", "reason", "path"),
    [
        ({"order_id": ""}, "missing_property", "properties.order_id"),
        ({"order_id": {}}, "wrong_type", "properties.order_id"),
        ({"products": None}, "missing_property", "properties.products"),
        ({"products": {}}, "wrong_type", "properties.products"),
        ({"products": [7]}, "wrong_type", "properties.products[0]"),
        ({"products": [{"price": 1}]}, "missing_property", "properties.products[0].product_id"),
        ({"products": [{"product_id": "P"}]}, "missing_property", "properties.products[0].price"),
        (
            {"products": [{"product_id": "P", "price": 1, "quantity": 0}]},
            "no_quantity",
            "properties.products[0].quantity",
        ),
        (
            {"products": [{"product_id": "P", "price": 1, "discount": -1}]},
            "negative",
            "properties.products[0].discount",
        ),
        (
            {"products": [{"product_id": "P", "price": 1, "line_no": "1"}]},
            "wrong_type",
            "properties.products[0].line_no",
        ),
        ({"products": [{"product_id": "P", "price": 1, "line_no": 1}] * 2}, "line_numbers", "properties.products"),
        (
            {"products": [{"product_id": "P", "price": 1e10, "quantity": 1e10}]},
            "number_too_large",
            "properties.products[0].price",
        ),
        ({"products": [{"product_id": "P", "price": 1e20}]}, "number_too_large", "properties.products[0].price"),
        ({"products": [{"product_id": "P", "price": "dear"}]}, "wrong_type", "properties.products[0].price"),
        ({"ordered_at": "soon"}, "no_time", "properties.ordered_at"),
    ],
)
def test_an_order_that_cannot_become_lines_says_why(change: dict[str, Any], reason: str, path: str) -> None:
    order = {"order_id": "1", "products": [{"product_id": "P", "price": 1}]}
    found = order_fault("Order Completed", order | change, "CNY")
    assert found is not None
    assert found[:2] == (reason, path)
    assert order_fault("Order Completed", order, "CNY") is None


def test_a_line_that_goes_back_within_an_order_gets_no_discount() -> None:
    products = [{"product_id": "A", "price": 10}, {"product_id": "B", "gross_amount": -4, "quantity": -1}]
    order = {"order_id": "1", "discount": 1, "products": products}
    assert lines("Order Completed", order, "product_discount net_amount") == [(D(1), D(9)), (D(0), D(-4))]


PRICES = st.decimals(min_value=0, max_value=1000, places=2).map(float)


@given(st.lists(st.tuples(PRICES, st.integers(1, 9)), min_size=1, max_size=8), PRICES)
def test_lines_add_up(products: list[tuple[float, int]], discount: float) -> None:
    sold = [{"product_id": "P", "price": price, "quantity": quantity} for price, quantity in products]
    rows = order_lines(event("Order Completed", {"order_id": "1", "products": sold, "discount": discount}), DAYS)
    assert len({row["line_no"] for row in rows}) == len(sold)
    gross = sum(row["gross_amount"] for row in rows)
    assert sum(row["net_amount"] for row in rows) == gross - min(D(repr(discount)), gross)
    for row in rows:
        assert row["net_amount"] == row["gross_amount"] - row["product_discount"] - row["coupon_discount"]
        assert row["product_discount"] >= 0


def test_reviews_tickets_and_answers_become_interactions() -> None:
    text = f"新鲜，好吃。{PHONES[0]}"
    (review,) = interactions(
        event("Product Reviewed", {"product_id": "P", "review_id": "V1", "review_body": text, "rating": 4})
    )
    assert set(review) == set(table("interaction").column_names)
    assert (review["kind"], review["product_id"], review["rating"], review["store_id"]) == ("review", "P", 4.0, "S1")
    assert review["text_token"] == TOKENS.token("text", text)
    assert review["text_redacted"] == f"新鲜，好吃。{TOKENS.token('phone', PHONES[0])}"
    again = interactions(event("Review Posted", {"review_id": "V1"}, messageId="m2"))
    assert again[0]["interaction_id"] == review["interaction_id"]
    (ticket,) = interactions(
        event("Ticket Opened", {"subject": "Late", "text": "Where is it?", "order_id": 5, "status": "open"})
    )
    assert (ticket["kind"], ticket["text_redacted"], ticket["order_id"], ticket["status"]) == (
        "ticket",
        "Late\nWhere is it?",
        "5",
        "open",
    )
    (answer,) = interactions(event("Survey Answered", {"survey_id": "N", "answer": "yes", "score": 9}))
    assert (answer["kind"], answer["rating"], answer["text_redacted"]) == ("survey", 9.0, "yes")
    assert interactions(event("Product Viewed", {})) == []
    pa.Table.from_pylist([review, ticket, answer], schema=arrow_schema(table("interaction")))


def test_consent_given_and_withdrawn_become_rows() -> None:
    said = {"purpose": "marketing", "channel": "sms", "text_version": "3"}
    (given_row,) = consents(event("Consent Given", said))
    assert given_row == {
        "person_id": TOKENS.token("user", "u1"),
        "purpose": "marketing",
        "channel": "sms",
        "granted": True,
        "text_version": "3",
        "source": "till",
        "occurred_at": NOW,
    }
    assert consents(event("Consent Withdrawn", said))[0]["granted"] is False
    assert consents(event("Product Viewed", said)) == []
