"""Users: who may sign in, what they may do and how far they see."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from starlette.responses import RedirectResponse

from shopkeeper.app.pages.users import users
from shopkeeper.app.user import add_user, disable_user, enable_user, place_user, reset_password
from shopkeeper.base.errors import ConflictError, ShopkeeperError
from shopkeeper.base.permission import PERMISSIONS, ROLES, Reach
from shopkeeper.web.permit import may
from shopkeeper.web.render import page, words_language
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False, prefix="/users")
_Short = Annotated[str, Form(max_length=100)]
_Stores = Annotated[Sequence[str], Form(max_length=2_000)]


@router.get("", dependencies=[may("users.manage")])
def users_page(request: Request, _visitor: SignedIn) -> Response:
    """The users, and a form for a new one."""
    return _users(request)


@router.post("", dependencies=[may("users.manage")])
def user_add(
    request: Request,
    visitor: SignedIn,
    name: _Short,
    role: _Short,
    branch: _Short = "",
    stores: _Stores = (),
) -> Response:
    """Adds a user and shows the password, once."""
    shop = request.app.state.shop
    own, seen = _reach(role, branch, stores)
    try:
        user, password = add_user(shop, name, role, branch=own, stores=seen, by=visitor.name)
    except ShopkeeperError as error:
        return _users(request, error)
    return _users(request, secret=password, whose=user.name)


@router.post("/{user_id}/role", dependencies=[may("users.manage")])
def user_place(
    request: Request,
    visitor: SignedIn,
    user_id: str,
    role: _Short,
    branch: _Short = "",
    stores: _Stores = (),
) -> Response:
    """Gives a user another role, and how far it sees."""
    own, seen = _reach(role, branch, stores)
    try:
        place_user(request.app.state.shop, user_id, role, branch=own, stores=seen, by=visitor.name)
    except ShopkeeperError as error:
        return _users(request, error)
    return RedirectResponse("/users", status_code=303)


@router.post("/{user_id}/password", dependencies=[may("users.manage")])
def user_password(request: Request, visitor: SignedIn, user_id: str) -> Response:
    """Gives a user a new password and shows it, once; all their sessions end."""
    shop = request.app.state.shop
    password = reset_password(shop, user_id, by=visitor.name)
    return _users(request, secret=password, whose=shop.state.users.get(user_id).name)


@router.post("/{user_id}/disable", dependencies=[may("users.manage")])
def user_disable(request: Request, visitor: SignedIn, user_id: str) -> Response:
    """Takes the right to sign in."""
    try:
        disable_user(request.app.state.shop, user_id, by=visitor.name)
    except ConflictError as error:
        return _users(request, error)
    return RedirectResponse("/users", status_code=303)


@router.post("/{user_id}/enable", dependencies=[may("users.manage")])
def user_enable(request: Request, visitor: SignedIn, user_id: str) -> Response:
    """Gives the right to sign in back."""
    enable_user(request.app.state.shop, user_id, by=visitor.name)
    return RedirectResponse("/users", status_code=303)


def _reach(role: str, branch: str, stores: Sequence[str]) -> tuple[str | None, list[str]]:
    """Branch and stores as far as they count for a role: the fields of another reach are left as they stand."""
    reach = ROLES[role].reach if role in ROLES else Reach.CHAIN
    return (
        (branch.strip() or None) if reach is Reach.BRANCH else None,
        [store.strip() for store in stores if store.strip()] if reach is Reach.STORES else [],
    )


def _users(request: Request, error: ShopkeeperError | None = None, *, secret: str = "", whose: str = "") -> Response:
    place = 1 if words_language(request) == "zh" else 0
    return page(
        request,
        "users.html",
        422 if error else 200,
        found=users(request.app.state.shop),
        roles=ROLES,
        permissions={name: said[place] for name, said in PERMISSIONS.items()},
        error=error,
        secret=secret,
        whose=whose,
    )
