"""Sources: what each brings by the hour, and what of it still waits."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from shopkeeper.app.pages.sources import HourRow, sources, waits
from shopkeeper.web.chart import Chart, Series
from shopkeeper.web.figures import Figures
from shopkeeper.web.permit import may
from shopkeeper.web.render import Words, figures_of, page, words_of
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False, prefix="/sources")
_HOURS = {"1": 24, "7": 168}


@router.get("", dependencies=[may("data.read")])
def sources_page(
    request: Request,
    _visitor: SignedIn,
    days: Literal["1", "7"] = "1",
    source: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Every source with what it brought in the last day or week, by the hour."""
    shop = request.app.state.shop
    found = sources(shop, hours=_HOURS[days], chosen=source or None)
    chart = _chart(found.hours, figures_of(request), words_of(request), with_day=days != "1")
    return page(
        request,
        "sources.html",
        found=found,
        waits=waits(shop),
        days=days,
        chart=chart,
        has_traffic=any(hour.tally.received for hour in found.hours),
        load_seconds=shop.settings.collect.load_seconds,
        host=str(request.base_url).rstrip("/"),
    )


@router.get("/waiting", dependencies=[may("data.read")])
def sources_waiting(request: Request, _visitor: SignedIn) -> Response:
    """How far the readers of the log have come, anew."""
    shop = request.app.state.shop
    return page(
        request,
        "sources_waiting.html",
        waits=waits(shop),
        as_of=request.app.state.clock(),
        load_seconds=shop.settings.collect.load_seconds,
    )


def _chart(hours: tuple[HourRow, ...], figures: Figures, words: Words, *, with_day: bool) -> Chart:
    _ = words
    tallies = [hour.tally for hour in hours]

    def series(name: str, values: list[int], colour: int) -> Series:
        return Series(name, values, [figures.number(value) for value in values], colour)

    return Chart(
        "traffic",
        _("Events received by the hour"),
        _("Hour"),
        [figures.hour(hour.begins_at, with_day=with_day) for hour in hours],
        [
            series(_("Accepted"), [each.accepted for each in tallies], 1),
            series(_("Duplicate"), [each.duplicate for each in tallies], 6),
            series(_("Refused"), [each.refused for each in tallies], 4),
        ],
        stacked=True,
        whole=[hour.is_over for hour in hours],
    )
