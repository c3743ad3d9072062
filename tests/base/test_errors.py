from shopkeeper.base import errors
from shopkeeper.base.errors import Fault, FaultsError, ShopkeeperError, UsageError


def test_a_message_names_the_value_the_place_and_the_next_command() -> None:
    error = ShopkeeperError("no table 'x'", place="the lake", next_step="shopkeeper table list")
    assert str(error) == "no table 'x' (the lake) Next: shopkeeper table list"


def test_every_error_is_of_the_family_and_named_in_all() -> None:
    family = {name for name in errors.__all__ if name != "Fault"}
    assert all(issubclass(getattr(errors, name), ShopkeeperError) for name in family)
    defined = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert defined == set(errors.__all__)


def test_wrong_use_exits_with_two_and_failure_with_one() -> None:
    assert (UsageError("x").exit_code, FaultsError("x", []).exit_code, ShopkeeperError("x").exit_code) == (2, 2, 1)


def test_all_faults_stand_in_one_message() -> None:
    text = str(FaultsError("the tree", [Fault("all[0]", "is empty"), Fault("any", "is no list")]))
    assert "2 fault(s)" in text
    assert "all[0]: is empty" in text
    assert "any: is no list" in text
