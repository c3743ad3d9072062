"""A shop with somebody of every role, and how a test asks as one of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from shopkeeper.app.organisation import organisation
from shopkeeper.app.shop import Shop
from shopkeeper.app.user import add_user
from shopkeeper.base.permission import ROLES, Reach
from tests.shop import PASSWORD

SCOPED = tuple(name for name, role in ROLES.items() if role.reach is not Reach.CHAIN)


@dataclass(frozen=True)
class Places:
    """A branch, the stores under it, and a store that is not."""

    branch: str
    stores: tuple[str, ...]
    other: str


def places_of(shop: Shop) -> Places:
    organised = organisation(shop, shop.today())
    selling = set(organised.stores)
    for unit in organised.units.values():
        if unit.kind in ("region", "area"):
            stores = tuple(store for store in organised.stores_under(unit) if store in selling)
            others = sorted(selling - set(stores))
            if stores and others:
                return Places(unit.id, stores, others[0])
    raise AssertionError("the chain has no branch")


def add_everybody(shop: Shop) -> Places:
    """Adds one user of each role; those of stores see the first store of a branch."""
    places = places_of(shop)
    for name, role in ROLES.items():
        branch = places.branch if role.reach is Reach.BRANCH else None
        stores = places.stores[:1] if role.reach is Reach.STORES else ()
        add_user(shop, name, name, PASSWORD, branch=branch, stores=stores)
    return places


@contextmanager
def asking_as(shop: Shop, address: str, name: str) -> Iterator[httpx.Client]:
    """A client with a session of the user."""
    session, _ = shop.state.sessions.start(shop.state.users.named(name).id, now=shop.clock())
    with httpx.Client(base_url=address, cookies={"shopkeeper_session": session}, timeout=60) as client:
        yield client


def form_headers(client: httpx.Client) -> dict[str, str]:
    """What a browser sends from a page of ours."""
    found = re.search(r'name="csrf" value="(\w+)"', client.get("/sign-in").text)
    assert found is not None
    return {"origin": str(client.base_url).rstrip("/"), "x-csrf-token": found[1]}


def filled(path: str, names: dict[str, str]) -> str:
    """A path with its parameters filled in."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: names.get(found[1], "x"), path)
