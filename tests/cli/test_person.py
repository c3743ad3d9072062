"""`shopkeeper person show`: a person by its id, or by the customer id of a source."""

from tests.cli.conftest import Says


def test_a_customer_id_of_one_source_is_enough(says: Says) -> None:
    listed = says("table", "show", "person", "-n", "1", "--json").document()["rows"][0]
    whole = says("person", "show", listed["person_id"], "--json").document()
    assert says("person", "show", listed["customer_id"], "--json").document() == whole
    assert whole["person_id"] == listed["person_id"]
    assert {entry["kind"] for entry in whole["timeline"]} == {"basket"}


def test_somebody_unknown_is_an_error_that_names_the_id(says: Says) -> None:
    said = says("person", "show", "nobody")
    assert said.code == 1
    assert "there is no person 'nobody'" in said.err


def test_what_happened_last_stands_below_the_traits(says: Says) -> None:
    said = says("person", "show", "c1")
    assert said.code == 0
    assert "what happened last" in said.out
    assert "basket" in said.out
