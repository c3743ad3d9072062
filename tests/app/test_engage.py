"""The plan of the next campaign leaves the shop as a list: without those held out, safe to open, in order."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from shopkeeper.app.engage import export_plan
from shopkeeper.app.pages.campaigns import export_list
from shopkeeper.app.pages.download import downloaded
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import MissingError
from shopkeeper.cli.main import main
from shopkeeper.cli.terminal import caller
from tests.shop import fill

DAY = date(2026, 3, 22)
NOW = datetime(2026, 3, 23, 8, tzinfo=UTC)


def _planned(person: str, value: float, *, campaign: str = "c", holdout: str | None = None) -> dict[str, object]:
    return {
        "campaign_id": campaign,
        "person_id": person,
        "offer_id": None if holdout else "o1",
        "as_of": DAY,
        "is_holdout": holdout is not None,
        "holdout": holdout,
        "probability": 0.25,
        "match": 0.5,
        "expected_spend": 8.0,
        "expected_value": value,
        "reason": "bought this coupon's products 3 times",
        "reason_zh": "购买过该券商品3次",
    }


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    plan = [_planned("t:a", 1), _planned("=1+2", 3), _planned("t:h", 2, holdout="campaign"), _planned("t:b", 2)]
    with init(tmp_path / "shop") as made:
        fill(made, "offer_plan", [*plan, _planned("t:a", 9, campaign="d")])
        yield made


def _csv(file: Path) -> list[dict[str, str]]:
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")  # or a Chinese Excel takes it for GBK
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


def test_the_list_leaves_out_who_is_held_out_and_opens_no_formula(shop: Shop, tmp_path: Path) -> None:
    assert export_plan(shop, tmp_path / "plan.csv", "c", by="ann", now=NOW) == 3
    found = _csv(tmp_path / "plan.csv")
    assert [row["person_id"] for row in found] == ["'=1+2", "t:b", "t:a"]
    assert found[0]["reason_zh"] == "购买过该券商品3次"
    assert "is_holdout" not in found[0]


def test_who_is_held_out_comes_marked_and_without_a_coupon_when_asked_for(shop: Shop, tmp_path: Path) -> None:
    assert export_plan(shop, tmp_path / "all.csv", "c", with_holdout=True, by="ann", now=NOW) == 4
    last = _csv(tmp_path / "all.csv")[-1]
    assert (last["person_id"], last["is_holdout"], last["offer_id"]) == ("t:h", "True", "")


def test_a_campaign_without_a_plan_names_those_that_have_one(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no offer plan of campaign 'e'") as raised:
        export_plan(shop, tmp_path / "plan.csv", "e", by="ann", now=NOW)
    assert raised.value.place == "planned: c, d"
    with init(tmp_path / "empty") as empty, pytest.raises(MissingError, match="no offer plan to export"):
        export_plan(empty, tmp_path / "plan.csv", by="ann", now=NOW)


def test_a_campaign_of_which_everybody_is_held_out_says_so(shop: Shop, tmp_path: Path) -> None:
    fill(shop, "offer_plan", [_planned("t:h", 2, holdout="campaign")])
    with pytest.raises(MissingError, match="everybody in the offer plan of campaign 'c' is held out"):
        export_plan(shop, tmp_path / "plan.csv", "c", by="ann", now=NOW)
    assert export_plan(shop, tmp_path / "plan.csv", "c", with_holdout=True, by="ann", now=NOW) == 1


def test_a_list_that_cannot_be_written_leaves_no_file(shop: Shop) -> None:
    fill(shop, "offer_plan", [_planned("t:h", 2, holdout="campaign")])
    with pytest.raises(MissingError, match="held out"):
        export_list(shop, "c", "csv", by="ann", now=NOW)
    with pytest.raises(RuntimeError, match="in the middle"):
        downloaded(shop, "csv", _fails)
    assert not list(shop.spill.glob("*.csv"))


def _fails(file: Path) -> None:
    file.write_text("half", encoding="utf-8")
    raise RuntimeError("stopped in the middle")


def test_the_terminal_lists_plans_and_exports(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(shop, "campaign", [{"campaign_id": "c", "name": "Spring", "starts_on": DAY}])
    fill(
        shop,
        "effect",
        [
            {"campaign_id": "c", "as_of": DAY, "method": "entropy balancing", "is_observational": True}
            | {
                "value": 2.0,
                "value_low": -1.0,
                "value_high": 5.0,
                "placebo": 3.0,
                "placebo_low": 1.0,
                "placebo_high": 5.0,
            }
            | {"verdict": "do not believe this", "reason": "they differed before", "reason_zh": "此前已不同"}
        ],
    )
    folder = ["--shop", str(shop.folder)]
    assert main(["campaign", "list", *folder]) == 0
    said = capsys.readouterr().out
    assert "do not believe" in said
    assert "differed" in said
    assert main(["campaign", "list", "--json", *folder]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["campaign_id"], listed["effect"]["value"], listed["effect"]["believed"]) == ("c", 2.0, False)
    assert main(["campaign", "plan", "--json", "-n", "2", *folder]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(each["campaign_id"], each["people"], each["held_out"]) for each in plan["plans"]] == [
        ("c", 3, 1),
        ("d", 1, 0),
    ]
    assert [row["person_id"] for row in plan["people"]] == ["t:a", "=1+2"]
    assert main(["campaign", "plan", *folder]) == 0
    assert "t:b" in capsys.readouterr().out
    assert main(["campaign", "export", str(tmp_path / "c.csv"), "--campaign", "c", "--json", *folder]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 3
    assert main(["campaign", "export", str(tmp_path / "all.csv"), "--with-holdout", *folder]) == 0
    seen = [(row.who, row.target, row.detail["people"]) for row in shop.state.audit.rows() if row.what == "plan.export"]
    assert sorted(seen) == [(caller(), "c", 3), (caller(), "c", 4), (caller(), "d", 1)]


def test_the_terminal_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with init(tmp_path / "shop") as empty:
        folder = ["--shop", str(empty.folder)]
    assert main(["campaign", "list", *folder]) == 0
    assert "shopkeeper load campaign FILE" in capsys.readouterr().out
    assert main(["campaign", "plan", *folder]) == 0
    assert "shopkeeper run plan" in capsys.readouterr().out
    assert main(["campaign", "export", str(tmp_path / "c.csv"), *folder]) == 1
    assert "shopkeeper run plan" in capsys.readouterr().err
