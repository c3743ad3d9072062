"""`shopkeeper person`: one person."""

from typing import Any

import click
from rich.console import Console

from shopkeeper.app.pages.find import find_person
from shopkeeper.app.pages.person import person_page
from shopkeeper.app.pages.timeline import Basket, Entry, Interaction, Redemption, Target, timeline
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import with_shop
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.schema.traits import GROUPS, TRAITS

__all__ = ["person_command"]

_TOLD = 10


@click.group("person")
def person_command() -> None:
    """One person."""


@person_command.command("show")
@click.argument("person_id", metavar="ID")
@with_shop
def show(shop: Shop, person_id: str, *, as_json: bool) -> None:
    """What is known of a person: traits, segments, what happened last; ID may be a customer id of one source."""
    page = person_page(shop, find_person(shop, person_id))
    last = timeline(shop, page.person_id).entries
    document = {
        "person_id": page.person_id,
        "as_of": page.as_of,
        "records": page.records,
        "traits": dict(page.traits),
        "segments": [membership.segment for membership in page.segments],
        "timeline": last,
    }
    chinese = shop.settings.chain.language == "zh"

    def render(console: Console) -> None:
        console.print(f"[bold]{page.person_id}[/] as of {page.as_of}")
        for group, names in page.by_group().items():
            rows = [
                (TRAITS[n].label_chinese if chinese else TRAITS[n].label_english, *_measured(shop, n, page.traits[n]))
                for n in names
            ]
            console.print(rich_table(GROUPS[group][1 if chinese else 0], ("trait", "value", "unit"), rows))
        if page.segments:
            console.print(f"segments: {', '.join(membership.segment for membership in page.segments)}")
        console.print(rich_table("what happened last", ("day", "what", "", "paid"), [_told(e) for e in last[:_TOLD]]))

    emit(document, as_json=as_json, render=render)


def _told(entry: Entry) -> tuple[Any, ...]:
    """One row of the timeline: day, what happened, about what, and what was paid."""
    day = str(entry.day)
    if isinstance(entry, Basket):
        return day, "basket" if entry.lines else "return", entry.store_name or entry.store_id, entry.paid
    if isinstance(entry, Interaction):
        return day, entry.what, entry.text, None
    campaign = entry.campaign_name or entry.campaign_id
    if isinstance(entry, Redemption):
        return day, "redeemed", f"{campaign or ''} {', '.join(entry.offers)}".strip(), None
    if isinstance(entry, Target):
        return day, "chosen for campaign", campaign, None
    return day, entry.what, campaign, None


def _measured(shop: Shop, name: str, value: Any) -> tuple[Any, str]:
    """A trait's value with its unit as a person reads it: shares in per cent, money in the shop's currency."""
    unit = TRAITS[name].unit
    if unit == "share" and value is not None:
        return f"{value:.1%}", ""
    return value, shop.settings.chain.currency if unit == "currency" else unit or ""
