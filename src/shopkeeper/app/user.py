"""The people who may sign in."""

import secrets
from collections.abc import Sequence

from shopkeeper.app.organisation import CHAIN, organisation
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import ConflictError, MissingError, UsageError
from shopkeeper.base.permission import ROLES, Reach
from shopkeeper.storage.state.users import User

__all__ = ["add_user", "disable_user", "enable_user", "first_user", "list_users", "place_user", "reset_password"]

_PASSWORD_BYTES = 12
_ADMIN = "admin"


def first_user(shop: Shop, name: str = "admin") -> str:
    """Makes the first user of a shop, an admin, and gives the password, which is shown once."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    shop.state.users.add(name, password, "admin", now=now(shop), language=shop.settings.chain.language, first=True)
    return password


def add_user(
    shop: Shop,
    name: str,
    role: str,
    password: str | None = None,
    *,
    branch: str | None = None,
    stores: Sequence[str] = (),
    by: str = "cli",
) -> tuple[User, str]:
    """Adds a user; gives the password, made up where none is given.

    Args:
        shop: The shop.
        name: The name to sign in with.
        role: One of `ROLES`.
        password: The password, if one was chosen.
        branch: The branch of the organisation that the user sees, by id or name, where the role sees a branch.
        stores: The stores that the user sees, where the role sees stores.
        by: Who adds it.

    Raises:
        UsageError: There is no such role, or how far it sees is not said, or said though it sees the whole chain.
        MissingError: There is no such branch or store.
    """
    if role not in ROLES:
        raise UsageError(f"there is no role '{role}'", next_step=f"one of {', '.join(ROLES)}")
    unit, seen = _reach(shop, role, branch, stores)
    password = password or secrets.token_urlsafe(_PASSWORD_BYTES)
    user = shop.state.users.add(
        name, password, role, now=now(shop), language=shop.settings.chain.language, org_unit=unit, stores=seen
    )
    detail = {"role": role, "branch": unit, "stores": list(seen)}
    shop.state.audit.append(by, "user.add", user.id, now=now(shop), detail=detail)
    return user, password


def list_users(shop: Shop) -> list[User]:
    """All users by name."""
    return shop.state.users.all()


def place_user(
    shop: Shop, user_id: str, role: str, *, branch: str | None = None, stores: Sequence[str] = (), by: str = "cli"
) -> User:
    """Gives a user another role, and how far it sees; arguments as of `add_user`. It holds from the next request on.

    Raises:
        ConflictError: It is the last admin.
        MissingError: There is no such user, branch or store.
        UsageError: There is no such role, or how far it sees is not said, or said though it sees the whole chain.
    """
    if role not in ROLES:
        raise UsageError(f"there is no role '{role}'", next_step=f"one of {', '.join(ROLES)}")
    unit, seen = _reach(shop, role, branch, stores)
    if role != _ADMIN:
        _keep_an_admin(shop, user_id)
    user = shop.state.users.place(user_id, role, org_unit=unit, stores=seen)
    detail = {"role": role, "branch": unit, "stores": list(seen)}
    shop.state.audit.append(by, "user.place", user.id, now=now(shop), detail=detail)
    return user


def disable_user(shop: Shop, user_id: str, *, by: str = "cli") -> User:
    """Takes the right to sign in and ends all sessions.

    Raises:
        ConflictError: It is the last admin.
        MissingError: There is no such user.
    """
    _keep_an_admin(shop, user_id)
    user = shop.state.users.disable(user_id, now=now(shop))
    shop.state.audit.append(by, "user.disable", user.id, now=now(shop))
    return user


def enable_user(shop: Shop, user_id: str, *, by: str = "cli") -> User:
    """Gives the right to sign in back.

    Raises:
        MissingError: There is no such user.
    """
    user = shop.state.users.enable(user_id)
    shop.state.audit.append(by, "user.enable", user.id, now=now(shop))
    return user


def reset_password(shop: Shop, user_id: str, *, by: str = "cli") -> str:
    """Gives a user a made-up password, which is shown once, and ends all sessions.

    Raises:
        MissingError: There is no such user.
    """
    user = shop.state.users.get(user_id)
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    shop.state.users.set_password(user.id, password)
    shop.state.audit.append(by, "user.password", user.id, now=now(shop))
    return password


def _keep_an_admin(shop: Shop, user_id: str) -> None:
    """Lets nobody be shut out of the shop: one user who may do everything stays."""
    user = shop.state.users.get(user_id)
    admins = {each.id for each in shop.state.users.all() if each.role == _ADMIN and not each.disabled}
    if admins == {user.id}:
        raise ConflictError(f"{user.name} is the last admin of the shop", next_step="make somebody else admin first")


def _reach(shop: Shop, role: str, branch: str | None, stores: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    reach = ROLES[role].reach
    if (branch is not None) != (reach is Reach.BRANCH):
        said = "needs a branch" if reach is Reach.BRANCH else "sees no branch"
        raise UsageError(f"the role {role} {said}", next_step="--branch goes with regional_manager and supervisor")
    if bool(stores) != (reach is Reach.STORES):
        said = "needs stores" if reach is Reach.STORES else "takes no stores"
        raise UsageError(f"the role {role} {said}", next_step="--store goes with store_manager and franchisee")
    if reach is Reach.CHAIN:
        return None, ()
    organised = organisation(shop, shop.today())
    if branch is not None:
        unit = organised.unit(branch)
        if unit.id == CHAIN or unit.kind == "store":
            raise UsageError(f"'{branch}' is no branch", next_step="name a region or an area")
        return unit.id, ()
    for store in stores:
        if store not in organised.stores:
            raise MissingError(f"there is no store '{store}'", next_step="shopkeeper table show store")
    return None, tuple(sorted(set(stores)))
