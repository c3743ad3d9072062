"""`shopkeeper cuts`: the cut-points of lifecycle and RFM, their versions, and whom others would move."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from shopkeeper.app.cuts import KINDS, CutVersion, go_back, newest, save_cuts, versions
from shopkeeper.app.pages.lifecycle import Moves, moves
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import UsageError
from shopkeeper.cli.options import with_shop
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.cli.terminal import caller

__all__ = ["cuts_command"]

_kind = click.argument("kind", type=click.Choice(list(KINDS)))


@click.group("cuts")
def cuts_command() -> None:
    """The cut-points of lifecycle and RFM; `run` uses the newest version."""


@cuts_command.command("show")
@_kind
@with_shop
def show(shop: Shop, kind: str, *, as_json: bool) -> None:
    """The cut-points that the next run uses."""
    found = newest(shop, kind)
    values = found.settings.model_dump()
    rows = [(name, _written(value), form.description) for (name, value), form in _beside(found, values)]
    title = f"{kind}, version {found.number}, set by {found.set_by}"
    shown = rich_table(title, ("cut-point", "value", "meaning"), rows)
    emit(_document(found), as_json=as_json, render=lambda console: console.print(shown))


@cuts_command.command("list")
@_kind
@with_shop
def list_(shop: Shop, kind: str, *, as_json: bool) -> None:
    """Every version, newest first: who set it, when, and what it was before."""
    found = versions(shop, kind)
    rows = [(each.number, each.set_by, each.set_at, "; ".join(_changes(each)), each.label) for each in found]
    columns = ("version", "set by", "at", "changed", "label in the rows")
    shown = rich_table(None, columns, rows)
    emit([_document(each) for each in found], as_json=as_json, render=lambda console: console.print(shown))


@cuts_command.command("set")
@_kind
@click.argument("values", nargs=-1, required=True, metavar="NAME=VALUE…")
@click.option("--dry-run", is_flag=True, help="Only say how many people would move.")
@with_shop
def set_(shop: Shop, kind: str, values: tuple[str, ...], *, dry_run: bool, as_json: bool) -> None:
    """Set cut-points as the next version, such as sleeping_days=60 or recency_cuts=7,30,60,120."""
    given = dict(_pairs(values))
    if dry_run:
        found = moves(shop, kind, newest(shop, kind).settings.model_dump() | given)
        emit(asdict(found), as_json=as_json, render=lambda console: _print_moves(console, found))
        return
    _saved(save_cuts(shop, kind, given, by=caller(), now=now(shop)), as_json=as_json)


@cuts_command.command("back")
@_kind
@click.argument("version", type=int)
@with_shop
def back(shop: Shop, kind: str, version: int, *, as_json: bool) -> None:
    """Set the cut-points of an earlier VERSION again, as the next version."""
    _saved(go_back(shop, kind, version, by=caller(), now=now(shop)), as_json=as_json)


def _saved(found: CutVersion, *, as_json: bool) -> None:
    text = f"{found.kind} is at version {found.number}: {'; '.join(_changes(found)) or 'nothing changed'}"
    emit(_document(found), as_json=as_json, render=lambda c: c.print(f"{text}\nshopkeeper run computes with it"))


def _pairs(values: tuple[str, ...]) -> Iterable[tuple[str, str | list[str]]]:
    for value in values:
        name, equals, text = value.partition("=")
        if not equals:
            raise UsageError(f"'{value}' sets nothing", next_step="write NAME=VALUE, such as sleeping_days=60")
        yield name, text.split(",") if "," in text else text


def _beside(found: CutVersion, values: dict[str, Any]) -> Iterable[tuple[tuple[str, Any], Any]]:
    return zip(values.items(), type(found.settings).model_fields.values(), strict=True)


def _changes(found: CutVersion) -> list[str]:
    return [f"{name} {_written(before)} → {_written(since)}" for name, (before, since) in found.changed.items()]


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"


def _document(found: CutVersion) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "version": found.number,
        "label": found.label,
        "set_by": found.set_by,
        "set_at": found.set_at,
        "values": found.settings.model_dump(),
        "changed": {name: {"before": before, "since": since} for name, (before, since) in found.changed.items()},
    }


def _print_moves(console: Console, found: Moves) -> None:
    console.print(f"[bold]{found.moved:,}[/] of {found.people:,} people would move, as of {found.as_of}")
    for each in found.traits:
        rows = [("unknown" if value is None else str(value), was, will_be) for value, was, will_be in each.values]
        console.print(rich_table(f"{each.trait}: {each.moved:,} move", ("value", "people now", "then"), rows))
