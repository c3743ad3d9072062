"""The event paths as routes of the application, and the short way to them: past everything that pages need."""

from typing import Any

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shopkeeper.app.brought import EVENT_PATHS
from shopkeeper.web.collect import HOOKS, SETTINGS, Collect

__all__ = ["EventLane", "described", "event_routes"]

_HOOK, _SETTINGS = f"{HOOKS}{{key_id}}", f"{SETTINGS}{{key}}/settings"
_ANSWERS = {
    "200": "Everything in it is durable; what became of each event.",
    "400": "It cannot be read; nothing was kept.",
    "401": "No write key, or one that does not hold.",
    "413": "Too large; nothing was kept.",
    "415": "Packed or written in a way that is not known; nothing was kept.",
    "429": "Too much at once; send it again after `Retry-After`.",
    "503": "The log cannot take it now; send it again after `Retry-After`.",
}


def event_routes(collect: Collect) -> list[Route]:
    """Gives the routes that take events, all with the same handler, which checks the write key itself."""
    made = [Route(path, collect, methods=["POST", "OPTIONS"]) for path in (*EVENT_PATHS, _HOOK)]
    return [*made, Route(_SETTINGS, collect, methods=["GET", "OPTIONS"])]


class EventLane:
    """Leads requests of the event paths straight to their handler; a framework between costs half of what a core takes.

    Args:
        app: The rest of the application.
        collect: Takes events.
        routes: What `event_routes` gave.
    """

    def __init__(self, app: ASGIApp, *, collect: Collect, routes: list[Route]) -> None:
        self._app = app
        self._collect = collect
        self._routes = {route.path: route for route in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        route = self._routes.get(path)
        if route is None and not path.startswith(("/v1/", HOOKS)):
            await self._app(scope, receive, send)
            return
        # A path under /v1 that is none is answered there too, as its senders understand it.
        scope["route"] = route or self._of_pattern(path)
        await self._collect(scope, receive, send)

    def _of_pattern(self, path: str) -> Route | None:
        for pattern in (_HOOK, _SETTINGS):
            if self._routes[pattern].path_regex.match(path):
                return self._routes[pattern]
        return None


def described() -> dict[str, Any]:
    """What the description of the API says of them: the formats are those of their makers, so no schema of ours."""
    answers = {code: {"description": sentence} for code, sentence in _ANSWERS.items()}
    body = {"required": True, "content": {"application/json": {"schema": {}}}}
    security: list[dict[str, list[str]]] = [{"write_key": []}]
    paths: dict[str, Any] = {
        path: {"post": {"tags": ["events"], "security": security, "requestBody": body, "responses": answers}}
        for path in EVENT_PATHS
    }
    for path, method, name in ((_HOOK, "post", "key_id"), (_SETTINGS, "get", "key")):
        given = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]
        said: dict[str, Any] = {"tags": ["events"], "parameters": given, "responses": answers}
        paths[path] = {method: said | ({"requestBody": body} if method == "post" else {})}
    return {"paths": paths, "components": {"securitySchemes": {"write_key": {"type": "http", "scheme": "basic"}}}}
