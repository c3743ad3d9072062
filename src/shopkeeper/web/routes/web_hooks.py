"""Web hooks that hear of segment changes: made, tried, held back, removed; and what became of their messages."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from starlette.responses import RedirectResponse

from shopkeeper.app.web_hooks import add_shop_hook, hook_deliveries, list_hooks, pause_hook, remove_hook, send_test
from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.web.permit import may
from shopkeeper.web.render import page
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False, prefix="/web-hooks")
_Name = Annotated[str, Form(max_length=100)]


@router.get("", dependencies=[may("hooks.manage")])
def hooks_page(request: Request, _visitor: SignedIn) -> Response:
    """The web hooks with their newest messages, and a form for a new one."""
    return _hooks(request)


@router.post("", dependencies=[may("hooks.manage")])
def hook_add(
    request: Request,
    visitor: SignedIn,
    name: _Name,
    url: Annotated[str, Form(max_length=2_000)],
    segments: Annotated[Sequence[str], Form(max_length=200)] = (),
) -> Response:
    """Makes a web hook and shows its secret, once."""
    try:
        secret = add_shop_hook(request.app.state.shop, name.strip(), url.strip(), segments, by=visitor.name)
    except ShopkeeperError as error:
        return _hooks(request, error)
    return _hooks(request, secret=secret, whose=name.strip())


@router.post("/{name}/test", dependencies=[may("hooks.manage")])
def hook_test(request: Request, visitor: SignedIn, name: str) -> Response:
    """Sends a test message at once, and says what came of it."""
    answer = send_test(request.app.state.shop, name, by=visitor.name)
    return _hooks(request, tried=name, answer=answer)


@router.post("/{name}/pause", dependencies=[may("hooks.manage")])
def hook_pause(request: Request, visitor: SignedIn, name: str, *, paused: Annotated[bool, Form()] = True) -> Response:
    """Holds back what a web hook would be sent, or lets it go again."""
    pause_hook(request.app.state.shop, name, paused=paused, by=visitor.name)
    return RedirectResponse("/web-hooks", status_code=303)


@router.post("/{name}/remove", dependencies=[may("hooks.manage")])
def hook_remove(request: Request, visitor: SignedIn, name: str) -> Response:
    """Removes a web hook and what waits for it."""
    remove_hook(request.app.state.shop, name, by=visitor.name)
    return RedirectResponse("/web-hooks", status_code=303)


def _hooks(
    request: Request,
    error: ShopkeeperError | None = None,
    *,
    secret: str = "",
    whose: str = "",
    tried: str = "",
    answer: str | None = None,
) -> Response:
    shop = request.app.state.shop
    found = list_hooks(shop)
    return page(
        request,
        "web_hooks.html",
        422 if error else 200,
        hooks=found,
        deliveries={hook["name"]: hook_deliveries(shop, hook["name"]) for hook in found},
        segments=shop.state.segments.all(),
        error=error,
        secret=secret,
        whose=whose,
        tried=tried,
        answer=answer,
    )
