"""The web application: routes, guards and errors put together for one shop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware

from shopkeeper.app.audit import Auditor
from shopkeeper.app.collect import reception_of
from shopkeeper.app.counts import Counts
from shopkeeper.app.pages.counts import asked_counts
from shopkeeper.app.person import Persons
from shopkeeper.app.shop import Shop
from shopkeeper.web import assets, problem
from shopkeeper.web.audited import Audited
from shopkeeper.web.collect import Collect
from shopkeeper.web.counted import Counted
from shopkeeper.web.csrf import guard
from shopkeeper.web.event_routes import EventLane, described, event_routes
from shopkeeper.web.form import known_fields
from shopkeeper.web.person_read import PersonRead
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
_TELLS_EVERY = 2.0
"""So many seconds old may be what one web process knows of the counts of another."""


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
        dependencies=[Depends(guard), Depends(known_fields)],
        lifespan=_lifespan,
        max_body_size=_MOST_BODY_BYTES,
    )
    app.state.shop = shop
    app.state.clock = shop.clock
    app.state.sign_in_limits = sign_in.SignInLimits()
    app.state.wrong_keys = WrongKeys()
    app.state.auditor = Auditor(shop)
    app.state.persons = Persons(shop)
    app.state.asked_counts = asked_counts(shop)
    for router in _ROUTERS:
        app.include_router(router)
    app.state.counts = Counts(shop)
    collect = Collect(
        reception=partial(reception_of, shop, timed=app.state.counts.append),
        limit=RateLimit(shop.settings.collect.events_per_second * _REST_SECONDS, _REST_SECONDS),
        clock=shop.clock,
    )
    of_events = event_routes(collect)
    app.router.routes.extend(of_events)
    _describe(app)
    problem.install(app)
    app.add_middleware(Audited)
    app.add_middleware(GZipMiddleware, minimum_size=_PACK_FROM_BYTES)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(PersonRead, shop=shop, persons=app.state.persons, auditor=app.state.auditor, clock=shop.clock)
    app.add_middleware(EventLane, collect=collect, routes=of_events)
    app.add_middleware(Counted, counts=app.state.counts)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    telling = asyncio.create_task(_tell(app.state.counts))
    yield
    app.state.persons.close()
    telling.cancel()
    with suppress(asyncio.CancelledError):
        await telling
    await run_in_threadpool(app.state.auditor.close)


async def _tell(counts: Counts) -> None:
    """Tells the other web processes what this one counted."""
    while True:
        await asyncio.to_thread(counts.publish)
        await asyncio.sleep(_TELLS_EVERY)


def _describe(app: FastAPI) -> None:
    """Has the description of the API name the event paths too: the framework knows its own routes only."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        found = made()
        of_events = described()
        found["paths"].update(of_events["paths"])
        found.setdefault("components", {}).setdefault("securitySchemes", {}).update(
            of_events["components"]["securitySchemes"]
        )
        return found

    app.openapi = openapi  # type: ignore[method-assign]
