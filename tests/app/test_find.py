"""A person is found by its id, or by a customer id that only one person has."""

from collections.abc import Iterator

import pytest

from shopkeeper.app.pages.find import find_person, persons_of
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import MissingError, UsageError
from tests.shop import AS_OF, fill, record


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with init(tmp_path_factory.mktemp("find") / "shop") as made:
        records = [record("app", "8"), record("till", "8"), record("till", "9"), record("app", "a9", "till:9")]
        fill(made, "person", [*records, record("web", "10", "till:9"), record("app", "10", "till:9")])
        fill(made, "profile", [{"person_id": each, "as_of": AS_OF} for each in ("app:8", "till:8", "till:9")])
        yield made


@pytest.mark.parametrize("text", ["till:9", "9", " 9 ", "a9", "10"])
def test_an_id_of_one_person_finds_it(shop: Shop, text: str) -> None:
    assert find_person(shop, text) == "till:9"


def test_an_id_of_several_persons_says_which_sources_have_it(shop: Shop) -> None:
    with pytest.raises(UsageError, match=r"customer id '8' is in 2 sources: app, till") as raised:
        find_person(shop, "8")
    assert raised.value.next_step == "shopkeeper person show app:8 or shopkeeper person show till:8"
    assert persons_of(shop, "8") == {"app:8": ("app",), "till:8": ("till",)}


def test_an_id_of_nobody_is_missing(shop: Shop) -> None:
    with pytest.raises(MissingError, match="there is no person '7'"):
        find_person(shop, "7")
