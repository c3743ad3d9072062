"""A small shop with three campaigns."""

from datetime import date, timedelta

from tests.toy import Toy

START = date(2017, 6, 1)


def campaigns() -> Toy:
    """Three people, three products, three campaigns of one coupon each, a basket of everything every third day."""
    made = Toy()
    people = ["a", "b", "c"]
    made.fill("customer", [{"source": "s", "customer_id": one} for one in people])
    made.fill("person", [{"source": "s", "customer_id": one, "person_id": f"p{one}"} for one in people])
    made.fill(
        "product",
        [
            {"product_id": "milk", "category": "dairy", "subcategory": "milk", "brand": "m", "private_label": True},
            {"product_id": "cream", "category": "dairy", "subcategory": "cream", "brand": "m", "private_label": False},
            {"product_id": "soap", "category": "care", "subcategory": "soap", "brand": "n", "private_label": False},
        ],
    )
    made.fill(
        "campaign",
        [
            {"campaign_id": "old", "kind": "A", "starts_on": date(2017, 3, 1), "ends_on": date(2017, 3, 31)},
            {"campaign_id": "new", "kind": "A", "starts_on": START, "ends_on": date(2017, 6, 30)},
            {"campaign_id": "later", "kind": "A", "starts_on": date(2017, 7, 1), "ends_on": date(2017, 7, 31)},
        ],
    )
    made.fill(
        "campaign_target",
        [
            {"campaign_id": campaign, "source": "s", "customer_id": one}
            for campaign in ("old", "new", "later")
            for one in people
        ],
    )
    for campaign, product in (("old", "soap"), ("new", "milk"), ("later", "cream")):
        made.fill("offer", [{"offer_id": f"{campaign}-1", "campaign_id": campaign}])
        made.fill("offer_product", [{"offer_id": f"{campaign}-1", "product_id": product}])
    days = [date(2017, 1, 1) + timedelta(days=step) for step in range(0, 240, 3)]
    made.fill(
        "order_line",
        [
            {
                "order_id": f"{one}{day}",
                "line_no": line,
                "source": "s",
                "customer_id": one,
                "store_id": "1",
                "product_id": product,
                "business_day": day,
                "quantity": 1,
                "gross_amount": 3,
                "product_discount": 0,
                "coupon_discount": 1 if one == "a" and day.day % 2 else 0,
                "net_amount": 2,
            }
            for one in people
            for day in days
            for line, product in enumerate(("milk", "cream", "soap"), 1)
        ],
    )
    made.fill(
        "redemption",
        [
            {
                "redemption_id": f"{campaign}{one}{day}",
                "offer_id": f"{campaign}-1",
                "campaign_id": campaign,
                "source": "s",
                "customer_id": one,
                "redeemed_on": day,
            }
            for campaign, one, day in (
                ("old", "a", date(2017, 3, 5)),
                ("new", "a", date(2017, 6, 3)),
                ("new", "b", date(2017, 6, 20)),
                ("later", "c", date(2017, 7, 9)),
            )
        ],
    )
    return made
