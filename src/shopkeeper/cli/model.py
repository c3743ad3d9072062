"""`shopkeeper model`: cards and back-tests."""

from collections.abc import Mapping, Sequence
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
    rows = [
        (c["name"], c["version"], c["trained_until"], *(c["metrics"].get(m) for m in _SHOWN), c["stale_since"])
        for c in cards
    ]
    columns = ("model", "version", "trained until", *_SHOWN, "stale since")
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
    test, train = card["test"], card.get("train")
    console.print(f"[bold]{card['name']}[/] {card['version']}, trained until {card['trained_until']}")
    if train:
        console.print(f"learned from {train['rows']:,} rows from {train['from']} to {train['to']}")
    console.print(f"tested on {test['rows']:,} rows from {test['from']}, code {card['code_hash']}")
    intervals = card.get("intervals", {})
    rows = [("the model", *(_measured(card["metrics"].get(name), intervals.get(name)) for name in _SHOWN))]
    rows += [(name, *(_measured(found.get(each)) for each in _SHOWN)) for name, found in card["baselines"].items()]
    console.print(rich_table("measured, with 95 % intervals over households", ("", *_SHOWN), rows))
    tenths = [
        (place, each["people"], f"{each['predicted']:.1%}", f"{each['observed']:.1%}")
        for place, each in enumerate(card.get("calibration", ()), start=1)
    ]
    if tenths:
        console.print(rich_table("calibration", ("tenth", "rows", "said", "came"), tenths))
    for note in card.get("notes", {}).get(language, ()):
        console.print(f"  note: {note}", style="dim")


def _measured(value: float | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")
