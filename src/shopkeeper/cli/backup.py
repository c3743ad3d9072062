"""`shopkeeper backup` and `shopkeeper restore`."""

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from shopkeeper.app.copy import backup, restore
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import common, with_shop, working
from shopkeeper.cli.output import emit

__all__ = ["backup_command", "restore_command"]


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--with-keys", is_flag=True, help="Also the keys; such a copy can be read by whoever has it.")
@with_shop
def backup_command(shop: Shop, file: Path, *, with_keys: bool, as_json: bool) -> None:
    """Write a consistent copy of the shop to FILE while it runs."""
    with working("copy", quiet=as_json):
        done = backup(shop, file, with_keys=with_keys)
    document = {
        "file": file,
        "taken_at": done.taken_at,
        "parts": len(done.parts),
        "keys": done.keys,
        "bytes": file.stat().st_size,
    }

    def render(console: Console) -> None:
        console.print(f"{len(done.parts)} parts, {file.stat().st_size / 1e6:,.1f} MB in [bold]{escape(str(file))}[/]")
        if not done.keys:
            console.print(f"the keys are not in it: keep {escape(str(shop.folder / 'keys'))} in another safe place")

    emit(document, as_json=as_json, render=render)


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--tombstones",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The tombstones.log of the shop the copy is of: who was erased since is taken out again.",
)
@common
def restore_command(file: Path, *, tombstones: Path | None, folder: Path, as_json: bool, debug: bool) -> None:
    """Make the shop named by --shop, in a new folder, from the backup FILE; every part is checked first."""
    del debug
    with working("check and lay down", quiet=as_json):
        done = restore(file, folder, tombstones=tombstones)
    document = {"shop": folder, "taken_at": done.taken_at, "parts": len(done.parts), "keys": done.keys}

    def render(console: Console) -> None:
        place = escape(str(folder))
        console.print(
            f"restored the shop as of {done.taken_at} into [bold]{place}[/], {len(done.parts)} parts, all hashes equal"
        )
        if not done.keys:
            console.print(f"next: put the keys into {place}/keys, then shopkeeper doctor --shop {place}")
        if tombstones is None:
            console.print(
                "no --tombstones were given: whoever was erased since the copy was taken is in the shop again"
            )

    emit(document, as_json=as_json, render=render)
