import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shopkeeper.schema.event_properties import PRODUCT_PROPERTIES, PROPERTIES
from shopkeeper.schema.events import EVENTS, GROUPS, TEXTS, canonical, json_schema, slug
from shopkeeper.schema.tables import TABLES

DOCS = Path(__file__).parents[2] / "docs" / "events"


def test_every_event_is_whole_in_both_languages() -> None:
    for each in EVENTS.values():
        assert each.group in GROUPS
        assert set(each.properties) <= set(PROPERTIES)
        assert set(each.required) <= set(each.properties)
        assert len(set(each.properties)) == len(each.properties)
        assert each.english.endswith(".")
        assert re.search(r"[\u4e00-\u9fff].*。$", each.chinese)
        assert each.becomes is None or each.becomes in TABLES
    assert all(re.search(r"[\u4e00-\u9fff]", each.chinese) for each in PROPERTIES.values())
    assert set(PRODUCT_PROPERTIES) <= set(PROPERTIES)
    used = {name for each in EVENTS.values() for name in each.properties}
    assert set(PROPERTIES) - used - set(PRODUCT_PROPERTIES) == set()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Order Completed", "Order Completed"),
        ("Completed Order", "Order Completed"),
        ("order_completed", "Order Completed"),
        ("  VIEWED-PRODUCT ", "Product Viewed"),
        ("Viewed Product Category", "Product List Viewed"),
        ("Receipt line", "Receipt Line"),
        ("store entered", "Store Entered"),
    ],
)
def test_a_name_is_known_however_it_is_written(written: str, name: str) -> None:
    found = canonical(written)
    assert found is not None
    assert found.name == name


def test_no_name_means_two_events_and_others_are_nobodys() -> None:
    names = [slug(name) for each in EVENTS.values() for name in (each.name, *each.aliases)]
    doubled = {name for name in names if names.count(name) > 1}
    assert doubled == set()
    assert canonical("Something Else") is None


def test_what_counts_money_or_rights_is_for_servers_only() -> None:
    needed = {"Order Completed", "Order Refunded", "Coupon Issued", "Coupon Redeemed", "Points Earned", "Consent Given"}
    closed = {each.name for each in EVENTS.values() if each.server_only}
    assert needed <= closed
    assert {each.name for each in EVENTS.values() if each.becomes in ("order_line", "consent")} <= closed
    assert "Product Viewed" not in closed


def test_the_texts_that_people_write_are_known() -> None:
    assert TEXTS["Ticket Opened"] == ("subject", "text")
    assert "Product Viewed" not in TEXTS


def test_schemas_are_published_as_they_are() -> None:
    for each in EVENTS.values():
        text = (DOCS / f"{slug(each.name)}.schema.json").read_text(encoding="utf-8")
        assert json.loads(text) == json_schema(each)
    order = json_schema(EVENTS["Order Completed"])
    assert order["required"] == ["order_id", "products"]
    assert order["properties"]["products"]["items"]["properties"]["price"]["type"] == "number"


def test_the_catalogue_brings_in_no_heavy_library() -> None:
    code = "import sys, shopkeeper.schema.events; print({'duckdb', 'pyarrow', 'msgspec'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
