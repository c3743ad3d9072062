from datetime import date
from decimal import Decimal

from shopkeeper.profile.coverage import coverage, member_share
from shopkeeper.schema.tables import TABLES
from tests.profile.toy import ZONE, Row, arrow, ask, line, shop

DAY, NEXT = date(2024, 6, 1), date(2024, 6, 2)
LINES = [
    line("a", DAY, amount=30, order="1"),
    line("a", DAY, "bread", 10, order="1", line_no=2),
    line(None, DAY, amount=60, order="2", hour=18),
    line(None, NEXT, amount=20, order="3", store_id="s2", channel="app"),
    line("b", NEXT, amount=20, order="4", store_id="s2", channel="app"),
    line("b", NEXT, amount=-5, order="5", quantity=Decimal(-1)),
]


def _rows(lines: list[Row], days: list[date] | None = None) -> list[Row]:
    found: list[Row] = ask(coverage(time_zone=ZONE, days=days), shop(lines)).to_pylist()
    return sorted(found, key=lambda row: (row["business_day"], row["store_id"], row["hour"]))


def test_tickets_and_sales_with_members_part() -> None:
    money = Decimal("40.0000")
    assert _rows(LINES)[0] == {
        "business_day": DAY, "store_id": "s1", "channel": "store", "hour": 12, "tickets": 1, "member_tickets": 1,
        "sales": money, "member_sales": money,
    }  # fmt: skip
    assert [(row["hour"], row["tickets"], row["member_tickets"], row["member_sales"]) for row in _rows(LINES)[1:]] == [
        (18, 1, 0, 0), (12, 0, 0, -5), (12, 2, 1, 20),
    ]  # fmt: skip


def test_a_day_again_is_that_day_of_the_whole() -> None:
    assert _rows(LINES, [NEXT]) == [row for row in _rows(LINES) if row["business_day"] == NEXT]


def test_shares_are_sums_over_sums() -> None:
    tables = {"coverage": arrow(TABLES["coverage"], _rows(LINES))}
    (total,) = ask(member_share(DAY, NEXT), tables).to_pylist()
    assert (total["tickets"], total["ticket_share"], total["sales"]) == (4, 0.5, 135)
    assert total["sales_share"] == 55 / 135
    by_channel = ask(member_share(DAY, NEXT, "channel"), tables).to_pylist()
    assert [(row["channel"], row["ticket_share"]) for row in by_channel] == [("app", 0.5), ("store", 0.5)]
    assert [row["hour"] for row in ask(member_share(DAY, DAY, "hour"), tables).to_pylist()] == [12, 18]
