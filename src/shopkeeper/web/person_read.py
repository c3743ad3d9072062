"""A program's look at one person, as raw ASGI: a framework between takes three times what the look itself takes.

It answers only what can be answered at once; whatever else it is (no key, a wrong one, one that may not, nobody of that
id, a shop without a serving set) goes on to the route in `routes/api.py`, which declares, refuses and explains.
"""

from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from shopkeeper.app.audit import Auditor, done
from shopkeeper.app.person import Persons
from shopkeeper.app.shop import Shop
from shopkeeper.app.sign_in import visitor_of_key
from shopkeeper.app.traces import mark_of
from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.base.permission import Reach
from shopkeeper.web.security import secured

__all__ = ["PersonRead", "encoded"]

_PATH = "/api/v1/persons/"
_ROUTE = f"{_PATH}{{person_id}}"
_NAMED = SimpleNamespace(path=_ROUTE)  # by this it is counted
_PERMISSION, _SCORES = "people.read", "models.read"
_ENCODER = msgspec.json.Encoder()


def encoded(document: object) -> bytes:
    """A document as the API writes it: amounts as text, instants in UTC."""
    return _ENCODER.encode(document)


class PersonRead:
    """Answers a look at a person with a key, and hands everything else on.

    Args:
        app: The rest of the application.
        shop: The shop.
        persons: Reads its persons.
        auditor: Notes who looked.
        clock: Gives the present instant.
    """

    def __init__(
        self, app: ASGIApp, *, shop: Shop, persons: Persons, auditor: Auditor, clock: Callable[[], datetime]
    ) -> None:
        self._app = app
        self._shop = shop
        self._persons = persons
        self._auditor = auditor
        self._clock = clock
        self._headers = {scheme: _headers(scheme) for scheme in ("http", "https")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes a request."""
        body = self._body(scope)
        if body is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _NAMED
        headers = [*self._headers[scope["scheme"]], (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _body(self, scope: Scope) -> bytes | None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["scheme"] not in self._headers:
            return None
        path: str = scope["path"]
        person_id = path.removeprefix(_PATH)
        if person_id == path or not person_id or "/" in person_id:
            return None
        secret = _bearer(scope)
        return None if secret is None or not self._shop.state.is_at_hand else self._seen(scope, person_id, secret)

    def _seen(self, scope: Scope, person_id: str, secret: str) -> bytes | None:
        now = self._clock()
        try:
            shown = visitor_of_key(self._shop, secret, now=now)
            # To note the use of a key is a write: the route has a thread for it.
            if shown is None or shown.is_due or shown.visitor.reach is not Reach.CHAIN:
                return None
            visitor = shown.visitor
            if not visitor.may(_PERMISSION):
                return None
            found = self._persons.document(person_id, with_scores=visitor.may(_SCORES))
            if found is None:
                return None
            origin = scope["client"][0] if scope.get("client") else None
            detail = {"method": "GET", "route": _ROUTE}
            row = done(visitor.name, _PERMISSION, mark_of(self._shop, person_id), now=now, origin=origin, detail=detail)
            self._auditor.view(row)
        except ShopkeeperError:
            return None
        return encoded(found)


def _bearer(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, secret = value.decode("latin-1").partition(" ")
            return secret.strip() if scheme.lower() == "bearer" else None
    return None


def _headers(scheme: str) -> list[tuple[bytes, bytes]]:
    found = MutableHeaders({"content-type": "application/json"})
    secured(found, scheme)
    return list(found.raw)
