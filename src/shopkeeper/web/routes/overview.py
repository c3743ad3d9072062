"""The overview: the wheel, four weeks of trade, stages, campaigns, what to do next."""

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from shopkeeper.app.pages.overview import Week, overview, weeks
from shopkeeper.app.report import Report, report
from shopkeeper.app.report_words import next_sentence
from shopkeeper.web.chart import Chart, Series
from shopkeeper.web.figures import Figures
from shopkeeper.web.permit import may
from shopkeeper.web.render import Words, figures_of, page, words_of
from shopkeeper.web.signed_in import SignedIn

__all__ = ["WHERE", "next_steps", "router", "weeks_chart"]

router = APIRouter(include_in_schema=False)

WHERE = {
    "late_stores": "/report",
    "fell": "/report",
    "win_back": "/segments/sleeping_but_valuable",
    "send_plan": "/campaigns",
    "all_well": "/people",
}
"""Where each thing to do next leads."""


@router.get("/", dependencies=[may("overview.read")])
def overview_page(request: Request, _visitor: SignedIn) -> Response:
    """The overview; what takes longer comes by itself, so that the page need not wait for it."""
    return page(request, "overview.html", found=overview(request.app.state.shop))


@router.get("/overview/next", dependencies=[may("overview.read")])
def overview_next(request: Request, _visitor: SignedIn) -> Response:
    """What to do next, as in the morning report."""
    return page(request, "next_steps.html", steps=next_steps(report(request.app.state.shop), figures_of(request)))


def next_steps(found: Report, figures: Figures) -> list[dict[str, str]]:
    """What to do next: a sentence and where it leads."""
    steps = []
    for step in found.next:
        place = step.get("place", "")
        sentence = next_sentence(step, figures.currency, figures.language, figures.short_money)
        where = WHERE.get(step["key"], step["where"])
        if step["key"] == "fell" and place in found.names:
            where = f"/report?{urlencode({'level': place, 'as_of': found.morning.as_of.isoformat()})}"
        elif step["key"] == "win_back" and "sleeping_but_valuable" not in found.names:
            where = "/people?stage=sleeping"
        steps.append({"sentence": sentence, "where": where})
    return steps


@router.get("/overview/weeks", dependencies=[may("overview.read")])
def overview_weeks(request: Request, _visitor: SignedIn) -> Response:
    """Money by week, as a chart with its table."""
    found = weeks(request.app.state.shop)
    chart = weeks_chart(found, figures_of(request), words_of(request)) if found else None
    return page(request, "overview_weeks.html", chart=chart, partial=any(not week.whole for week in found))


def weeks_chart(found: tuple[Week, ...], figures: Figures, words: Words) -> Chart:
    """Sales by week, of members and of tickets without a member."""
    _ = words
    others = [week.sales - week.member_sales for week in found]
    series = [
        Series(
            _("Members"),
            [week.member_sales for week in found],
            [figures.money(week.member_sales, 0) for week in found],
        )
    ]
    if any(amount > 0 for amount in others):
        written = [figures.money(amount, 0) for amount in others]
        series.append(Series(_("Tickets without a member"), others, written, colour=2))
    return Chart(
        "weeks",
        _("Net sales by week"),
        _("Week from"),
        [figures.short_day(week.monday) for week in found],
        series,
        unit="currency",
        currency=figures.currency,
        stacked=True,
        whole=[week.whole for week in found],
    )
