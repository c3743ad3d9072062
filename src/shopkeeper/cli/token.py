"""`shopkeeper token`: the key of the tokens."""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from shopkeeper.app.log import configure_log
from shopkeeper.app.rekey import name_now, rekey, wants
from shopkeeper.app.rekey_words import asked_text, receipt_text
from shopkeeper.app.shop import Shop
from shopkeeper.base.settings import read_settings
from shopkeeper.cli.options import common, progress_bar, with_shop
from shopkeeper.cli.output import emit
from shopkeeper.cli.terminal import caller

__all__ = ["token_command"]


@click.group("token")
def token_command() -> None:
    """The key of the tokens: change it, off-line; what persons are called since."""


@token_command.command("rekey")
@click.option("--yes", is_flag=True, help="Do not ask; there is no way back.")
@common
def rekey_command(*, folder: Path, yes: bool, as_json: bool, debug: bool) -> None:
    """Put a new token key into use and give every token in the shop its new form; nothing else may use the shop.

    What was stopped goes on when the same is typed again; until then nobody opens the shop. Ids of persons that are
    made of a token change with it, and so do the secrets of web hooks in.
    """
    del debug
    settings = read_settings(folder)
    configure_log(settings.log)
    language = settings.chain.language
    if not yes:
        click.confirm(asked_text(wants(folder), language), abort=True, err=True)
    with progress_bar(quiet=as_json) as tell:
        done = rekey(folder, by=caller(), tell=tell)
    text = receipt_text(done, language)
    emit(asdict(done), as_json=as_json, render=lambda console: console.print(text, markup=False, highlight=False))


@token_command.command("now")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--ago", type=click.IntRange(min=0), default=1, show_default=True, help="Before how many rekeys.")
@with_shop
def now_command(shop: Shop, ids: tuple[str, ...], *, ago: int, as_json: bool) -> None:
    """What persons are called now whose IDs were written down before a rekey; "-" reads them from standard input."""
    given = [line.strip() for line in sys.stdin if line.strip()] if ids == ("-",) else list(ids)
    named = name_now(shop, given, rekeys_ago=ago)
    emit(
        [{"id": before, "now": after} for before, after in zip(given, named, strict=True)],
        as_json=as_json,
        render=lambda console: console.print("\n".join(named), markup=False, highlight=False),
    )
