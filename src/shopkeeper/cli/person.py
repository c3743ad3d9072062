"""`shopkeeper person`: one person."""

from typing import Any

import click
from rich.console import Console

from shopkeeper.app.pages.person import baskets, person_page
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import with_shop
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.schema.traits import GROUPS, TRAITS

__all__ = ["person_command"]


@click.group("person")
def person_command() -> None:
    """One person."""


@person_command.command("show")
@click.argument("person_id", metavar="ID")
@with_shop
def show(shop: Shop, person_id: str, *, as_json: bool) -> None:
    """What is known of a person: traits, segments, last baskets."""
    page = person_page(shop, person_id)
    last, _ = baskets(shop, person_id)
    document = {
        "person_id": page.person_id,
        "as_of": page.as_of,
        "records": page.records,
        "traits": dict(page.traits),
        "segments": [membership.segment for membership in page.segments],
        "baskets": last,
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
        shown = [(str(b.business_day), b.store_name or b.store_id, b.lines, b.paid) for b in last[:10]]
        console.print(rich_table("last baskets", ("day", "store", "lines", "paid"), shown))

    emit(document, as_json=as_json, render=render)


def _measured(shop: Shop, name: str, value: Any) -> tuple[Any, str]:
    """A trait's value with its unit as a person reads it: shares in per cent, money in the shop's currency."""
    unit = TRAITS[name].unit
    if unit == "share" and value is not None:
        return f"{value:.1%}", ""
    return value, shop.settings.chain.currency if unit == "currency" else unit or ""
