"""What a route asks for: every route declares its permission, and one list shows them all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute

from shopkeeper.base.errors import ForbiddenError
from shopkeeper.base.permission import PERMISSIONS
from shopkeeper.web.signed_in import SignedIn

__all__ = ["COLLECT", "PUBLIC", "SELF", "Declared", "Permit", "declared", "may", "public"]

PUBLIC = "public"
"""Anybody may ask: nothing of the shop is told."""
SELF = "self"
"""Anybody who signed in, about themselves."""
COLLECT = "collect"
"""A write key, which the route checks itself: a plain ASGI route says so by an attribute `permission`."""

_FRAMEWORK = {"/api/openapi.json": PUBLIC}


class Permit:
    """Lets a request pass whose visitor may do what the route asks for.

    Args:
        permission: A word of `PERMISSIONS`, or `SELF`.
    """

    def __init__(self, permission: str) -> None:
        if permission not in PERMISSIONS and permission != SELF:
            raise ValueError(f"no such permission: {permission}")
        self.permission = permission

    async def __call__(self, request: Request, visitor: SignedIn) -> None:
        """Checks the visitor.

        Raises:
            ForbiddenError: The role or key may not.
        """
        request.state.permission = self.permission
        if self.permission != SELF and not visitor.may(self.permission):
            raise ForbiddenError(
                f"your role may not {PERMISSIONS[self.permission][0]}", next_step="ask an admin of the shop"
            )


class _Public:
    permission = PUBLIC

    async def __call__(self) -> None:
        """Lets everybody pass."""


public: Any = Depends(_Public())
"""What a route declares that anybody may ask."""


def may(permission: str) -> Any:
    """Gives what a route declares: `@router.get(…, dependencies=[may("people.read")])`."""
    return Depends(Permit(permission))


@dataclass(frozen=True, slots=True)
class Declared:
    """One route with what it asks for; None where it declares nothing, which a test does not let pass."""

    method: str
    path: str
    permission: str | None


def declared(app: FastAPI) -> list[Declared]:
    """Lists every route of an application by path and method, plain ASGI routes and mounts too."""
    return sorted(_declared(app.routes), key=lambda each: (each.path, each.method))


def _declared(routes: Iterable[Any]) -> Iterator[Declared]:
    for route in routes:
        included = getattr(getattr(route, "original_router", None), "routes", None)
        if included is not None:
            yield from _declared(included)
            continue
        permission = _of_route(route) if isinstance(route, APIRoute) else _of_plain(route)
        for method in sorted((getattr(route, "methods", None) or {"ANY"}) - {"HEAD"}):
            yield Declared(method, route.path, permission)


def _of_route(route: APIRoute) -> str | None:
    said = [getattr(each.call, "permission", None) for each in route.dependant.dependencies]
    found: list[str] = [permission for permission in said if permission is not None]
    return found[0] if len(found) == 1 else None


def _of_plain(route: Any) -> str | None:
    for part in (route, getattr(route, "endpoint", None), getattr(route, "app", None)):
        said: str | None = getattr(part, "permission", None)
        if said is not None:
            return said
    return _FRAMEWORK.get(route.path)
