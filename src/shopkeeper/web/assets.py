"""Style sheets and scripts of the console, held in memory under addresses that name their content."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from fastapi import APIRouter, Request, Response

from shopkeeper.base.errors import MissingError
from shopkeeper.web.permit import public

__all__ = ["Asset", "asset_url", "assets", "router"]

STATIC = Path(__file__).with_name("static")
_FOREVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file: its bytes, the same packed, its media type and the hash that its address carries."""

    body: bytes
    packed: bytes
    media_type: str
    digest: str


@cache
def assets() -> Mapping[str, Asset]:
    """Gives every static file by its path below `static/`."""
    found = {}
    for path in sorted(STATIC.rglob("*")):
        if path.is_file() and path.suffix != ".json":
            body = path.read_bytes()
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            digest = hashlib.sha256(body).hexdigest()[:12]
            found[path.relative_to(STATIC).as_posix()] = Asset(body, gzip.compress(body, 9, mtime=0), kind, digest)
    return MappingProxyType(found)


def asset_url(name: str) -> str:
    """Gives the address of a static file; it changes whenever the file does, so that browsers may keep it for ever."""
    return f"/static/{assets()[name].digest}/{name}"


@router.get("/static/{digest}/{name:path}", dependencies=[public])
def static_file(request: Request, digest: str, name: str) -> Response:
    """Serves one static file; an old hash gets the present file but is not kept."""
    asset = assets().get(name)
    if asset is None:
        raise MissingError(f"there is no file '{name}'")
    kept = _FOREVER if digest == asset.digest else "no-cache"
    headers = {"cache-control": kept, "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(asset.packed, media_type=asset.media_type, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)
