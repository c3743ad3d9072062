"""`shopkeeper segment`: audiences from the terminal."""

from dataclasses import asdict
from pathlib import Path

import click

from shopkeeper.app import segment as segments
from shopkeeper.app.pages.segments import go_back, segment_versions
from shopkeeper.app.pages.segments import segments as every_segment
from shopkeeper.app.shop import Shop, now
from shopkeeper.cli.options import with_shop, working
from shopkeeper.cli.output import emit, print_rows, rich_table
from shopkeeper.cli.terminal import caller, note_view

__all__ = ["segment_command"]


@click.group("segment")
def segment_command() -> None:
    """Audiences: a saved segment's NAME, a FILE (JSON or one line), or the rule itself in quotes."""


@segment_command.command("list")
@with_shop
def list_(shop: Shop, *, as_json: bool) -> None:
    """The saved segments, their sizes and rules."""
    chinese = shop.settings.chain.language == "zh"
    document = [
        {
            "name": row.name,
            "version": row.version,
            "label_en": row.label_en,
            "label_zh": row.label_zh,
            "people": row.people,
            "rule": row.chinese if chinese else row.english,
        }
        for row in every_segment(shop)
    ]
    called = "label_zh" if chinese else "label_en"
    rows = [tuple(each[key] for key in ("name", called, "people", "rule")) for each in document]
    columns = ("name", "called", "people", "rule")
    emit(document, as_json=as_json, render=lambda console: console.print(rich_table(None, columns, rows)))


@segment_command.command("create")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_shop
def create(shop: Shop, file: Path, *, as_json: bool) -> None:
    """Save a segment from a JSON FILE: name, label_en, label_zh, audience."""
    saved = segments.create(shop, file, by=caller())
    shown = f"saved [bold]{saved.name}[/], version {saved.version}; shopkeeper run segments computes who is in it"
    emit({"name": saved.name, "version": saved.version}, as_json=as_json, render=lambda c: c.print(shown))


@segment_command.command("versions")
@click.argument("name")
@with_shop
def versions(shop: Shop, name: str, *, as_json: bool) -> None:
    """Every version of a segment, newest first: who saved it, when, and its rule."""
    language = shop.settings.chain.language
    found = [
        (each.saved.version, each.saved.created_by, each.saved.created_at, each.rule(language))
        for each in segment_versions(shop, name)
    ]
    columns = ("version", "saved_by", "saved_at", "rule")
    document = [dict(zip(columns, row, strict=True)) for row in found]
    emit(document, as_json=as_json, render=lambda console: console.print(rich_table(name, columns, found)))


@segment_command.command("back")
@click.argument("name")
@click.argument("version", type=int)
@with_shop
def back(shop: Shop, name: str, version: int, *, as_json: bool) -> None:
    """Save an earlier VERSION of a segment as the next one."""
    saved = go_back(shop, name, version, by=caller(), now=now(shop))
    shown = f"[bold]{saved.name}[/] is at version {saved.version}; shopkeeper run segments computes who is in it"
    emit({"name": saved.name, "version": saved.version}, as_json=as_json, render=lambda c: c.print(shown))


@segment_command.command("count")
@click.argument("audience", metavar="NAME-OR-FILE")
@with_shop
def count(shop: Shop, audience: str, *, as_json: bool) -> None:
    """Count an audience."""
    tree, _ = segments.read_audience(shop, audience)
    with working("count", quiet=as_json):
        found = segments.count(shop, tree)
    rule = segments.say(shop, tree, shop.settings.chain.language)
    share = found.count / found.of if found.of else 0.0
    size = f"[bold]{found.count:,}[/] of {found.of:,} people ({share:.1%})"
    shown = f"{rule}\n{size}, as of {found.as_of}, {found.seconds:.2f} s"
    emit(asdict(found) | {"rule": rule}, as_json=as_json, render=lambda console: console.print(shown))


@segment_command.command("members")
@click.argument("audience", metavar="NAME-OR-FILE")
@with_shop
def members(shop: Shop, audience: str, *, as_json: bool) -> None:
    """The people of an audience."""
    tree, called = segments.read_audience(shop, audience)
    note_view(shop, "segments.export", called)
    with working("members", quiet=as_json):
        found = segments.members(shop, tree)["person_id"].to_pylist()
    rows = [(person,) for person in found[:50]]
    document = {"count": len(found), "members": found}
    emit(document, as_json=as_json, render=lambda c: print_rows(c, f"{len(found):,} people", ["person_id"], rows))


@segment_command.command("export")
@click.argument("audience", metavar="NAME")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_shop
def export(shop: Shop, audience: str, file: Path, *, as_json: bool) -> None:
    """Write the people of an audience to a file: .csv, .xlsx, .json or .parquet."""
    tree, called = segments.read_audience(shop, audience)
    note_view(shop, "segments.export", called)
    with working("export", quiet=as_json):
        rows = segments.export(shop, tree, file, audience, by=caller())
    emit({"rows": rows, "file": file}, as_json=as_json, render=lambda c: c.print(f"{rows:,} people in {file}"))
