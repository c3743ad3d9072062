"""The event paths: the Segment tracking API as raw ASGI, since no framework between costs half of what a core can take.

Answers follow the retry rules of the SDKs: 200 once everything is durable, refused events included; 4xx only when
nothing was kept and sending again would not help, 429 and 503 with `Retry-After` when it would.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from shopkeeper.app.collect import Reception, Sender
from shopkeeper.base.errors import ForbiddenError, ShopkeeperError, UnavailableError
from shopkeeper.web.body import BodyError, read_body
from shopkeeper.web.rate import RateLimit

__all__ = ["COLLECT_PATHS", "Collect"]

_SINGLE = {
    "identify": "identify", "i": "identify", "track": "track", "t": "track", "page": "page", "p": "page",
    "screen": "screen", "s": "screen", "group": "group", "g": "group", "alias": "alias", "a": "alias",
}  # fmt: skip
_MANY = ("batch", "b", "import")
COLLECT_PATHS = tuple(f"/v1/{name}" for name in (*_SINGLE, *_MANY))
_SETTINGS = "/v1/projects/"
_MOST_EVENTS = 2_500
_RETRY_SECONDS = 5
_PLAIN = (b"application/json", b"text/plain", b"application/x-www-form-urlencoded", b"")
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, x-requested-with"),
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-max-age", b"86400"),
]
"""Any origin may send: a browser key is public by its nature, and no cookie is looked at."""


class _Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request of which nothing is kept."""

    def __init__(self, status: int, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Collect:
    """Answers the event paths and hands everything else on.

    Args:
        app: The rest of the application.
        reception: Makes what takes the events, when the first one comes.
        limit: How many events a key may bring.
        clock: Gives the present instant.
    """

    def __init__(
        self, app: ASGIApp, *, reception: Callable[[], Reception], limit: RateLimit, clock: Callable[[], Any]
    ) -> None:
        self._app = app
        self._make = reception
        self._reception: Reception | None = None
        self._limit = limit
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes a request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await _answer(send, 204, b"")
            return
        try:
            status, body = await self._taken(scope, receive, path)
            await _answer(send, status, body)
        except (_Refusal, BodyError) as refused:
            wait = getattr(refused, "retry_after", None)
            await _answer(send, refused.status, _refused(refused.reason), retry_after=wait)
        except UnavailableError as error:
            await _answer(send, 503, _refused("unavailable", error.own), retry_after=_RETRY_SECONDS)
        except ShopkeeperError as error:
            await _answer(send, 500, _refused("failed", error.noted), retry_after=_RETRY_SECONDS)

    async def _taken(self, scope: Scope, receive: Receive, path: str) -> tuple[int, bytes]:
        if path.startswith(_SETTINGS) and scope["method"] == "GET":
            return await self._settings(scope, path)
        name = path[len("/v1/") :]
        if name not in _SINGLE and name not in _MANY:
            raise _Refusal(404, "no_such_path")
        if scope["method"] != "POST":
            raise _Refusal(405, "post_only")
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind not in _PLAIN:
            raise _Refusal(415, "unknown_content_type")
        raw = await read_body(headers, receive)
        sent = _decoded(raw)
        sender = await self._sender(headers, scope, sent)
        messages = _messages(sent, name)
        now = self._clock()
        wait = self._limit.wait(sender.key_id, now, max(1, len(messages)))
        if wait:
            raise _Refusal(429, "too_many_events", retry_after=wait)
        answer = await self._received().take(sender, messages, now=now, is_live=name != "import")
        return 200, msgspec.json.encode(answer)

    def _received(self) -> Reception:
        if self._reception is None:
            self._reception = self._make()
        return self._reception

    async def _sender(self, headers: Mapping[bytes, bytes], scope: Scope, sent: Mapping[str, Any]) -> Sender:
        given = _key(headers) or sent.get("writeKey") or _of_query(scope, "writeKey")
        if not isinstance(given, str) or not given:
            raise _Refusal(401, "no_write_key")
        try:
            return await self._received().sender(given, now=self._clock())
        except ForbiddenError:
            raise _Refusal(401, "unknown_write_key") from None

    async def _settings(self, scope: Scope, path: str) -> tuple[int, bytes]:
        """What the browser SDK asks first: which integrations there are. Ours is the only one."""
        key, _, rest = path[len(_SETTINGS) :].partition("/")
        if rest != "settings":
            raise _Refusal(404, "no_such_path")
        try:
            await self._received().sender(unquote(key), now=self._clock())
        except ForbiddenError:
            raise _Refusal(404, "unknown_write_key") from None
        host = dict(scope["headers"]).get(b"host", b"localhost").decode("latin-1")
        return 200, msgspec.json.encode(_integrations(unquote(key), host, scope["scheme"]))


def _decoded(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        raise _Refusal(400, "empty")
    try:
        sent = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _Refusal(400, "not_json") from None
    if not isinstance(sent, dict):
        raise _Refusal(400, "not_an_object")
    return sent


def _messages(sent: dict[str, Any], name: str) -> list[Any]:
    """The messages of a request; what a batch says once for all is given to each."""
    if name in _SINGLE:
        if not ({"userId", "anonymousId", "previousId", "messageId"} & sent.keys()):
            raise _Refusal(400, "no_id")
        message = {field: value for field, value in sent.items() if field != "writeKey"}
        return [message | {"type": _SINGLE[name]}]
    batch = sent.get("batch")
    if not isinstance(batch, list):
        raise _Refusal(400, "no_batch")
    if not batch:
        raise _Refusal(400, "empty")
    if len(batch) > _MOST_EVENTS:
        raise _Refusal(413, "too_many_events")
    common = {field: sent[field] for field in ("sentAt", "context") if field in sent}
    if not common:
        return batch
    return [{**common, **message} if isinstance(message, dict) else message for message in batch]


def _key(headers: Mapping[bytes, bytes]) -> str | None:
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip().decode("latin-1")
    if scheme.lower() != b"basic":
        return None
    try:
        user = base64.b64decode(value.strip(), validate=True).partition(b":")[0]
    except binascii.Error:
        raise _Refusal(401, "bad_authorization") from None
    return user.decode("latin-1")


def _of_query(scope: Scope, name: str) -> str | None:
    found = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(name)
    return found[0] if found else None


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
