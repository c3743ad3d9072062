"""Who asks: a person who signed in, or a program with a key; what it may do and how far it sees."""

from collections.abc import Sequence
from dataclasses import dataclass

from shopkeeper.app.organisation import CHAIN, organisation
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError
from shopkeeper.base.permission import ROLES, Reach

__all__ = ["Scope", "Visitor", "key_visitor", "scope_of", "user_visitor"]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who uses the console or the API.

    Args:
        user_id: The user or key.
        name: The name the person signed in with, or the name of the key.
        role: The role; `key` for a program.
        language: `en` or `zh`, as the person was added.
        permissions: What it may do.
        reach: How far it sees.
        org_unit: The branch it sees, where the reach is a branch.
        stores: The stores it sees, where the reach is stores.
    """

    user_id: str
    name: str
    role: str
    language: str
    permissions: frozenset[str]
    reach: Reach = Reach.CHAIN
    org_unit: str | None = None
    stores: tuple[str, ...] = ()

    def may(self, permission: str) -> bool:
        """Whether it may do something."""
        return permission in self.permissions


@dataclass(frozen=True, slots=True)
class Scope:
    """The stores that somebody sees, and nothing of others; none at all for somebody who was given none.

    Args:
        stores: Their ids.
        units: The ids of the nodes of the organisation whose stores are all among them, the stores too.
        home: The node that stands for the whole scope, or the first store.
    """

    stores: tuple[str, ...]
    units: frozenset[str]
    home: str


def user_visitor(
    *, user_id: str, name: str, role: str, language: str, org_unit: str | None, stores: Sequence[str]
) -> Visitor:
    """Gives a user as a visitor; a role that is not known may do nothing."""
    known = ROLES.get(role)
    permissions = known.permissions if known else frozenset[str]()
    reach = known.reach if known else Reach.STORES
    return Visitor(user_id, name, role, language, permissions, reach, org_unit, tuple(stores))


def key_visitor(*, key_id: str, name: str, scopes: Sequence[str]) -> Visitor:
    """Gives an API key as a visitor: its scopes are its permissions."""
    return Visitor(key_id, f"key {name}", "key", "en", frozenset(scopes))


def scope_of(shop: Shop, visitor: Visitor) -> Scope | None:
    """Gives the stores that a visitor sees as the organisation stands today; None for the whole chain.

    A branch that is not there any more is an empty scope, never the whole chain.
    """
    if visitor.reach is Reach.CHAIN:
        return None
    if visitor.reach is Reach.STORES:
        stores = frozenset(visitor.stores)
        return Scope(visitor.stores, stores, visitor.stores[0] if visitor.stores else "")
    organised = organisation(shop, shop.today())
    try:
        unit = organised.unit(visitor.org_unit or "")
    except MissingError:
        return Scope((), frozenset(), "")
    if unit.id == CHAIN:
        return Scope((), frozenset(), "")
    under = tuple(organised.stores_under(unit))
    below, pending = {unit.id}, [unit]
    while pending:
        children = organised.children(pending.pop())
        below |= {child.id for child in children}
        pending += children
    return Scope(under, frozenset(below), unit.id)
