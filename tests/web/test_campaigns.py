"""The campaigns page: the plan leaves as a list without those held out."""

import csv
import io

import httpx

from shopkeeper.app.pages.campaigns import plans
from shopkeeper.app.shop import Shop


def test_the_plan_is_taken_as_a_file_and_leaves_an_audit_row(client: httpx.Client, shop: Shop) -> None:
    (plan,) = plans(shop)
    assert f"/campaigns/{plan.campaign_id}/plan.csv" in client.get("/campaigns").text
    text = client.get(f"/campaigns/{plan.campaign_id}/plan.csv").content
    assert text.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert len(rows) == plan.people
    assert all(row["offer_id"] and row["reason"] and row["reason_zh"] for row in rows)
    whole = client.get(f"/campaigns/{plan.campaign_id}/plan.csv?holdout=1").content.decode("utf-8-sig")
    marked = [row["is_holdout"].lower() == "true" for row in csv.DictReader(io.StringIO(whole))]
    assert (len(marked), sum(marked)) == (plan.people + plan.held_out, plan.held_out)
    assert plan.held_out > 0
    assert client.get(f"/campaigns/{plan.campaign_id}/plan.xlsx").status_code == 200
    seen = [row for row in shop.state.audit.rows(limit=10_000) if row.what == "plan.export"]
    assert {row.detail["as"] for row in seen} == {"csv", "xlsx"}
    assert not list(shop.spill.glob("*.csv"))


def test_a_plan_comes_in_no_other_form_and_of_no_other_campaign(client: httpx.Client, shop: Shop) -> None:
    (plan,) = plans(shop)
    assert client.get(f"/campaigns/{plan.campaign_id}/plan.exe").status_code == 400
    assert client.get("/campaigns/none/plan.csv").status_code == 404
    assert not list(shop.spill.glob("*.csv"))


def test_the_note_on_holdouts_follows_what_was_drawn(client: httpx.Client) -> None:
    assert "compared with matched people who were not" in client.get("/campaigns").text
