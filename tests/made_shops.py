"""Two real shops that several tests of the use cases read: a slice of Complete Journey, and a small Chinese chain."""

from collections.abc import Iterator

import pytest

from shopkeeper.app.shop import Shop
from tests.shop import chain_shop, journey_shop


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One household in forty, all steps run; read it, do not change it."""
    with journey_shop(tmp_path_factory.mktemp("journey") / "shop", one_in=40) as shop:
        yield shop


@pytest.fixture(scope="session")
def little_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A made-up chain of a few hundred people in Chinese, all steps run; read it, do not change it."""
    with chain_shop(tmp_path_factory.mktemp("chain") / "shop") as shop:
        yield shop
