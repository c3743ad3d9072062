"""Model files: every fitted model under its name and version, with its card, all of it there or none of it."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shopkeeper.base.errors import AlreadyThereError, MissingError, StorageError, UsageError
from shopkeeper.storage.parquet import STAGING_PREFIX, staging, sync_file, sync_folder

__all__ = ["Model", "ModelEntry", "Models"]

_ENTRY = "model.json"
_STALE = "stale.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What is known of one stored model without reading its files.

    Args:
        name: The model's name, such as `response`.
        version: Its version.
        number: Its place among the versions of this name, from 1; the highest is the newest.
        card: Its card: data window, features, metrics, baselines, code hash.
        hashes: SHA-256 of each of its files.
    """

    name: str
    version: str
    number: int
    card: Mapping[str, Any]
    hashes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Model:
    """One stored model: its entry and the bytes of its files."""

    entry: ModelEntry
    files: Mapping[str, bytes]

    @property
    def card(self) -> Mapping[str, Any]:
        """Its card."""
        return self.entry.card


class Models:
    """The model files of one shop.

    Args:
        folder: `DIR/models`; made when the first model comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, version: str, files: Mapping[str, bytes], card: str | Mapping[str, Any]) -> ModelEntry:
        """Stores a model, durably and all at once.

        Args:
            name: The model's name.
            version: Its version, never stored before.
            files: Its files by name.
            card: Its card, as JSON or as what becomes JSON.

        Raises:
            AlreadyThereError: The version is there; a stored version never changes.
            UsageError: A name does not serve as a file name, or the card is no JSON object.
        """
        for part in (name, version, *files):
            _check(part)
        target = self.folder / name / version
        entry = ModelEntry(
            name,
            version,
            max((each.number for each in self.list(name)), default=0) + 1,
            _card(card),
            {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
        )
        with staging(self.folder) as place:
            described = {"number": entry.number, "card": entry.card, "files": entry.hashes}
            _write(place / _ENTRY, json.dumps(described, ensure_ascii=False, indent=1, sort_keys=True).encode())
            for file, content in files.items():
                _write(place / file, content)
            sync_folder(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                place.rename(target)
            except OSError as error:
                raise AlreadyThereError(
                    f"model {name} has a version {version} already", place=str(target), next_step="give a new version"
                ) from error
        sync_folder(target.parent)
        sync_folder(self.folder)
        return entry

    def get(self, name: str, version: str | None = None) -> Model:
        """Reads a model, the newest version by default, and holds its files against their hashes.

        Raises:
            MissingError: There is no such model or version.
            StorageError: A file is damaged.
        """
        entries = [each for each in self.list(name) if version in (None, each.version)]
        if not entries:
            wanted = name if version is None else f"{name} version {version}"
            raise MissingError(f"there is no model {wanted}", place=str(self.folder), next_step="shopkeeper model list")
        entry = entries[-1]
        files = {}
        for file, expected in entry.hashes.items():
            path = self.folder / name / entry.version / file
            try:
                files[file] = path.read_bytes()
            except OSError as error:
                raise StorageError(f"a file of model {name} cannot be read: {error}", place=str(path)) from error
            if hashlib.sha256(files[file]).hexdigest() != expected:
                raise StorageError(
                    f"a file of model {name} is damaged",
                    place=str(path),
                    next_step="shopkeeper run, or restore a backup",
                )
        return Model(entry, files)

    def mark_stale(self, since: datetime, why: str) -> int:
        """Marks every version there is as one that should be fitted anew; gives how many there are."""
        versions = [f"{entry.name}/{entry.version}" for entry in self.list()]
        if versions:
            note = {"since": since.isoformat(), "why": why, "versions": versions}
            _write(self.folder / _STALE, json.dumps(note, indent=1).encode())
        return len(versions)

    def stale_since(self, name: str, version: str) -> datetime | None:
        """Gives since when a version should be fitted anew, None where it need not."""
        path = self.folder / _STALE
        if not path.exists():
            return None
        note = json.loads(path.read_text(encoding="utf-8"))
        return datetime.fromisoformat(note["since"]) if f"{name}/{version}" in note["versions"] else None

    def list(self, name: str | None = None) -> Sequence[ModelEntry]:
        """The stored models, or the versions of one, by name and oldest first."""
        found = [_entry(path) for path in self.folder.glob(f"{name or '*'}/*/{_ENTRY}") if not _is_staging(path)]
        return tuple(sorted(found, key=lambda each: (each.name, each.number, each.version)))


def _check(part: str) -> None:
    if not _NAME.fullmatch(part) or part == _ENTRY:
        raise UsageError(f"'{part}' cannot be a model's name, version or file; use letters, digits and _ . + -")


def _card(card: str | Mapping[str, Any]) -> dict[str, Any]:
    try:
        parsed = json.loads(card if isinstance(card, str) else json.dumps(dict(card)))
    except (TypeError, ValueError) as error:
        raise UsageError(f"the model card is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise UsageError(f"the model card is a {type(parsed).__name__}, not a JSON object")
    return parsed


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sync_file(path)


def _is_staging(path: Path) -> bool:
    return any(part.startswith(STAGING_PREFIX) for part in path.parts)


def _entry(path: Path) -> ModelEntry:
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        return ModelEntry(
            path.parent.parent.name, path.parent.name, described["number"], described["card"], described["files"]
        )
    except (OSError, ValueError, KeyError) as error:
        raise StorageError(f"a stored model cannot be read: {error}", place=str(path)) from error
