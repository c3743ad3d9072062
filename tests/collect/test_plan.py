import pytest

from shopkeeper.base.errors import FaultsError
from shopkeeper.collect.plan import ALLOW_ALL, Plan, commented_plan, read_plan


def test_a_shop_without_a_plan_allows_everything() -> None:
    assert read_plan(None) is ALLOW_ALL
    assert ALLOW_ALL.allows_all
    assert ALLOW_ALL.faults("Anything", {"a": object()}) == []


def test_the_commented_plan_allows_everything_and_is_good_without_its_signs() -> None:
    assert Plan.from_toml(commented_plan()).allows_all
    stricter = Plan.from_toml(
        "\n".join(
            line.removeprefix("# ")
            for line in commented_plan().splitlines()[3:]
            if "=" in line or line.startswith("# [")
        )
    )
    (fault,) = stricter.faults("Product Viewed", {"product_id": "1", "price": "dear"})
    assert (fault.reason, fault.path, fault.refuses) == ("wrong_type", "properties.price", True)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", "1", 1),
        ("text", "", []),
        ("number", 1.5, True),
        ("integer", 3.0, 3.5),
        ("boolean", False, 0),
        ("instant", "2024-01-01", "soon"),
        ("list", [], {}),
        ("products", [{}], "P1"),
        ("object", {}, []),
    ],
)
def test_each_type_knows_its_values(kind: str, good: object, bad: object) -> None:
    plan = Plan.from_toml(f'[events.A.properties]\na = "{kind}"')
    assert plan.faults("A", {"a": good}) == []
    assert plan.faults("A", {}) == []
    assert [fault.reason for fault in plan.faults("A", {"a": bad})] == ["wrong_type"]


def test_all_faults_are_named_at_once() -> None:
    text = """
unknown_event = "allow"
unknown_events = "maybe"
[events."Product Viewed"]
unknown = 7
colour = "red"
required = ["price"]
[events."Product Viewed".properties]
product_id = "text field"
[events."Viewed Product"]
required = "all"
"""
    with pytest.raises(FaultsError) as told:
        Plan.from_toml(text)
    assert [fault.path for fault in told.value.faults] == [
        "unknown_event",
        "unknown_events",
        "events.Product Viewed.colour",
        "events.Product Viewed.unknown",
        "events.Product Viewed.properties.product_id",
        "events.Product Viewed.required",
        "events.Viewed Product",
        "events.Viewed Product.required",
    ]
    assert "tracking.toml" in str(told.value)


@pytest.mark.parametrize("text", ["a b", "events = 3", "[events]\nA = 1", "[events.A]\nproperties = 3"])
def test_whatever_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(FaultsError):
        Plan.from_toml(text)


def test_what_refuses_stands_first() -> None:
    plan = Plan.from_toml('[events.A]\nunknown = "warn"\n[events.A.properties]\na = "string"')
    assert [(fault.reason, fault.refuses) for fault in plan.faults("A", {"b": 1, "a": 1})] == [
        ("wrong_type", True),
        ("unplanned_property", False),
    ]
