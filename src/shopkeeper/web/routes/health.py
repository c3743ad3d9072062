"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from shopkeeper.app.sign_in import state_answers
from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.web.permit import public

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/healthz", dependencies=[public])
def healthz() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


@router.get("/readyz", dependencies=[public])
def readyz(request: Request) -> JSONResponse:
    """Ready, with the state of each thing it needs; 503 when one is missing."""
    shop = request.app.state.shop
    checks = {"lake": shop.lake.tables, "state": lambda: state_answers(shop)}
    found = {name: _try(check) for name, check in checks.items()}
    ready = all(state == "ok" for state in found.values())
    return JSONResponse({"ready": ready, "dependencies": found}, status_code=200 if ready else 503)


def _try(check: object) -> str:
    try:
        check()  # type: ignore[operator]
    except (ShopkeeperError, OSError) as error:
        return type(error).__name__
    return "ok"
