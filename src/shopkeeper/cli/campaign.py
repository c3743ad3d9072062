"""`shopkeeper campaign`: what campaigns brought, and the plan of the next one."""

from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from shopkeeper.app.engage import export_plan
from shopkeeper.app.pages.campaigns import CampaignResult, Effect, Plan, campaign_results, plans
from shopkeeper.app.report_words import words
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.table import show
from shopkeeper.cli.options import with_shop
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.cli.terminal import caller, note_view

__all__ = ["campaign_command"]


@click.group("campaign")
def campaign_command() -> None:
    """Campaigns: what they brought, and the plan of the next one."""


@campaign_command.command("list")
@with_shop
def list_(shop: Shop, *, as_json: bool) -> None:
    """What each campaign brought a targeted person, with its placebo and whether to believe it."""
    found, language = campaign_results(shop), shop.settings.chain.language
    keys = ("starts", "ends", "targeted", "response", "effect", "placebo", "verdict", "because")
    headings = ("", *(words(key, language) for key in keys))
    rows = [_row(each, language) for each in found]
    empty = "no campaigns yet; shopkeeper load campaign FILE"
    emit(
        [_document(each) for each in found],
        as_json=as_json,
        render=lambda console: console.print(rich_table(None, headings, rows) if rows else empty),
    )


@campaign_command.command("plan")
@click.option("-n", "people", type=click.IntRange(1, 10000), default=10, show_default=True, help="How many people.")
@with_shop
def plan(shop: Shop, *, people: int, as_json: bool) -> None:
    """Whom the next campaign offers which coupon, why, and how many are held out."""
    found = plans(shop)
    note_view(shop, "campaigns.export", "offer_plan", rows=people)
    best = show(shop, "offer_plan", people, by="is_holdout, expected_value DESC, person_id").to_pylist()
    language = shop.settings.chain.language
    emit(
        {"plans": [asdict(each) for each in found], "people": best},
        as_json=as_json,
        render=lambda console: _render(console, found, best, language),
    )


@campaign_command.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--campaign", metavar="ID", help="Only this campaign.")
@click.option("--with-holdout", is_flag=True, help="Also those held out, marked and without a coupon.")
@with_shop
def export(shop: Shop, file: Path, *, campaign: str | None, with_holdout: bool, as_json: bool) -> None:
    """Write whom to send which coupon to a file: .csv, .xlsx, .json or .parquet."""
    note_view(shop, "campaigns.export", campaign or "every campaign")
    rows = export_plan(shop, file, campaign, with_holdout=with_holdout, by=caller(), now=now(shop))
    emit({"rows": rows, "file": file}, as_json=as_json, render=lambda c: c.print(f"{rows:,} people in {file}"))


def _document(each: CampaignResult) -> dict[str, object]:
    effect = asdict(each.effect) | {"believed": each.effect.believed} if each.effect else None
    return asdict(each) | {"rate": each.rate, "effect": effect}


def _row(each: CampaignResult, language: str) -> tuple[object, ...]:
    rate = f"{each.rate:.1%}" if each.rate is not None else "–"
    named = each.name if each.name == each.campaign_id else f"{each.campaign_id} · {each.name}"
    start = (named, str(each.starts_on), str(each.ends_on or ""), each.targeted, rate)
    found = each.effect
    if found is None:
        return (*start, "–", "–", words("none", language), "")
    reason = found.reason_zh if language == "zh" else found.reason_en
    placebo = _span(found.placebo, found.placebo_low, found.placebo_high)
    return (*start, _effect(found), placebo, words(found.verdict, language), "" if found.believed else reason)


def _effect(found: Effect) -> str:
    return _span(found.value, found.low, found.high)


def _span(value: float | None, low: float | None, high: float | None) -> str:
    return "–" if value is None else f"{value:+,.2f} ({low:+,.2f} … {high:+,.2f})"


def _render(console: Console, found: tuple[Plan, ...], best: list[dict[str, object]], language: str) -> None:
    if not found:
        console.print("no campaign begins tomorrow or runs, or nobody could be scored; shopkeeper run plan says why")
        return
    headings = [words(key, language) for key in ("campaign", "as_of", "sent_an_offer", "held_out", "expected")]
    rows = [(each.campaign_id, str(each.as_of), each.people, each.held_out, each.expected_value) for each in found]
    console.print(rich_table(None, headings, rows))
    reason = "reason_zh" if language == "zh" else "reason"
    columns = ("person_id", "offer_id", "probability", "expected_value", reason)
    headings = [words(key, language) for key in ("person", "coupon", "probability", "expected", "because")]
    console.print(rich_table(None, headings, [tuple(row[name] for name in columns) for row in best]))
