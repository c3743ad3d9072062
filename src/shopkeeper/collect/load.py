"""Loading: files or queries of one source become rows of one table, each row accounted for."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from shopkeeper.base.errors import ConflictError, ShopkeeperError
from shopkeeper.collect.corrected import corrected
from shopkeeper.collect.judge import Judge
from shopkeeper.collect.mapping import FileShape, Mapping
from shopkeeper.collect.people import merge_identifiers
from shopkeeper.collect.propose import Proposal, propose
from shopkeeper.collect.reader import BATCH_ROWS
from shopkeeper.collect.receipt import Receipt
from shopkeeper.collect.refused import Waiting, add_refused, open_refused, settle_refused
from shopkeeper.collect.settle import Settled, commit, first_rows, settle
from shopkeeper.collect.source import open_source
from shopkeeper.collect.stage import Stage
from shopkeeper.schema.query import Query
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.sealed import SealedFile
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault

__all__ = ["Loader", "Preview", "store_cutovers"]

_TRIES = 5
_log = structlog.get_logger(room="collect")
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a load would do.

    Args:
        receipt: What would become of the rows.
        columns: The columns of the table that would get a value.
        rows: Some of the rows as they would be stored, tokens in place of identifiers.
        refused: Some of the rows that would be refused: row, column, masked value, reason.
    """

    receipt: Receipt
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    refused: list[dict[str, Any]]


@dataclass(frozen=True)
class Loader:
    """Loads into one shop.

    Args:
        lake: Where rows go.
        engine: What computes; DuckDB loads whatever engine runs the steps.
        vault: Where personal values and refused rows go.
        tokens: Makes tokens.
        scratch: Folder for staged rows, which hold tokens only; it is left as it was found.
        time_zone: The shop's zone.
        cutover_hour: Hour at which the business day changes where a store does not say.
    """

    lake: Lake
    engine: DuckDBEngine
    vault: Vault
    tokens: Tokens
    scratch: Path
    time_zone: str
    cutover_hour: int = 0
    sample_rows: int = 20

    def propose(
        self,
        table: str,
        source: str | SealedFile,
        *,
        name: str = "file",
        query: str | None = None,
        shape: FileShape | None = None,
    ) -> Proposal:
        """Proposes a mapping for a file by its headers and values.

        Args:
            table: The table it is to go to.
            source: A path, a sealed file or a database URL.
            name: What the source system is to be called.
            query: The query, for a database.
            shape: What is known of the file's form.
        """
        return propose(open_source(source, shape, query=query), table, source=name)

    def preview(
        self,
        sources: Sequence[str | SealedFile],
        mapping: Mapping,
        *,
        now: datetime,
        replace: bool = False,
        only_new: bool = False,
        since: str | None = None,
        watermark: str | None = None,
        query: str | None = None,
    ) -> Preview:
        """Says what a load would do, and changes nothing; arguments as for `load`."""
        options = _Options(replace, since, watermark, query, dry_run=True, only_new=only_new)
        with self._staged(sources, mapping, now, options) as (stage, settled, receipt):
            rows = first_rows(self.engine, settled, self.sample_rows)
            refused = _refused_sample(stage, self.sample_rows)
            return Preview(receipt, stage.judge.given, rows, refused)

    def load(
        self,
        sources: Sequence[str | SealedFile],
        mapping: Mapping,
        *,
        now: datetime,
        replace: bool = False,
        only_new: bool = False,
        since: str | None = None,
        watermark: str | None = None,
        query: str | None = None,
        progress: Progress | None = None,
    ) -> Receipt:
        """Loads files or a query; all of it is committed together, and loading the same again changes nothing.

        Args:
            sources: Paths, sealed files, or a database URL.
            mapping: How columns follow.
            now: The present instant.
            replace: Whether rows may replace facts under the same key.
            only_new: Whether rows whose key is known leave it as it is.
            since: Column of the table by which only newer rows are taken.
            watermark: Its greatest value so far; rows below it are skipped.
            query: The query, for a database.
            progress: Told the source's name and the rows read so far.

        Returns:
            What became of each row.

        Raises:
            FaultsError: The mapping names headers the source does not have.
            MissingError, DataError, StorageError: A source cannot be read or the lake not be written.
            ConflictError: Others kept changing the table.
        """
        options = _Options(replace, since, watermark, query, progress, only_new=only_new)
        for attempt in range(_TRIES):
            try:
                with self._staged(sources, mapping, now, options) as (stage, settled, receipt):
                    written = self._written(stage, settled, receipt)
                    return replace_fields(written, settled=self._settle_corrected(stage, settled, now))
            except ConflictError:
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def replay(
        self,
        table: str,
        mapping: Mapping,
        *,
        now: datetime,
        source: str | None = None,
        ids: Sequence[str] = (),
        replace: bool = False,
    ) -> Receipt:
        """Lets refused rows in again after a fix; those that still break the contract keep waiting.

        Args:
            table: The table they were meant for.
            mapping: The mended mapping.
            now: The present instant.
            source: Only those of this source.
            ids: Only these.
            replace: Whether rows may replace facts under the same key, which settles conflicts.

        Returns:
            What became of them: received is how many waited, refused how many still do.
        """
        waiting = open_refused(self.engine, self.vault, table=table, source=source, ids=ids)
        started = monotonic()
        with self._scratch() as folder:
            untyped = [row for row in waiting if not row.typed]
            # They are numbered in the order they are read again.
            ordinals = {place: row.ordinal for place, row in enumerate(untyped, start=1) if row.ordinal is not None}
            stage = self._stage(mapping, folder, now, _Options(replace), ordinals)
            if untyped:
                stage.take(Waiting(untyped, mapping.headers))
            stage.take_typed([(row.number, row.file_name, dict(row.cells)) for row in waiting if row.typed])
            settled = self._settled(stage, _Options(replace))
            receipt = self._written(stage, settled, _receipt(stage, settled, monotonic() - started))
            done = {row.refused_id for row in waiting} - stage.turned_ids()
        settle_refused(self.lake, self.engine, self.vault, sorted(done), now)
        return receipt

    def _written(self, stage: Stage, settled: Settled, receipt: Receipt) -> Receipt:
        note = {"shopkeeper.source": stage.mapping.source, "shopkeeper.step": "load"}
        for refused in stage.refused_tables():
            add_refused(self.lake, self.engine, refused, note)
        new = merge_identifiers(self.lake, self.engine, str(stage.identifiers), note)
        commit(self.lake, self.engine, settled, note)
        return replace_fields(receipt, identifiers=new)

    def _settle_corrected(self, stage: Stage, settled: Settled, now: datetime) -> int:
        """Settles the rows refused before that this load brought in mended, and says how many.

        The load is committed by now: an error here must not make it one that failed. The rows stay open.
        """
        if not (settled.stored or settled.updated):
            return 0
        for attempt in range(_TRIES):
            try:
                return self._settle_once(stage, settled, now)
            except ShopkeeperError as error:
                if not isinstance(error, ConflictError) or attempt == _TRIES - 1:
                    _log.warning("rows refused before stay open", table=stage.mapping.table, why=error.message)
                    break
        return 0

    def _settle_once(self, stage: Stage, settled: Settled, now: datetime) -> int:
        mapping = stage.mapping
        waiting = open_refused(
            self.engine,
            self.vault,
            table=mapping.table,
            source=mapping.source,
            but=stage.turned_ids(),
            most=BATCH_ROWS,
        )
        ids = corrected(self.engine, stage, settled, waiting)
        settle_refused(self.lake, self.engine, self.vault, ids, now, state="corrected")
        return len(ids)

    @contextmanager
    def _staged(
        self, sources: Sequence[str | SealedFile], mapping: Mapping, now: datetime, options: "_Options"
    ) -> Iterator[tuple[Stage, Settled, Receipt]]:
        if options.since is not None:
            mapping.declared.column(options.since)
        started = monotonic()
        with self._scratch() as folder:
            stage = self._stage(mapping, folder, now, options)
            left_out: list[str] = []
            for source in sources:
                reader = open_source(source, mapping.shape, query=options.query, wanted=mapping.headers)
                mapping.check_headers(reader.headers, reader.name)
                left_out += [name for name in reader.headers if name not in mapping.headers]
                stage.take(reader, options.progress)
            settled = self._settled(stage, options)
            receipt = _receipt(stage, settled, monotonic() - started)
            total = settled.net_amount
            yield (
                stage,
                settled,
                replace_fields(
                    receipt,
                    left_out=tuple(dict.fromkeys(left_out)),
                    net_amount=None if total is None else f"{total.normalize():f}",
                ),
            )

    def _settled(self, stage: Stage, options: "_Options") -> Settled:
        table = stage.mapping.declared
        settled = settle(
            self.lake,
            self.engine,
            table,
            stage.judge.given,
            stage.finish(),
            replace=options.replace,
            only_new=options.only_new,
        )
        stage.turn_conflicts(settled.conflicts)
        return settled

    def _stage(
        self, mapping: Mapping, folder: Path, now: datetime, options: "_Options", ordinals: dict[int, int] | None = None
    ) -> Stage:
        return Stage(
            Judge(mapping, self.time_zone, self.cutover_hour, store_cutovers(self.engine)),
            self.engine,
            self.vault,
            self.tokens,
            folder,
            now,
            dry_run=options.dry_run,
            since=options.since,
            watermark=options.watermark,
            ordinals=ordinals,
        )

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="load-", dir=self.scratch) as folder:
            yield Path(folder)


def store_cutovers(engine: DuckDBEngine) -> dict[str, int]:
    """Gives the hour at which the business day changes, for the stores that have their own."""
    query = Query.from_sql(
        "SELECT store_id, cutover_hour FROM store WHERE cutover_hour IS NOT NULL", name="cut-over hours"
    )
    return {row["store_id"]: row["cutover_hour"] for row in engine.arrow(query).to_pylist()}


@dataclass(frozen=True, slots=True)
class _Options:
    replace: bool = False
    since: str | None = None
    watermark: str | None = None
    query: str | None = None
    progress: Progress | None = None
    dry_run: bool = False
    only_new: bool = False


def _receipt(stage: Stage, settled: Settled, seconds: float) -> Receipt:
    return Receipt(
        stage.mapping.table,
        stage.received,
        settled.stored,
        settled.updated,
        settled.duplicate,
        stage.reasons.total(),
        dict(stage.reasons),
        stage.skipped,
        stage.watermark,
        seconds=seconds,
    )


def _refused_sample(stage: Stage, rows: int) -> list[dict[str, Any]]:
    names = ["file_name", "row_no", "column_name", "masked_value", "reason", "others"]
    found: list[dict[str, Any]] = []
    for table in stage.refused_tables():
        found += table.select(names).slice(0, rows - len(found)).to_pylist()
        if len(found) >= rows:
            break
    return found
