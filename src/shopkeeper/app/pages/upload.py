"""Loading a file from the console: sealed as it comes, its mapping proposed, corrected, tried, loaded, removed."""

import json
import re
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shopkeeper.app import load as loading
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError, ShopkeeperError, UsageError
from shopkeeper.base.ids import new_id
from shopkeeper.collect.load import Preview
from shopkeeper.collect.mapping import IDENTIFIER_KINDS, PERSONAL_KINDS
from shopkeeper.collect.mapping import Mapping as ColumnMapping
from shopkeeper.collect.propose import Guess, Proposal
from shopkeeper.collect.receipt import Receipt
from shopkeeper.schema.table import TableKind
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.sealed import SealedFile, SealedWriter, sealed_under

__all__ = [
    "ENDINGS",
    "Header",
    "Incoming",
    "Upload",
    "also_of",
    "discard",
    "dry_run",
    "find_upload",
    "headers_of",
    "keep_upload",
    "load_upload",
    "loadable",
    "sweep_uploads",
    "targets_of",
    "uploads_sealed_under",
]

ENDINGS = (".csv", ".txt", ".tsv", ".xlsx", ".xls", ".parquet", ".json", ".jsonl", ".gz")
_KEPT = timedelta(hours=1)
_ID = re.compile(r"upload_[0-9a-z]{26}")
_NOTE, _BODY = "upload.json", "body.sealed"
_LEFT_OUT = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that waits to be loaded.

    Args:
        id: Its id.
        file_name: What it was called.
        table: The table it is meant for.
        source: What its source system is called.
        by: Who brought it.
        at: When.
    """

    id: str
    file_name: str
    table: str
    source: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Header:
    """One column of the file and what it is taken for.

    Args:
        name: Its header.
        target: The column it goes to; empty where it is left out.
        proposed: What was proposed.
        reason: Why that was proposed.
        confidence: How sure that is, 0 to 1.
        sample: Up to three values, none of a header that is personal.
    """

    name: str
    target: str
    proposed: str
    reason: str
    confidence: float
    sample: tuple[str, ...]


def loadable() -> tuple[str, ...]:
    """Gives the tables that files may go to."""
    return tuple(name for name, table in TABLES.items() if table.kind is not TableKind.DERIVED)


def targets_of(table: str) -> tuple[str, ...]:
    """Gives what a column of a file may go to: columns of the table, identifiers and personal data of people.

    Raises:
        MissingError: The dictionary has no such table.
    """
    columns = tuple(name for name in declared_table(table).column_names if name != "source")
    identifiers = (f"identifiers.{kind}" for kind in IDENTIFIER_KINDS)
    return (*columns, *identifiers, *(f"personal.{kind}" for kind in PERSONAL_KINDS))


class Incoming:
    """A file on its way in: sealed piece by piece, in the clear nowhere on the disk.

    Args:
        shop: The shop.
        now: The present instant.
    """

    def __init__(self, shop: Shop, now: datetime) -> None:
        sweep_uploads(shop, now)
        self.id = new_id("upload")
        self._folder = _folder(shop) / self.id
        self._folder.mkdir(mode=0o700)
        self._writer = SealedWriter(self._folder / _BODY, shop.sealing)

    def write(self, data: bytes) -> int:
        """Takes some bytes."""
        return self._writer.write(data)

    def finish(self, kept: "Upload") -> None:
        """Closes the file and notes what it is."""
        self._writer.close()
        text = json.dumps({**asdict(kept), "at": kept.at.isoformat()}, ensure_ascii=False)
        unnamed = self._folder / f"{_NOTE}.new"
        unnamed.write_text(text, encoding="utf-8")
        unnamed.replace(self._folder / _NOTE)  # so that a note is there whole or not at all

    def drop(self) -> None:
        """Removes what came in, on a full disk too."""
        with suppress(OSError):
            self._writer.abandon()
        shutil.rmtree(self._folder, ignore_errors=True)


def keep_upload(incoming: Incoming, file_name: str, *, table: str, source: str, by: str, now: datetime) -> Upload:
    """Keeps a file until it is loaded or put away, at most an hour.

    Raises:
        UsageError: The file's ending or the table is none that can be loaded; it was removed.
    """
    ending, name = Path(file_name).suffix.lower(), Path(file_name).name
    if table not in loadable() or ending not in ENDINGS:
        incoming.drop()
        if ending not in ENDINGS:
            raise UsageError(f"'{name}' is no file that can be read", next_step=f"one of {', '.join(ENDINGS)}")
        raise UsageError(f"no file can be loaded into '{table}'", next_step=f"one of {', '.join(loadable())}")
    found = Upload(incoming.id, name[:200], table, source.strip() or "file", by, now)
    incoming.finish(found)
    return found


def find_upload(shop: Shop, upload_id: str, *, by: str) -> Upload:
    """Gives a file that waits, to who brought it.

    Raises:
        MissingError: There is none, or somebody else brought it.
    """
    found = _noted(_folder(shop) / upload_id) if _ID.fullmatch(upload_id) else None
    if found is None or found.by != by:
        raise MissingError("the file is no longer kept", next_step="choose it again")
    return found


def headers_of(
    shop: Shop, upload: Upload, chosen: Mapping[str, str] | None = None
) -> tuple[tuple[Header, ...], tuple[str, ...]]:
    """Gives the columns of a file, what each is taken for, and the required columns that nothing was found for.

    Args:
        shop: The shop.
        upload: The file.
        chosen: What a person chose, by header.
    """
    proposal = _proposal(shop, upload)
    headers = tuple(_header(guess, chosen) for guess in proposal.guesses)
    return headers, proposal.missing if chosen is None else ()


def dry_run(shop: Shop, upload: Upload, chosen: Mapping[str, str]) -> Preview:
    """Says what a load would do, and changes nothing.

    Raises:
        FaultsError: The mapping does not fit the table; every fault is named with its path.
    """
    mapping = _mapping(_proposal(shop, upload), upload, chosen)
    return loading.preview(shop, upload.table, [_file(shop, upload)], source=upload.source, mapping=mapping)


def also_of(shop: Shop, upload: Upload, chosen: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Gives the tables that a file of tickets describes on the side, each with the headers that say so."""
    mapping = _mapping(_proposal(shop, upload), upload, chosen)
    found = loading.also_described(shop, mapping, _file(shop, upload))
    return {name: tuple(rule.column for rule in other.rules if rule.column) for name, other in found.items()}


def load_upload(
    shop: Shop, upload: Upload, chosen: Mapping[str, str], *, also: Collection[str] = (), now: datetime
) -> tuple[list[Receipt], dict[str, ShopkeeperError]]:
    """Loads a file, removes it, and leaves an audit row for each table as soon as it is loaded.

    Args:
        shop: The shop.
        upload: The file.
        chosen: Header → what it goes to.
        also: Tables that it describes on the side and that get what they do not know yet.
        now: The present instant.

    Returns:
        What became of the rows, and why a table that it describes on the side was not loaded.

    Raises:
        FaultsError: The mapping does not fit the table; nothing was loaded.
    """
    mapping, file = _mapping(_proposal(shop, upload), upload, chosen), _file(shop, upload)
    others = loading.also_described(shop, mapping, file) if also else {}
    receipts, failed = [], {}

    def note(receipt: Receipt) -> None:
        receipts.append(receipt)
        detail = {"received": receipt.received, "refused": receipt.refused}
        shop.state.audit.append(upload.by, "load", receipt.table, now=now, detail=detail)

    note(loading.load(shop, upload.table, [file], source=upload.source, mapping=mapping, by=upload.by))
    wanted = {name: other for name, other in others.items() if name in also}
    for name, done in loading.load_also(shop, wanted, [file], source=upload.source, by=upload.by):
        if isinstance(done, Receipt):
            note(done)
        else:
            failed[name] = done
    discard(shop, upload)
    return receipts, failed


def discard(shop: Shop, upload: Upload) -> None:
    """Removes a file that waited."""
    shutil.rmtree(_folder(shop) / upload.id, ignore_errors=True)


def _folder(shop: Shop) -> Path:
    folder = shop.spill / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _file(shop: Shop, upload: Upload) -> SealedFile:
    return SealedFile(_folder(shop) / upload.id / _BODY, shop.sealing, upload.file_name)


def _noted(folder: Path) -> Upload | None:
    """What is noted of a file; nothing while it comes in, or where the note cannot be read."""
    try:
        values = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        return Upload(**{**values, "at": datetime.fromisoformat(values["at"]).astimezone(UTC)})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def uploads_sealed_under(shop: Shop) -> list[str]:
    """The vault key of each file that waits."""
    files = _folder(shop).glob(f"*/{_BODY}")
    return [key_id for file in files if (key_id := sealed_under(file)) is not None]


def sweep_uploads(shop: Shop, now: datetime) -> None:
    """Removes files that waited for longer than they are kept, and those that nothing was added to for as long."""
    for folder in _folder(shop).iterdir():
        noted = _noted(folder)
        at = noted.at if noted is not None else _last_written(folder)
        if at is not None and now - at > _KEPT:
            shutil.rmtree(folder, ignore_errors=True)


def _last_written(folder: Path) -> datetime | None:
    try:
        seconds = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:  # somebody else removes it
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _proposal(shop: Shop, upload: Upload) -> Proposal:
    return loading.propose(shop, upload.table, _file(shop, upload), source=upload.source)


def _header(guess: Guess, chosen: Mapping[str, str] | None) -> Header:
    proposed = guess.target or _LEFT_OUT
    target = proposed if chosen is None else chosen.get(guess.header, _LEFT_OUT)
    return Header(guess.header, target, proposed, guess.reason, guess.confidence, guess.sample)


def _mapping(proposal: Proposal, upload: Upload, chosen: Mapping[str, str]) -> ColumnMapping:
    """The proposed mapping with what a person chose instead; a rule that was not touched keeps all it says."""
    base: dict[str, Any] = dict(proposal.mapping.to_dict() if proposal.mapping else proposal.draft)
    proposed = {guess.header: guess.target for guess in proposal.guesses if guess.target}
    allowed = set(targets_of(upload.table))
    columns = {
        target: rule for target, rule in dict(base.get("columns", {})).items() if target not in proposed.values()
    }
    side: dict[str, dict[str, str]] = {"identifiers": {}, "personal": {}}
    for header, target in chosen.items():
        if target == _LEFT_OUT:
            continue
        if target not in allowed:
            raise UsageError(f"'{target}' is no column of {upload.table}", place=header)
        part, _, kind = target.partition(".")
        if part in side:
            side[part][kind] = header
        else:
            kept = base.get("columns", {}).get(target)
            columns[target] = kept if proposed.get(header) == target and kept is not None else header
    return ColumnMapping.from_dict({**base, "columns": columns, **side, "source": upload.source}, table=upload.table)
