"""Every answered request is counted by its route, method and status, with the time it took; never by its path."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shopkeeper.app.counts import Counts

__all__ = ["Counted"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FAILED = 500


class Counted:
    """Counts what the rest of the application answers.

    Args:
        app: The rest of the application.
        counts: Where it is counted.
    """

    def __init__(self, app: ASGIApp, *, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and counts its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), _FAILED

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            route = getattr(scope.get("route"), "path", "other")
            self._counts.request(route, method, status, time.perf_counter() - began)
