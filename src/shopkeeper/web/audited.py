"""Every change, export and view of personal data leaves a row in the audit log: one mechanism for all routes."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shopkeeper.app.audit import AuditRow, done
from shopkeeper.app.traces import mark_of
from shopkeeper.app.visitor import Visitor
from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.web.permit import SELF
from shopkeeper.web.problem import problem

__all__ = ["PERSONAL", "Audited", "leaves_row"]

PERSONAL = frozenset(
    {"people.read", "segments.export", "campaigns.export", "data.rows", "person.unmask", "refused.read", "audit.read"}
)
"""The permissions whose reads show personal data, or the log itself."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FAILED = 400
_EMPTY = 204


def leaves_row(method: str, permission: str | None) -> bool:
    """Whether a request of a route that succeeds leaves a row."""
    return permission in PERSONAL if method in _SAFE else permission is not None


class Audited:
    """Notes what succeeded before its answer begins; an answer whose row cannot be written is not given."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and notes it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        refused = False

        async def noted(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and _shows(scope["method"], message["status"]):
                try:
                    await _note(scope, state)
                except ShopkeeperError:
                    refused = True
                    await problem(503, "the audit log cannot be written")(scope, receive, send)
                    return
            if not refused:
                await send(message)

        await self._app(scope, receive, noted)


def _shows(method: str, status: int) -> bool:
    """Whether something was done or seen; who asks again and is told that nothing came has seen nothing."""
    return status < _FAILED and not (method in _SAFE and status == _EMPTY)


async def _note(scope: Scope, state: dict[str, Any]) -> None:
    visitor, permission = state.get("visitor"), state.get("permission")
    if visitor is None or not leaves_row(scope["method"], permission):
        return
    auditor = scope["app"].state.auditor
    row = _row(scope, visitor, str(permission))
    # Counting and looking change nothing; what changes or goes out is written before the answer.
    if permission == SELF or str(permission).endswith((".read", ".rows")):
        auditor.view(row)
    else:
        await run_in_threadpool(auditor.change, row)


def _row(scope: Scope, visitor: Visitor, permission: str) -> AuditRow:
    route = getattr(scope.get("route"), "path", scope["path"])
    target = "/".join(_named(scope, name, str(value)) for name, value in scope.get("path_params", {}).items())
    return done(
        visitor.name,
        permission,
        target,
        now=scope["app"].state.clock(),
        origin=scope["client"][0] if scope.get("client") else None,
        detail={"method": scope["method"], "route": route},
    )


def _named(scope: Scope, name: str, value: str) -> str:
    """A part of a path as the log keeps it: a person by their mark, so that an erasure need not rewrite the chain."""
    return mark_of(scope["app"].state.shop, value) if name == "person_id" else value
