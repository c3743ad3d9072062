"""`shopkeeper model`: cards and back-tests."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import click
from rich.console import Console

from shopkeeper.app import model as models
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import day_option, with_shop, working
from shopkeeper.cli.output import emit, rich_table

__all__ = ["model_command"]

_SHOWN = ("auc", "average_precision", "top_tenth_rate", "brier")


@click.group("model")
def model_command() -> None:
    """Models and how well they did on time they had not seen."""


@model_command.command("list")
@with_shop
def list_(shop: Shop, *, as_json: bool) -> None:
    """The models of the shop."""
    cards = models.list_models(shop)
    rows = [(c["name"], c["version"], c["trained_until"], *(c["metrics"].get(m) for m in _SHOWN)) for c in cards]
    columns = ("model", "version", "trained until", *_SHOWN)
    empty = "no model yet; shopkeeper run makes them"
    emit(cards, as_json=as_json, render=lambda c: c.print(rich_table(None, columns, rows) if rows else empty))


@model_command.command("show")
@click.argument("name")
@with_shop
def show(shop: Shop, name: str, *, as_json: bool) -> None:
    """The newest card of a model."""
    card = models.card(shop, name)
    emit(card, as_json=as_json, render=lambda console: _render(console, card, shop.settings.chain.language))


@model_command.command("backtest")
@click.argument("name")
@day_option("--as-of", "The last day that is known; the last with data by default.")
@with_shop
def backtest(shop: Shop, name: str, *, as_of: date | None, as_json: bool) -> None:
    """Measure a model again and renew its card."""
    with working(f"back-test of {name}", quiet=as_json):
        card = models.backtest(shop, name, as_of)
    emit(card, as_json=as_json, render=lambda console: _render(console, card, shop.settings.chain.language))


def _render(console: Console, card: Mapping[str, Any], language: str) -> None:
    test = card["test"]
    console.print(f"[bold]{card['name']}[/] {card['version']}, trained until {card['trained_until']}")
    console.print(f"tested on {test['rows']:,} rows from {test['from']}, code {card['code_hash']}")
    rows = [("the model", *(card["metrics"].get(metric) for metric in _SHOWN))]
    rows += [(name, *(found.get(metric) for metric in _SHOWN)) for name, found in card["baselines"].items()]
    console.print(rich_table("measured", ("", *_SHOWN), rows))
    for metric, (low, high) in card.get("intervals", {}).items():
        console.print(f"  {metric}: 95 % interval {low:.3f} to {high:.3f}")
    for note in card.get("notes", {}).get(language, ()):
        console.print(f"  note: {note}", style="dim")
