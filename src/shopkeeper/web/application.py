"""The web application: routes, guards and errors put together for one shop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware

from shopkeeper.app.audit import Auditor
from shopkeeper.app.collect import reception_of
from shopkeeper.app.pages.counts import AskedCounts
from shopkeeper.app.shop import Shop
from shopkeeper.web import assets, problem
from shopkeeper.web.audited import Audited
from shopkeeper.web.collect import Collect
from shopkeeper.web.csrf import guard
from shopkeeper.web.rate import RateLimit
from shopkeeper.web.routes import (
    access,
    api,
    api_privacy,
    campaigns,
    consent_texts,
    data,
    health,
    lifecycle,
    models,
    overview,
    people,
    privacy,
    refused_events,
    report,
    segment_changes,
    segments,
    sign_in,
    sources,
    upload,
    users,
    web_hooks,
)
from shopkeeper.web.security import SecurityHeaders
from shopkeeper.web.signed_in import WrongKeys

__all__ = ["create_app"]

_ROUTERS = (
    api.router,
    access.router,
    api_privacy.router,
    health.router,
    assets.router,
    sign_in.router,
    overview.router,
    lifecycle.router,  # before people, whose pages take any name
    people.router,
    privacy.router,
    data.router,
    models.router,
    report.router,
    segments.router,
    segment_changes.router,
    campaigns.router,
    upload.router,
    refused_events.router,
    sources.router,
    users.router,
    web_hooks.router,
    consent_texts.router,
)
_PACK_FROM_BYTES = 1000
_REST_SECONDS = 10
"""A key that rested may bring the events of so many seconds at once."""
_MOST_BODY_BYTES = 1024 * 1024


def create_app(shop: Shop) -> FastAPI:
    """Makes the console and API of one shop.

    Args:
        shop: The shop it shows.

    Returns:
        An ASGI application.
    """
    app = FastAPI(
        title="Shopkeeper",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(guard)],
        lifespan=_lifespan,
        max_body_size=_MOST_BODY_BYTES,
    )
    app.state.shop = shop
    app.state.clock = shop.clock
    app.state.sign_in_limits = sign_in.SignInLimits()
    app.state.wrong_keys = WrongKeys()
    app.state.auditor = Auditor(shop)
    app.state.asked_counts = AskedCounts(shop.settings.web.smallest_count)
    for router in _ROUTERS:
        app.include_router(router)
    problem.install(app)
    app.add_middleware(Audited)
    app.add_middleware(GZipMiddleware, minimum_size=_PACK_FROM_BYTES)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(
        Collect,
        reception=partial(reception_of, shop),
        limit=RateLimit(shop.settings.collect.events_per_second * _REST_SECONDS, _REST_SECONDS),
        clock=shop.clock,
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await run_in_threadpool(app.state.auditor.close)
