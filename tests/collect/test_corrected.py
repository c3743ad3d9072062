"""A refused row that comes in by a corrected file waits no longer; one that is merely like it still does."""

import sqlite3
from contextlib import closing

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


def _change_bodies(desk: Desk, statement: str) -> None:
    with closing(sqlite3.connect(desk.folder / "vault.db")) as vault, vault:
        vault.execute(statement)


def test_a_row_whose_body_is_gone_stays_open_and_stops_nothing(desk: Desk) -> None:
    """As in a restored backup, or while another process replays it."""
    desk.load(LINES, desk.file("a.csv", HEAD + GOOD + BAD))
    _change_bodies(desk, "DELETE FROM body")
    other = "A3,1,M1,S1,007,2024-01-05,{},9.50,0\n"
    desk.load(LINES, desk.file("b.csv", HEAD + other.format("many")))
    receipt = desk.load(LINES, desk.file("c.csv", HEAD + BAD.replace("never", "2024-01-06") + other.format(1)))
    assert (receipt.stored, receipt.settled) == (2, 1)
    assert sorted(states(desk)) == ["corrected", "open"]
    assert desk.loader.replay("order_line", read(LINES), now=NOW).received == 0


def test_an_error_after_the_commit_is_logged_and_the_load_is_done(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.load(LINES, desk.file("a.csv", HEAD + GOOD + BAD))
    _change_bodies(desk, "UPDATE body SET sealed = zeroblob(60)")
    receipt = desk.load(LINES, desk.file("b.csv", HEAD + BAD.replace("never", "2024-01-06")))
    assert (receipt.stored, receipt.settled) == (1, 0)
    assert states(desk) == ["open"]
    said = capsys.readouterr()
    assert "rows refused before stay open" in said.out + said.err


def test_a_row_that_says_nothing_is_settled_by_nobody_else(desk: Desk) -> None:
    mapping = 'table = "customer"\nsource = "crm"\n[columns]\ncustomer_id = "id"\nregistered_at = "since"\n'
    head = "id,since\n"
    desk.loader.vault.put_many("name", ["crm|M1"], ["tk_1"], ["欧阳"])
    desk.loader.vault.shred("crm|M1")
    assert desk.load(mapping, desk.file("a.csv", head + "M1,2024-01-01\n")).reasons == {"erased": 1}
    receipt = desk.load(mapping, desk.file("a.csv", head + "M2,2024-01-02\n"))
    assert (receipt.stored, receipt.settled) == (1, 0)
    assert states(desk) == ["open"]
    desk.load(mapping, desk.file("b.csv", head + ",\n"))
    assert desk.load(mapping, desk.file("b.csv", head + "M3,2024-01-02\n")).settled == 0
