"""`shopkeeper load`: the receipt adds up, its exit code tells of refused rows, and nothing is loaded twice."""

from pathlib import Path

import pytest

from shopkeeper.app.lease import loading
from shopkeeper.app.shop import Shop
from tests.cli.conftest import LINES, Said, Says

GOOD = LINES + "1,1,c1,s1,p1,2026-02-01 10:00:00,1,3.50\n2,1,,s1,p2,2026-02-01 11:00:00,2,7.00\n"
BAD = LINES + "3,1,c1,s1,p1,2026-02-02 10:00:00,1,3.50\n4,1,c1,s1,p1,yesterday,1,three\n"


@pytest.fixture
def own(says: Says, tmp_path: Path) -> Path:
    """A shop of this test's own."""
    folder = tmp_path / "own"
    assert says("init", folder, "--time-zone", "Asia/Shanghai").code == 0
    return folder


def _load(says: Says, own: Path, text: str, *more: str) -> Said:
    file = own.parent / "lines.csv"
    file.write_text(text, encoding="utf-8")
    return says("load", "order_line", file, "--shop", own, "--json", *more)


def _adds_up(document: dict[str, int]) -> bool:
    parts = ("stored", "updated", "duplicate", "refused")
    return document["received"] == sum(document[part] for part in parts)


def test_a_good_file_ends_with_0(says: Says, own: Path) -> None:
    said = _load(says, own, GOOD)
    document = said.document()
    assert said.code == 0
    assert _adds_up(document)
    assert (document["received"], document["stored"], document["reasons"]) == (2, 2, {})


def test_the_same_file_again_changes_nothing(says: Says, own: Path) -> None:
    _load(says, own, GOOD)
    document = _load(says, own, GOOD).document()
    assert (document["stored"], document["duplicate"]) == (0, 2)
    assert len(says("table", "show", "order_line", "--json", "--shop", own).document()["rows"]) == 2


def test_a_refused_row_ends_with_3_and_is_kept_with_its_reason(says: Says, own: Path) -> None:
    said = _load(says, own, BAD)
    document = said.document()
    assert said.code == 3
    assert _adds_up(document)
    assert (document["stored"], document["refused"]) == (1, 1)
    assert sum(document["reasons"].values()) >= 1
    (kept,) = says("refused", "list", "--json", "--shop", own).document()
    assert (kept["table_name"], kept["rows"]) == ("order_line", 1)
    (row,) = says("refused", "show", "order_line", "--json", "--shop", own).document()
    assert row["row_no"] == 3
    assert "three" not in says("refused", "show", "--shop", own).out


def test_a_dry_run_says_what_would_happen_and_changes_nothing(says: Says, own: Path) -> None:
    said = _load(says, own, BAD, "--dry-run")
    document = said.document()
    assert said.code == 3
    assert (document["stored"], document["refused"]) == (1, 1)
    assert document["rows"]
    assert document["refused_rows"]
    assert says("table", "show", "order_line", "--json", "--shop", own).document()["rows"] == []
    assert says("refused", "list", "--json", "--shop", own).document() == []


def test_a_proposed_mapping_can_be_saved_mended_and_used(says: Says, own: Path) -> None:
    file = own.parent / "lines.csv"
    file.write_text(GOOD, encoding="utf-8")
    proposed = says("load", "order_line", file, "--propose", "--shop", own)
    assert proposed.code == 0
    mapping = own.parent / "mapping.toml"
    mapping.write_text(proposed.out, encoding="utf-8")
    document = says("load", "order_line", file, "--mapping", mapping, "--shop", own, "--json").document()
    assert document["stored"] == 2


def test_a_conflict_of_facts_is_refused_until_it_is_let_replace(says: Says, own: Path) -> None:
    _load(says, own, GOOD)
    corrected = GOOD.replace("3.50", "4.50")
    said = _load(says, own, corrected)
    assert (said.code, said.document()["refused"]) == (3, 1)
    again = _load(says, own, corrected, "--replace").document()
    assert again["updated"] == 1


TICKETS = (
    "receipt_no,store_no,store_name,sku,product_name,sold_at,qty,net,shift\n"
    "1,0900,Harbour,0690001,Milk,2026-02-01 10:00,1,3.50,early\n"
    "2,0900,Harbour,0690001,Milk,2026-02-01 11:00,2,7.00,early\n"
)


def test_what_is_left_out_and_described_on_the_side_is_said(says: Says, own: Path) -> None:
    document = _load(says, own, TICKETS, "--dry-run").document()
    assert document["left_out"] == ["store_name", "product_name", "shift"]
    assert document["describes"] == {"product": ["product_id", "name"], "store": ["store_id", "name"]}
    assert document["net_amount"] == "10.5"
    said = says("load", "order_line", own.parent / "lines.csv", "--shop", own)
    assert "left out, nothing in order_line is called so: store_name, product_name, shift" in said.out
    assert "shopkeeper load product" in said.out
    assert says("table", "show", "product", "--json", "--shop", own).document()["rows"] == []


def test_one_command_takes_tickets_goods_and_stores(says: Says, own: Path) -> None:
    document = _load(says, own, TICKETS, "--also").document()
    assert [(one["table"], one["stored"], one["duplicate"]) for one in document["also"]] == [
        ("product", 1, 1),
        ("store", 1, 1),
    ]
    (row,) = says("table", "show", "store", "--json", "--shop", own).document()["rows"]
    assert (row["store_id"], row["name"]) == ("0900", "Harbour")


def test_goods_that_others_load_meanwhile_are_told_beside_the_receipt_of_the_tickets(says: Says, own: Path) -> None:
    with Shop.open(own) as shop, loading(shop, "product", "night job"):
        said = _load(says, own, TICKETS, "--also")
    document = said.document()
    assert said.code == 1
    assert (document["stored"], [one["table"] for one in document["also"]]) == (2, ["store"])
    assert "product is being loaded by night job" in document["also_failed"]["product"]
