"""The event paths: the Segment tracking API as raw ASGI, since no framework between costs half of what a core can take.

Answers follow the retry rules of the SDKs: 200 once everything is durable, refused events included; 4xx only when
nothing was kept and sending again would not help, 429 and 503 with `Retry-After` when it would.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.types import Receive, Scope, Send

from shopkeeper.app.brought import EVENT_PATHS, MOST_EVENTS, UnreadableError, brought, shown_key
from shopkeeper.app.collect import Reception, Sender
from shopkeeper.app.log import logger, noted
from shopkeeper.base.errors import DataError, ForbiddenError, ShopkeeperError, UnavailableError, UsageError
from shopkeeper.web.body import BodyError, read_body
from shopkeeper.web.permit import COLLECT
from shopkeeper.web.rate import RateLimit

__all__ = ["HOOKS", "SETTINGS", "Collect"]

SETTINGS, HOOKS = "/v1/projects/", "/hooks/"
_RETRY_SECONDS = 5
_STATUS = {"too_many_events": 413, "unknown_content_type": 415, "bad_authorization": 401}
"""Of what cannot be read; the others are 400."""

_MOST_BYTES = 64 * 2**20
"""So much may be under way at a time; what comes beyond is asked to come again."""

_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, x-requested-with"),
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-max-age", b"86400"),
]
"""Any origin may send: a browser key is public by its nature, and no cookie is looked at."""


class Collect:
    """Answers the event paths.

    Args:
        reception: Makes what takes the events, when the first one comes.
        limit: How many events a key may bring.
        clock: Gives the present instant.
    """

    permission = COLLECT

    def __init__(self, *, reception: Callable[[], Reception], limit: RateLimit, clock: Callable[[], Any]) -> None:
        self._make = reception
        self._reception: Reception | None = None
        self._limit = limit
        self._clock = clock
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes a request."""
        path = scope["path"]
        if scope["method"] == "OPTIONS":
            await _answer(send, 204, b"")
            return
        try:
            await _answer(send, 200, await self._taken(scope, receive, path))
        except BodyError as refused:
            await _answer(send, refused.status, _refused(refused.reason), retry_after=refused.retry_after)
        except UnreadableError as error:
            await _answer(send, _STATUS.get(error.reason, 400), _refused(error.reason))
        except UnavailableError as error:
            await _answer(send, 503, _refused("unavailable", error.own), retry_after=_RETRY_SECONDS)
        except UsageError:
            # Nobody can keep it, so sending it again would not help.
            await _answer(send, 413, _refused("too_large"))
        except ShopkeeperError as error:
            await _answer(send, 500, _refused("failed", error.noted), retry_after=_RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - what nobody foresaw is answered as a sender understands it
            logger("collect").error("failed unexpectedly", error=noted(error))
            await _answer(send, 500, _refused("failed"), retry_after=_RETRY_SECONDS)

    async def _taken(self, scope: Scope, receive: Receive, path: str) -> bytes:
        if path.startswith(SETTINGS) and scope["method"] == "GET":
            return await self._settings(scope, path)
        is_hook = path.startswith(HOOKS)
        if path not in EVENT_PATHS and not is_hook:
            raise BodyError(404, "no_such_path")
        if scope["method"] != "POST":
            raise BodyError(405, "post_only")
        headers = dict(scope["headers"])
        held = 0

        def hold(size: int) -> None:
            # Bodies that come slowly take memory long before they are whole.
            nonlocal held
            if self._bytes + size > _MOST_BYTES:
                raise BodyError(429, "too_much_at_once", retry_after=1)
            held += size
            self._bytes += size

        try:
            raw = await read_body(headers, receive, held=hold)
            if is_hook:
                return await self._hooked(path.removeprefix(HOOKS), headers, raw)
            return await self._brought(path, headers, scope["query_string"], raw)
        finally:
            self._bytes -= held

    async def _brought(self, path: str, headers: Mapping[bytes, bytes], query: bytes, raw: bytes) -> bytes:
        found = brought(path, headers, query, raw)
        sender = await self._sender(shown_key(headers) or found.key)
        return await self._kept(sender, found.messages, is_live=found.is_live)

    async def _hooked(self, key_id: str, headers: Mapping[bytes, bytes], raw: bytes) -> bytes:
        said = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.items()}
        try:
            sender, messages = await self._received().webhook(key_id, said, raw, now=self._clock())
        except ForbiddenError as error:
            raise BodyError(401, error.own) from None
        except DataError as error:
            raise BodyError(400, error.own) from None
        if len(messages) > MOST_EVENTS:
            raise BodyError(413, "too_many_events")
        return await self._kept(sender, messages)

    async def _kept(self, sender: Sender, messages: list[Any], *, is_live: bool = True) -> bytes:
        now = self._clock()
        wait = self._limit.wait(sender.key_id, now, max(1, len(messages)))
        if wait:
            raise BodyError(429, "too_many_events", retry_after=wait)
        answer = await self._received().take(sender, messages, now=now, is_live=is_live)
        return msgspec.json.encode(answer)

    def _received(self) -> Reception:
        if self._reception is None:
            self._reception = self._make()
        return self._reception

    async def _sender(self, key: str | None) -> Sender:
        if not key:
            raise BodyError(401, "no_write_key")
        try:
            return await self._received().sender(key, now=self._clock())
        except ForbiddenError:
            raise BodyError(401, "unknown_write_key") from None

    async def _settings(self, scope: Scope, path: str) -> bytes:
        """What the browser SDK asks first: which integrations there are. Ours is the only one."""
        key, _, rest = path[len(SETTINGS) :].partition("/")
        if rest != "settings":
            raise BodyError(404, "no_such_path")
        try:
            await self._received().sender(unquote(key), now=self._clock())
        except ForbiddenError:
            raise BodyError(404, "unknown_write_key") from None
        host = dict(scope["headers"]).get(b"host", b"localhost").decode("latin-1")
        return msgspec.json.encode(_integrations(unquote(key), host, scope["scheme"]))


def _refused(reason: str, detail: str | None = None) -> bytes:
    return msgspec.json.encode({"success": False, "reason": reason} | ({"detail": detail} if detail else {}))


def _integrations(key: str, host: str, scheme: str) -> dict[str, Any]:
    own = {
        "apiKey": key,
        "apiHost": f"{host}/v1",
        "protocol": scheme,
        "unbundledIntegrations": [],
        "addBundledMetadata": True,
        "maybeBundledConfigIds": {},
        "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
    }
    return {
        "integrations": {"Segment.io": own},
        "plan": {
            "track": {"__default": {"enabled": True, "integrations": {}}},
            "identify": {"__default": {"enabled": True}},
        },
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


async def _answer(send: Send, status: int, body: bytes, *, retry_after: float | None = None) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *_CORS,
    ]
    if retry_after is not None:
        headers.append((b"retry-after", str(max(1, round(retry_after + 0.5))).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
