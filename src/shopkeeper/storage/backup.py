"""A copy of a whole shop at one instant, taken while others write, and the way back.

The copy is one uncompressed tar. Its last parts are `manifest.json`, which has the SHA-256 of every other part and the
content of every table, and the SHA-256 of that. The keys are left out unless they are asked for: whoever has both the
copy and the keys reads everything.
"""

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

import duckdb

from shopkeeper.base.errors import AlreadyThereError, MissingError, StorageError
from shopkeeper.storage.content import Content, content
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.lake import Lake, LostFileError, Scan, Snapshot
from shopkeeper.storage.parquet import sync_file, sync_folder
from shopkeeper.storage.state.content import TableContent

__all__ = ["EMPTYING", "Backup", "Stored", "backup", "is_unfinished", "read_manifest", "restore"]

_MANIFEST, _SEAL = "manifest.json", "manifest.json.sha256"
_RESTORING = ".restoring"
_TRIES = 5
_CHUNK = 1024 * 1024
EMPTYING = (
    "drop the tables of its namespace shop; in a database, DELETE FROM iceberg_tables WHERE catalog_name = 'shop'"
)
"""How the catalog elsewhere is emptied that a killed restore left full."""

Restorer = Callable[[Path, Mapping[str, TableContent]], None]


class Stored(Protocol):
    """A store that copies itself into one file while others write (`State`, `Vault`)."""

    def backup(self, file: Path) -> Mapping[str, TableContent]:
        """Writes the file and gives the content of each table."""
        ...


@dataclass(frozen=True, slots=True)
class Backup:
    """What a copy holds.

    Args:
        taken_at: When it was taken.
        exact: Whether nothing was committed to the lake while the state and the vault were copied; if not, the lake is
            a little newer than the state and a little older than the vault, which loads and runs put right.
        duckdb: Version of DuckDB that computed the contents.
        parts: Size and SHA-256 of each part by name.
        tables: Of each table its content, what its last writer noted, its snapshot's id, its files and its definition.
        stores: Content of each table of the state and the vault.
        keys: Whether the keys are in it.
    """

    taken_at: str
    exact: bool
    duckdb: str
    parts: Mapping[str, tuple[int, str]]
    tables: Mapping[str, Mapping[str, Any]]
    stores: Mapping[str, Mapping[str, Mapping[str, Any]]]
    keys: bool

    @property
    def bytes(self) -> int:
        """Size of all parts together."""
        return sum(size for size, _ in self.parts.values())


@dataclass(slots=True)
class _Writer:
    """Adds parts to a tar and remembers their hashes."""

    archive: tarfile.TarFile
    parts: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, name: str, file: Path) -> None:
        try:
            with file.open("rb") as source:
                info = self.archive.gettarinfo(name, name, source)
                info.uid = info.gid = 0
                info.uname = info.gname = ""
                hashing = _Hashing(source)
                self.archive.addfile(info, hashing)
        except FileNotFoundError as error:
            raise LostFileError(f"part {name} went while it was copied", place=str(file)) from error
        self.parts[name] = (info.size, hashing.digest.hexdigest())

    def add_text(self, name: str, text: str) -> str:
        data = text.encode()
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self.archive.addfile(info, io.BytesIO(data))
        return hashlib.sha256(data).hexdigest()


class _Hashing(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def backup(
    file: Path,
    *,
    lake: Lake,
    engine: DuckDBEngine,
    now: datetime,
    state: Stored | None = None,
    vault: Stored | None = None,
    settings: Path | None = None,
    models: Path | None = None,
    keys: Path | None = None,
) -> Backup:
    """Copies a shop into one file; it is there whole or not at all.

    Args:
        file: The new file.
        lake: All tables of one instant are copied.
        engine: Computes the contents.
        now: The present instant.
        state: Copied before the lake, so that it never claims what the lake does not have.
        vault: Copied after the lake, so that it has every identifier the lake has a token of.
        settings: `shopkeeper.toml`.
        models: The folder of model files.
        keys: The folder of keys; left out by default, keep them elsewhere.

    Raises:
        AlreadyThereError: The file is there.
        StorageError: It could not be written, or the tables changed faster than they could be copied.
    """
    if file.exists():
        raise AlreadyThereError("there is such a file", place=str(file), next_step="give another name")
    for attempt in range(_TRIES):
        beside = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            with ExitStack() as stack:
                archive = stack.enter_context(tarfile.open(beside, "w", format=tarfile.PAX_FORMAT))
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".backup-", dir=lake.location)))
                done = _fill(_Writer(archive), folder, lake, engine, now, (state, vault), (settings, models, keys))
            sync_file(beside)
            beside.rename(file)
            sync_folder(file.absolute().parent)
        except LostFileError:
            # The states that were being copied expired, or a model was removed: the present ones are copied instead.
            if attempt == _TRIES - 1:
                raise
        except OSError as error:
            raise StorageError(f"the backup could not be written: {error}", place=str(file)) from error
        else:
            return done
        finally:
            beside.unlink(missing_ok=True)
    raise AssertionError("unreachable")


def _fill(
    writer: _Writer,
    folder: Path,
    lake: Lake,
    engine: DuckDBEngine,
    now: datetime,
    stores: tuple[Stored | None, Stored | None],
    places: tuple[Path | None, Path | None, Path | None],
) -> Backup:
    (state, vault), (settings, models, keys) = stores, places
    contents: dict[str, Any] = {}
    before = lake.point()
    if state is not None:
        contents["state"] = {name: asdict(each) for name, each in state.backup(folder / "state.db").items()}
        writer.add("state.db", folder / "state.db")
    point = lake.point()
    if vault is not None:
        contents["vault"] = {name: asdict(each) for name, each in vault.backup(folder / "vault.db").items()}
        writer.add("vault.db", folder / "vault.db")
    exact = before == lake.point()
    # Planned at once: the loader's states go within minutes, and their files stay for a day.
    planned = {name: _planned(lake, name, snapshot) for name, snapshot in sorted(point.items())}
    tables = {name: _table(writer, lake, engine, name, *plan) for name, plan in planned.items()}
    if settings is not None:
        writer.add(settings.name, settings)
    for label, place in (("models", models), ("keys", keys)):
        for path in sorted(place.rglob("*")) if place is not None else ():
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(place or path).parts):
                writer.add(f"{label}/{path.relative_to(place or path)}", path)
    done = Backup(now.isoformat(), exact, duckdb.__version__, writer.parts, tables, contents, keys is not None)
    seal = writer.add_text(_MANIFEST, json.dumps(asdict(done), ensure_ascii=False, sort_keys=True))
    writer.add_text(_SEAL, seal)
    return done


def _planned(lake: Lake, name: str, snapshot: int) -> tuple[Snapshot, Scan]:
    noted = {each.id: each for each in lake.history(name)}.get(snapshot)
    if noted is None:
        raise LostFileError(f"a state of table {name} expired while it was copied")
    scan = lake.scan(name, snapshot=snapshot)
    if scan.rows is not None:
        raise StorageError(
            f"table {name} has deletes of a foreign writer, which a copy of its files would forget",
            next_step=f"let that writer rewrite the files of {name}",
        )
    return noted, scan


def _table(writer: _Writer, lake: Lake, engine: DuckDBEngine, name: str, noted: Snapshot, scan: Scan) -> dict[str, Any]:
    for file in scan.files:
        writer.add(f"lake/{name}/{Path(file).name}", Path(file))
    return {
        **asdict(content(lake, engine, name, scan)),
        "snapshot": noted.id,
        "committed_at": noted.committed_at.isoformat(),
        "properties": dict(noted.properties),
        "files": [Path(file).name for file in scan.files],
        "definition": lake.definition(name),
    }


def read_manifest(file: Path) -> Backup:
    """Reads what a copy says it holds, and checks that nobody changed that.

    Raises:
        MissingError: There is no such file.
        StorageError: It is no backup, or damaged.
    """
    if not file.is_file():
        raise MissingError("there is no such backup", place=str(file), next_step="shopkeeper backup FILE")
    with _opened(file) as archive:
        text, seal = (_content(archive, name) for name in (_MANIFEST, _SEAL))
        if hashlib.sha256(text).hexdigest() != seal.decode(errors="replace"):
            raise _damaged(file, _MANIFEST)
        described = json.loads(text)
    described["parts"] = {name: tuple(part) for name, part in described["parts"].items()}
    return Backup(**described)


def restore(
    file: Path,
    folder: Path,
    *,
    state: Restorer | None = None,
    vault: Restorer | None = None,
    forget: Callable[[Lake, DuckDBEngine], None] | None = None,
    lake: Callable[[Path], Lake] = Lake,
    memory_limit: str = "1GB",
) -> Backup:
    """Makes a shop from a copy, in a folder that must be new or empty, after checking every part of the copy.

    Args:
        file: What `backup` wrote.
        folder: The new shop.
        state: Makes the state store from its file (`State.restore`); by default the file is only laid down.
        vault: The same for the vault; opening it then shreds what bears a tombstone.
        forget: Takes out of the lake whoever was erased since the copy was taken; called before anything can be served.
        lake: Opens the new shop's lake in its folder; by default with its own catalog there.
        memory_limit: How much memory checking the tables may take.

    Raises:
        AlreadyThereError: The folder, or the catalog, holds something.
        StorageError: A part is damaged, or a table does not hold what the copy says; the folder is as it was.
    """
    manifest = read_manifest(file)
    if folder.exists() and any(folder.iterdir()):
        raise AlreadyThereError("the folder is not empty", place=str(folder), next_step="restore into a new folder")
    _check(file, manifest)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / _RESTORING).touch()
        sync_folder(folder)
        _lay_down(file, folder, manifest)
        with _restored(lake(folder / "lake"), folder, memory_limit) as (made_lake, engine):
            _register(made_lake, manifest)
            _compare(made_lake, engine, manifest)
            if forget is not None:
                forget(made_lake, engine)
            # Within: a store that fails empties the catalog again. The state is last: it may be a database elsewhere.
            _restore_stores(folder, manifest, {"vault": vault, "state": state})
        (folder / _RESTORING).unlink()
        sync_folder(folder)
    except BaseException:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if made:
            folder.rmdir()
        raise
    return manifest


def _restore_stores(folder: Path, manifest: Backup, restorers: Mapping[str, Restorer | None]) -> None:
    for name, restorer in restorers.items():
        if name in manifest.stores and restorer is not None:
            laid = folder / f"{name}.db"
            copy = laid.rename(folder / f".{name}.copy")
            contents = {table: TableContent(**each) for table, each in manifest.stores[name].items()}
            restorer(copy, contents)
            copy.unlink()


def is_unfinished(folder: Path) -> bool:
    """Whether a restore into a folder was killed, so that what is there is no shop yet."""
    return (folder / _RESTORING).exists()


def _check(file: Path, manifest: Backup) -> None:
    """Holds every part against the manifest before anything is laid down."""
    with _opened(file) as archive:
        found = [member.name for member in archive.getmembers()]
        wrong = set(found) ^ {*manifest.parts, _MANIFEST, _SEAL}
        if wrong or len(found) != len(set(found)):
            raise _damaged(file, min(wrong, default="a part that is there twice"))
        for name, (size, digest) in manifest.parts.items():
            stream = archive.extractfile(name)
            hashing = _Hashing(stream) if stream is not None else None
            read = 0
            while hashing is not None and (data := hashing.read(_CHUNK)):
                read += len(data)
            if hashing is None or read != size or hashing.digest.hexdigest() != digest:
                raise _damaged(file, name)


def _lay_down(file: Path, folder: Path, manifest: Backup) -> None:
    with _opened(file) as archive:
        for name in manifest.parts:
            target = folder / _place(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            stream = archive.extractfile(name)
            if stream is None:
                raise _damaged(file, name)
            is_secret = name.startswith("keys/") or name.endswith(".db")
            opened = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if is_secret else 0o644)
            with os.fdopen(opened, "wb") as output:
                shutil.copyfileobj(stream, output, _CHUNK)
                output.flush()
                os.fsync(output.fileno())
    for place in {(folder / _place(name)).parent for name in manifest.parts}:
        sync_folder(place)


def _place(name: str) -> Path:
    """Where a part stands in a shop's folder; a name that leads out of it is refused."""
    if not re.fullmatch(r"[^/\\\0]+(/[^/\\\0]+)*", name) or ".." in name.split("/"):
        raise StorageError(f"part {name!r} of the backup has a name that leads elsewhere")
    top, _, rest = name.partition("/")
    if top != "lake":
        return Path(name)
    table, _, data = rest.partition("/")
    return Path("lake", "shop", table, "data", data)


@contextmanager
def _restored(lake: Lake, folder: Path, memory_limit: str) -> Iterator[tuple[Lake, DuckDBEngine]]:
    """The lake of the new shop, whose catalog must be empty and is so again if anything goes wrong."""
    if there := lake.tables():
        lake.close()
        raise AlreadyThereError(
            f"the catalog has {len(there)} tables already",
            next_step=f"name an empty one in storage.catalog_url, or, if a killed restore left them, {EMPTYING}",
        )
    with tempfile.TemporaryDirectory(prefix=".spill-", dir=folder) as spill:
        engine = DuckDBEngine(lake, spill=Path(spill), memory_limit=memory_limit)
        try:
            yield lake, engine
        except BaseException:
            for name in lake.tables():
                lake.drop(name)
            raise
        finally:
            engine.close()
            lake.close()


def _register(lake: Lake, manifest: Backup) -> None:
    """Commits the files of each table, what others were computed from first, since snapshots get new ids."""
    ids: dict[str, str] = {}
    old = {str(table["snapshot"]) for table in manifest.tables.values()}
    waiting = dict(manifest.tables)
    while waiting:
        ready = [name for name, table in waiting.items() if not (_mentioned(table) & old) - ids.keys()]
        for name in ready or list(waiting):
            table = waiting.pop(name)
            lake.adopt(name, table["definition"])
            folder = lake.folder(name)
            properties = {key: _renumbered(value, ids) for key, value in table["properties"].items()}
            snapshot = lake.append(name, [str(folder / each) for each in table["files"]], properties)
            if snapshot is not None:
                ids[str(table["snapshot"])] = str(snapshot.id)


def _mentioned(table: Mapping[str, Any]) -> set[str]:
    return {found for value in table["properties"].values() for found in re.findall(r"\d+", value)} - {
        str(table["snapshot"])
    }


def _renumbered(text: str, ids: Mapping[str, str]) -> str:
    return re.sub(r"\d+", lambda found: ids.get(found[0], found[0]), text)


def _compare(lake: Lake, engine: DuckDBEngine, manifest: Backup) -> None:
    for name, table in manifest.tables.items():
        expected, found = Content(table["rows"], table["hash"]), content(lake, engine, name)
        # Another version of DuckDB may hash otherwise; the files were checked byte by byte.
        same = found == expected if duckdb.__version__ == manifest.duckdb else found.rows == expected.rows
        if not same:
            raise StorageError(f"table {name} does not hold what the backup says: {found} instead of {expected}")


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as archive:
            yield archive
    except (tarfile.TarError, KeyError, ValueError, TypeError, EOFError, OSError) as error:
        raise StorageError(
            f"the backup cannot be read: {error}", place=str(file), next_step="take an older backup"
        ) from error


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    return stream.read() if stream is not None else b""


def _damaged(file: Path, part: str) -> StorageError:
    return StorageError(f"part {part} of the backup is damaged", place=str(file), next_step="take an older backup")
