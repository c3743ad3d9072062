"""The people who may sign in."""

import secrets

from shopkeeper.app.shop import Shop, now
from shopkeeper.storage.state.users import User

__all__ = ["ROLES", "add_user", "first_user", "list_users"]

ROLES = ("admin", "analyst", "marketer", "auditor")
_PASSWORD_BYTES = 12


def first_user(shop: Shop, name: str = "admin") -> str:
    """Makes the first user of a shop, an admin, and gives the password, which is shown once."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    shop.state.users.add(name, password, "admin", now=now(shop), language=shop.settings.chain.language, first=True)
    return password


def add_user(shop: Shop, name: str, role: str, password: str | None = None) -> tuple[User, str]:
    """Adds a user; gives the password, made up where none is given."""
    password = password or secrets.token_urlsafe(_PASSWORD_BYTES)
    user = shop.state.users.add(name, password, role, now=now(shop), language=shop.settings.chain.language)
    shop.state.audit.append("cli", "user.add", user.id, now=now(shop))
    return user, password


def list_users(shop: Shop) -> list[User]:
    """All users by name."""
    return shop.state.users.all()
