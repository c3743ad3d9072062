"""Models: cards, and charts of how well they did on the time they had not seen."""

import math

from fastapi import APIRouter, Request, Response

from shopkeeper.app.pages.models import ModelPage, model_page, models
from shopkeeper.web.chart import Curve, XyChart
from shopkeeper.web.figures import Figures
from shopkeeper.web.language import N_
from shopkeeper.web.permit import may
from shopkeeper.web.render import Words, figures_of, page, words_of
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

METRICS = {
    "auc": (
        N_("AUC"),
        N_("Chance that a responder ranks above one who did not respond: 0.5 is guessing, 1 is perfect."),
    ),
    "average_precision": (
        N_("Average precision"),
        N_("Mean share of responders among those ranked at least as high as each responder."),
    ),
    "top_tenth_rate": (N_("Best tenth"), N_("Share of the best-ranked tenth that responded.")),
    "brier": (N_("Brier score"), N_("Mean squared difference of probability and outcome: lower is better.")),
    "ece": (
        N_("Calibration error"),
        N_("Mean distance of what was said from what came, over ten groups: lower is better."),
    ),
}
"""What each metric is called and means."""

BASELINES = {
    "base rate": N_("Base rate (guessing)"),
    "recency, frequency, monetary": N_("Recency, frequency, monetary"),
    "past redemptions": N_("Past redemptions"),
}
"""What each baseline is called."""

_GUESSING = "base rate"


@router.get("/models", dependencies=[may("models.read")])
def models_page(request: Request, _visitor: SignedIn) -> Response:
    """Every model with its headline figures."""
    return page(request, "models.html", found=models(request.app.state.shop), metrics=METRICS, baselines=BASELINES)


@router.get("/models/{name}", dependencies=[may("models.read")])
def model(request: Request, _visitor: SignedIn, name: str, version: str | None = None) -> Response:
    """One model's card."""
    found = model_page(request.app.state.shop, name, version)
    figures, words = figures_of(request), words_of(request)
    notes = found.card.get("notes", {})
    return page(
        request,
        "model.html",
        found=found,
        metrics=METRICS,
        baselines=BASELINES,
        notes=notes.get(figures.language, ()) if isinstance(notes, dict) else notes,
        calibration=_calibration_chart(found, figures, words) if found.calibration else None,
        gain=_gain_chart(found, figures, words) if found.gain else None,
    )


def _calibration_chart(found: ModelPage, figures: Figures, words: Words) -> XyChart:
    _ = words
    rows = found.calibration
    most = _round_up(max(max(row.predicted, row.high) for row in rows))
    return XyChart(
        "calibration",
        _("What was said and what came"),
        _("Probability said"),
        _("Share that responded"),
        [
            Curve(
                _("The model"),
                [(row.predicted, row.observed) for row in rows],
                dots=True,
                low=[row.low for row in rows],
                high=[row.high for row in rows],
            ),
            Curve(_("Perfect"), [(0.0, 0.0), (most, most)], colour=6, dashed=True),
        ],
        [_("Tenth"), _("People"), _("Said"), _("Came"), _("%(level)s interval") % {"level": "95%"}],
        [
            [
                figures.number(place),
                figures.number(row.people),
                figures.share(row.predicted),
                figures.share(row.observed),
                f"{figures.share(row.low)} – {figures.share(row.high)}",
            ]
            for place, row in enumerate(rows, start=1)
        ],
        x_most=most,
        y_most=most,
    )


def _round_up(share: float) -> float:
    """Where an axis of shares ends, on a line of its grid."""
    steps = next(steps for steps, from_ in ((10, 0.3), (20, 0.1), (100, 0.0)) if share >= from_)
    return min(1.0, math.ceil(share * steps) / steps)


def _gain_chart(found: ModelPage, figures: Figures, words: Words) -> XyChart:
    """The model, then the baselines, best first; guessing is the straight line, also for a card that has no points."""
    _ = words
    shares = [share for share, _captured in found.gain]
    ranked = sorted(
        ((name, points) for name, points in found.baseline_gain.items() if name != _GUESSING),
        key=lambda baseline: -sum(captured for _share, captured in baseline[1]),
    )
    curves = [
        Curve(_("The model"), found.gain),
        *(
            Curve(_(BASELINES.get(name, name)), points, colour=place)
            for place, (name, points) in enumerate(ranked, start=2)
        ),
        Curve(_(BASELINES[_GUESSING]), [(share, share) for share in shares], colour=6, dashed=True),
    ]
    return XyChart(
        "gain",
        _("Responders found, best people first"),
        _("Share of people reached"),
        _("Share of responders found"),
        curves,
        [_("People reached"), *(curve.name for curve in curves)],
        [
            [figures.share(share, 0), *(figures.share(curve.points[place][1]) for curve in curves)]
            for place, share in enumerate(shares)
        ],
    )
