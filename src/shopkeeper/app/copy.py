"""A consistent copy of a shop while it runs, and a shop from a copy."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from shopkeeper.app.erased import Erased, erase_again
from shopkeeper.app.rekeyed_copy import Behind, behind_of
from shopkeeper.app.shop import Shop, now, open_shop
from shopkeeper.base.settings import FILE_NAME, read_settings
from shopkeeper.storage import backup as backups
from shopkeeper.storage.backup import Backup
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.state import State
from shopkeeper.storage.state.content import TableContent
from shopkeeper.storage.state.forget import forget_persons, persons_known
from shopkeeper.storage.state.identifiers import Identifiers

__all__ = ["Backup", "backup", "restore"]


def backup(shop: Shop, file: Path, *, with_keys: bool = False) -> Backup:
    """Copies lake, state, vault, settings and models into one file while the shop runs.

    Args:
        shop: The shop.
        file: The new file.
        with_keys: Also the keys: whoever has such a copy can read the vault, so keep keys apart where you can.
    """
    return backups.backup(
        file,
        lake=shop.lake,
        engine=shop.duckdb,
        now=now(shop),
        state=shop.state,
        vault=shop.vault,
        settings=shop.folder / FILE_NAME,
        models=shop.folder / "models",
        keys=shop.folder / "keys" if with_keys else None,
    )


def restore(file: Path, folder: Path, *, tombstones: Path | None = None) -> Backup:
    """Makes a shop in a new folder from a copy, after checking every part of it.

    Where the copy holds no keys, those in `folder/keys` or the environment serve once they are there.

    Args:
        file: The copy.
        folder: The new shop.
        tombstones: The `tombstones.log` of the shop the copy is of: whoever was erased since is taken out again before
            anything can be served. The keys must be in the copy or the environment then.

    A copy from before a rekey gets the tokens of now, where the newest keys are there; else `token rekey` does that.

    Raises:
        UsageError: Tombstones were named, and there are no keys to read them with; or the copy is of later keys.
        StorageError: The tombstones are of a later token key than those that are there.
    """
    erased: list[Erased] = []
    behind: list[Behind] = []

    def forget(lake: Lake, engine: DuckDBEngine) -> None:
        _close_to_others(folder / "keys")
        if (found := behind_of(folder)) is not None:
            found.catch_up(lake)
            behind.append(found)
        if tombstones is not None:
            shutil.copyfile(tombstones, folder / "tombstones.log")
            (folder / "tombstones.log").chmod(0o600)
            erased.append(erase_again(folder, lake, engine, country=read_settings(folder).chain.country))

    def make_state(copy: Path, contents: Mapping[str, TableContent]) -> None:
        url = read_settings(folder).storage.state_url or f"sqlite:///{folder.absolute() / 'state.db'}"
        State.restore(copy, url, contents)
        for each in behind:
            with State.open(url) as state:
                each.catch_up_state(state)
        for found in erased:
            with State.open(url) as state:
                _forget_map(state.identifiers, found)
                # It writes the file anew, so that nothing is left of either.
                forget_persons(state.database, found.persons(persons_known(state.database)))

    def open_lake(place: Path) -> Lake:
        storage = read_settings(folder).storage
        return Lake(place, storage.catalog_url or None, catalog_options=storage.catalog_options)

    done = backups.restore(file, folder, state=make_state, forget=forget, lake=open_lake)
    _close_to_others(folder / "keys")
    if (folder / "keys").exists() or "SHOPKEEPER_KEY_VAULT" in os.environ:
        with open_shop(folder) as shop:
            _ = shop.state, shop.vault
    return done


def _forget_map(identifiers: Identifiers, erased: Erased) -> None:
    moved = {move.record_id for move in identifiers.moves()}
    identifiers.forget(erased.tokens(identifiers.tokens()), erased.persons(moved))


def _close_to_others(keys: Path) -> None:
    if keys.exists():
        keys.chmod(0o700)
        for file in keys.iterdir():
            file.chmod(0o600)
