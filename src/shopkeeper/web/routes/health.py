"""Whether the process lives, whether it can serve, and what a monitor may read of it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response

from shopkeeper.app.metrics import shop_metrics
from shopkeeper.app.readiness import OK, Needed, readiness
from shopkeeper.base.metric import exposition
from shopkeeper.web.permit import may, public
from shopkeeper.web.signed_in import signed_in

__all__ = ["router"]

router = APIRouter(tags=["health"])

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz", dependencies=[public])
def healthz() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


@router.get("/readyz", dependencies=[public])
def readyz(request: Request, of: Annotated[list[Needed] | None, Query()] = None) -> JSONResponse:
    """Ready, with the state of each thing it needs; 503 when one is missing. `of` names those that count."""
    found = readiness(request.app.state.shop, of or ())
    ready = all(state == OK for state in found.values())
    return JSONResponse({"ready": ready, "dependencies": found}, status_code=200 if ready else 503)


@router.get("/metrics", dependencies=[Depends(signed_in), may("metrics.read")], response_class=Response)
def metrics(request: Request) -> Response:
    """What a monitor reads, in the text form of Prometheus."""
    state = request.app.state
    return Response(exposition([*shop_metrics(state.shop), *state.counts.metrics()]), media_type=_TEXT)
