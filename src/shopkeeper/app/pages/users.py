"""The users of a shop: who they are, what they may do and how far they see."""

from dataclasses import dataclass

from shopkeeper.app.organisation import CHAIN, Unit, organisation
from shopkeeper.app.shop import Shop
from shopkeeper.app.user import list_users
from shopkeeper.base.permission import ROLES, Reach
from shopkeeper.storage.state.users import User

__all__ = ["UserRow", "Users", "users"]


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user.

    Args:
        user: The user.
        reach: How far the role sees; None for a role that is not known and may do nothing.
        branch: The branch it sees, by its name; its id where it has none or is gone.
        stores: The stores it sees, by name or id.
        store_ids: Their ids.
        is_last_admin: Whether nobody else could let others in again.
    """

    user: User
    reach: Reach | None
    branch: str | None
    stores: tuple[str, ...]
    store_ids: tuple[str, ...]
    is_last_admin: bool


@dataclass(frozen=True, slots=True)
class Users:
    """All users by name, and the branches and stores that they may be given."""

    rows: tuple[UserRow, ...]
    branches: tuple[Unit, ...]
    stores: tuple[Unit, ...]


def users(shop: Shop) -> Users:
    """Gives the users."""
    organised = organisation(shop, shop.today())
    names = {unit.id: unit.name or unit.id for unit in organised.units.values()}
    found = list_users(shop)
    admins = [user.id for user in found if user.role == "admin" and not user.disabled]
    rows = []
    for user in found:
        stores = shop.state.users.stores_of(user.id)
        rows.append(
            UserRow(
                user,
                ROLES[user.role].reach if user.role in ROLES else None,
                names.get(user.org_unit, user.org_unit) if user.org_unit else None,
                tuple(names.get(store, store) for store in stores),
                stores,
                is_last_admin=admins == [user.id],
            )
        )
    units = [unit for unit in organised.units.values() if unit.id != CHAIN]
    return Users(
        tuple(rows),
        tuple(unit for unit in units if unit.kind != "store"),
        tuple(unit for unit in units if unit.kind == "store"),
    )
