"""API keys, and the audit log."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from shopkeeper.app.api_key import SCOPES, USER_KINDS, ApiKey, create_key, list_keys, revoke_key
from shopkeeper.app.audit import audit_page, verify_audit
from shopkeeper.app.hook import hook_secret
from shopkeeper.base.errors import StorageError, UsageError
from shopkeeper.base.permission import PERMISSIONS
from shopkeeper.web.form import is_count
from shopkeeper.web.permit import COLLECT, may
from shopkeeper.web.render import page, words_language
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_ROWS = 100


@router.get("/keys", dependencies=[may("keys.manage")])
def keys_page(request: Request, _visitor: SignedIn) -> Response:
    """The keys, and a form for a new one."""
    return _keys(request)


@router.post("/keys", dependencies=[may("keys.manage")])
def key_create(
    request: Request,
    visitor: SignedIn,
    name: Annotated[str, Form(max_length=100)],
    scopes: Annotated[Sequence[str], Form()] = (),
    source: Annotated[str, Form(max_length=100)] = "",
    kind: Annotated[str, Form(pattern="^(server|browser)$")] = "server",
    user_kind: Annotated[str, Form()] = USER_KINDS[0],
    days: Annotated[str, Form(max_length=6)] = "",
) -> Response:
    """Makes a key and shows it, once."""
    if days and not (is_count(days) and int(days)):
        return _keys(request, 422, error=UsageError(f"'{days}' is no number of days"))
    try:
        key, secret = create_key(
            request.app.state.shop,
            scopes,
            source=source,
            name=name.strip() or None,
            is_browser=kind == "browser",
            user_kind=user_kind,
            days=int(days) if days else None,
            by=visitor.name,
        )
    except UsageError as error:
        return _keys(request, 422, error=error)
    return _keys(request, secret=secret, made=key)


@router.post("/keys/{key_id}/revoke", dependencies=[may("keys.manage")])
def key_revoke(request: Request, visitor: SignedIn, key_id: str, csrf: Annotated[str, Form()] = "") -> Response:
    """Ends a key at once."""
    del csrf  # the guard has checked it
    revoke_key(request.app.state.shop, key_id, by=visitor.name)
    return RedirectResponse("/keys", status_code=303)


@router.get("/audit", dependencies=[may("audit.read")])
def audit(
    request: Request, _visitor: SignedIn, before: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> Response:
    """The audit log, the newest first."""
    rows = audit_page(request.app.state.shop, before=before, limit=_ROWS)
    return page(request, "audit.html", rows=rows, older=rows[-1].seq if len(rows) == _ROWS else None, chain=None)


@router.get("/audit/verify", dependencies=[may("audit.read")])
def audit_verify(request: Request, _visitor: SignedIn) -> Response:
    """Checks the whole chain, and says how long it is and where it ends."""
    shop = request.app.state.shop
    try:
        length, head = verify_audit(shop)
        chain = {"rows": length, "head": head, "broken": ""}
    except StorageError as error:
        chain = {"rows": 0, "head": "", "broken": error.message}
    rows = audit_page(shop, limit=_ROWS)
    return page(request, "audit.html", rows=rows, older=rows[-1].seq if len(rows) == _ROWS else None, chain=chain)


def _keys(
    request: Request,
    status: int = 200,
    *,
    secret: str = "",
    made: ApiKey | None = None,
    error: UsageError | None = None,
) -> Response:
    place = 1 if words_language(request) == "zh" else 0
    said = {scope: PERMISSIONS[scope][place] for scope in SCOPES if scope != COLLECT}
    shop = request.app.state.shop
    now = request.app.state.clock()
    takes_hooks = made is not None and COLLECT in made.scopes and not made.is_browser
    return page(
        request,
        "keys.html",
        status,
        keys=list_keys(shop),
        scopes=said,
        secret=secret,
        made=made,
        hook_secret=hook_secret(shop, made.id) if made is not None and takes_hooks else "",
        host=str(request.base_url).rstrip("/"),
        error=error,
        now=now,
    )
