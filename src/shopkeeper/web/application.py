"""The web application: routes, guards and errors put together for one shop."""

from fastapi import Depends, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from shopkeeper.app.shop import Shop
from shopkeeper.web import assets, problem
from shopkeeper.web.csrf import guard
from shopkeeper.web.routes import (
    api,
    campaigns,
    data,
    health,
    lifecycle,
    models,
    overview,
    people,
    report,
    segment_changes,
    segments,
    sign_in,
    upload,
)
from shopkeeper.web.security import SecurityHeaders

__all__ = ["create_app"]

_ROUTERS = (
    api.router,
    health.router,
    assets.router,
    sign_in.router,
    overview.router,
    lifecycle.router,  # before people, whose pages take any name
    people.router,
    data.router,
    models.router,
    report.router,
    segments.router,
    segment_changes.router,
    campaigns.router,
    upload.router,
)
_PACK_FROM_BYTES = 1000
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
        max_body_size=_MOST_BODY_BYTES,
    )
    app.state.shop = shop
    app.state.clock = shop.clock
    app.state.sign_in_limits = sign_in.SignInLimits()
    for router in _ROUTERS:
        app.include_router(router)
    problem.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=_PACK_FROM_BYTES)
    app.add_middleware(SecurityHeaders)
    return app
