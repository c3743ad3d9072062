"""`shopkeeper person`: one person, erased and exported too."""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from shopkeeper.app.forget import WAIT, forget
from shopkeeper.app.pages.find import find_person, persons_of
from shopkeeper.app.pages.person import person_page
from shopkeeper.app.pages.timeline import Basket, Entry, Interaction, Redemption, Target, timeline
from shopkeeper.app.person_export import export_person
from shopkeeper.app.receipt import receipt_text
from shopkeeper.app.shop import Shop
from shopkeeper.app.traces import mark_of
from shopkeeper.cli.options import with_shop, working
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.cli.terminal import caller, note_view
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
    note_view(shop, "people.read", mark_of(shop, page.person_id))
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


@person_command.command("forget")
@click.argument("person_id", metavar="ID")
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=int(WAIT.total_seconds()),
    show_default=True,
    help="Seconds that older files stay for those who read them.",
)
@click.option("--yes", is_flag=True, help="Do not ask; there is no way back.")
@with_shop
def forget_person(shop: Shop, person_id: str, *, wait: int, yes: bool, as_json: bool) -> None:
    """Erase a person from every place, for good, and print the receipt; ID may be a customer id of one source."""
    person_id = _meant(shop, person_id)
    if not yes:
        click.confirm(f"erase {person_id} for good?", abort=True, err=True)
    with working("erase", quiet=as_json):
        receipt = forget(shop, person_id, by=caller(), wait=timedelta(seconds=wait))
    text = receipt_text(receipt, shop.settings.chain.language)
    emit(receipt.document(), as_json=as_json, render=lambda console: console.print(text, markup=False, highlight=False))


@person_command.command("export")
@click.argument("person_id", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@with_shop
def export(shop: Shop, person_id: str, file: Path | None, *, as_json: bool) -> None:
    """Write all that is held of a person into FILE, a zip that a person can read (person.zip by default)."""
    meant = _meant(shop, person_id)
    note_view(shop, "requests.manage", mark_of(shop, meant))
    with working("export", quiet=as_json):
        done = export_person(shop, meant, file or Path("person.zip"), by=caller())

    def render(console: Console) -> None:
        rows = sum(done.tables.values())
        console.print(f"{done.values} values, {rows:,} rows of {len(done.tables)} tables in [bold]{done.file}[/]")
        if done.not_reached:
            console.print(f"not read: {', '.join(done.not_reached)}")

    emit(asdict(done), as_json=as_json, render=render)


def _meant(shop: Shop, text: str) -> str:
    """The person that an id means: a customer id that only one person has will do."""
    return find_person(shop, text) if persons_of(shop, text) else text


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
