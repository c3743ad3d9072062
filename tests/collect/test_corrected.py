"""A refused row that comes in by a corrected file waits no longer; one that is merely like it still does."""

import pytest

from tests.collect.conftest import NOW, Desk, read
from tests.collect.test_load import GOOD, HEAD, LINES, PRODUCTS

UNNUMBERED = LINES.replace('line_no = "line"\n', "")
BAD = "A2,1,M1,S1,007,never,2,9.50,0\n"


def states(desk: Desk) -> list[str]:
    return [row[0] for row in desk.rows("refused", "state")]


def bodies(desk: Desk) -> int:
    return len(list(desk.loader.vault.bodies()))


def test_a_corrected_file_settles_what_it_mends_and_nothing_else(desk: Desk) -> None:
    other = "A3,1,M1,S1,007,2024-01-05,many,9.50,0\n"
    desk.load(LINES, desk.file("a.csv", HEAD + GOOD + BAD + other))
    mended = BAD.replace("never", "2024-01-06")
    receipt = desk.load(LINES, desk.file("mended.csv", HEAD + GOOD + mended + other))
    assert (receipt.stored, receipt.duplicate, receipt.refused, receipt.settled) == (1, 2, 1, 1)
    assert sorted(states(desk)) == ["corrected", "open"]
    assert bodies(desk) == 1
    assert desk.loader.replay("order_line", read(LINES), now=NOW).received == 1


def test_a_line_without_a_number_is_known_by_its_place_in_the_order(desk: Desk) -> None:
    head, row = HEAD.replace(",line", ""), "A1,M1,S1,007,2024-01-05,{},1,0\n"
    desk.load(UNNUMBERED, desk.file("a.csv", head + row.format(2) + row.format("x")))
    receipt = desk.load(UNNUMBERED, desk.file("a.csv", head + row.format(2) + row.format(3)))
    assert (receipt.stored, receipt.duplicate, receipt.settled) == (1, 1, 1)
    assert states(desk) == ["corrected"]


@pytest.mark.parametrize(
    ("bad", "mended"),
    [
        (",1,M1,S1,007,2024-01-06,2,9.50,0\n", "A2,1,M1,S1,007,2024-01-06,2,9.50,0\n"),
        ("A2,x,M1,S1,007,2024-01-06,2,9.50,0\n", "A2,1,M1,S1,007,2024-01-06,2,9.50,0\n"),
        ("A2,1,M1,S1,007,2024-01-06,2,9.50,0,,,\n", "A2,1,M1,S1,007,2024-01-06,2,9.50,0\n"),
    ],
    ids=["no order", "broken number", "too wide"],
)
def test_where_the_key_was_at_fault_the_place_in_the_file_tells(desk: Desk, bad: str, mended: str) -> None:
    desk.load(LINES, desk.file("a.csv", HEAD + GOOD + bad))
    assert desk.load(LINES, desk.file("a.csv", HEAD + GOOD + mended)).settled == 1
    assert states(desk) == ["corrected"]


@pytest.mark.parametrize(
    "other", ["A7,1,M1,S1,008,2024-01-06,2,9.50,0\n", "A7,1,M1,S1,007,2024-01-07,2,9.50,0\n"], ids=["goods", "day"]
)
def test_another_row_at_the_same_place_of_tomorrows_file_settles_nothing(desk: Desk, other: str) -> None:
    desk.load(LINES, desk.file("a.csv", HEAD + GOOD + ",1,M1,S1,007,2024-01-06,2,9.50,0\n"))
    receipt = desk.load(LINES, desk.file("a.csv", HEAD + GOOD + other))
    assert (receipt.stored, receipt.settled) == (1, 0)
    assert states(desk) == ["open"]


def test_a_conflict_waits_until_its_own_row_replaces(desk: Desk) -> None:
    first, second = desk.file("a.csv", HEAD + GOOD), desk.file("b.csv", HEAD + GOOD.replace("9.50", "9.60"))
    desk.load(LINES, first)
    desk.load(LINES, second)
    assert desk.load(LINES, first, replace=True).settled == 0
    third = desk.file("c.csv", HEAD + GOOD.replace("9.50", "9.70"))
    assert desk.load(LINES, third, replace=True).settled == 0
    assert states(desk) == ["open"]
    assert desk.load(LINES, second, replace=True).settled == 1
    assert states(desk) == ["corrected"]


def test_a_row_that_was_there_before_settles_nothing(desk: Desk) -> None:
    path = desk.file("a.csv", HEAD + GOOD)
    desk.load(LINES, path)
    desk.load(LINES, desk.file("b.csv", HEAD + GOOD.replace("9.50", "much")))
    receipt = desk.load(LINES, path)
    assert (receipt.duplicate, receipt.settled) == (2, 0)
    assert states(desk) == ["open"]


def test_a_master_row_is_settled_by_a_later_good_one_of_its_source(desk: Desk) -> None:
    desk.load(PRODUCTS, desk.file("a.csv", "sku,name,price\n007,Milk,1.50\n008,Bread,dear\n"))
    other = PRODUCTS.replace('table = "product"', 'table = "product"\nsource = "erp"')
    assert desk.load(other, desk.file("c.csv", "sku,name,price\n008,Bread,2\n")).settled == 0
    assert desk.load(PRODUCTS, desk.file("b.csv", "sku,name,price\n008,Bread,3\n")).settled == 1
