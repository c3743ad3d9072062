"""Campaigns: what they brought, and the plan of the next one."""

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from shopkeeper.app.pages.campaigns import campaign_results, export_list, plans
from shopkeeper.app.pages.reading import names_of, stands_at
from shopkeeper.web.permit import may
from shopkeeper.web.render import page
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_TENTH = 10


@router.get("/campaigns", dependencies=[may("campaigns.read")])
def campaigns_page(request: Request, _visitor: SignedIn) -> Response:
    """Every campaign with what it was worth, and the plans that wait."""
    shop = request.app.state.shop
    found = campaign_results(shop)
    ends = sorted(
        end for each in found if each.effect for end in (each.effect.low, each.effect.high) if end is not None
    )
    # A campaign of a dozen people has an interval that would squeeze all others: it runs over the edge instead.
    cut = len(ends) // _TENTH
    return page(
        request,
        "campaigns.html",
        found=found,
        plans=plans(shop),
        campaigns=names_of(shop, "campaign"),
        as_of=stands_at(shop, "effect"),
        lowest=min(ends[cut], 0.0) if ends else 0.0,
        highest=max(ends[-1 - cut], 0.0) if ends else 0.0,
    )


@router.get("/campaigns/{campaign_id}/plan.{ending}", dependencies=[may("campaigns.export")])
def campaign_plan(
    request: Request, visitor: SignedIn, campaign_id: str, ending: str, *, holdout: bool = False
) -> Response:
    """Whom to send which coupon, as CSV or Excel, those held out only if asked for; leaves an audit row."""
    state = request.app.state
    file = export_list(state.shop, campaign_id, ending, with_holdout=holdout, by=visitor.name, now=state.clock())
    name = f"plan-{campaign_id}.{ending}"
    return FileResponse(file, filename=name, background=BackgroundTask(file.unlink, missing_ok=True))
