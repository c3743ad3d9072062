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

import pyarrow.parquet as pq

from shopkeeper.base.errors import ConflictError
from shopkeeper.collect.judge import Judge
from shopkeeper.collect.mapping import Mapping
from shopkeeper.collect.people import merge_identifiers
from shopkeeper.collect.propose import Proposal, propose
from shopkeeper.collect.reader import BATCH_ROWS, Batch, Broken, text_batch
from shopkeeper.collect.receipt import Receipt
from shopkeeper.collect.refused import Refused, add_refused, open_refused, settle_refused
from shopkeeper.collect.settle import Settled, commit, settle
from shopkeeper.collect.source import open_source
from shopkeeper.collect.stage import Stage
from shopkeeper.schema.query import Query
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault

__all__ = ["Loader", "Preview"]

_TRIES = 5
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

    def propose(self, table: str, source: str, *, name: str = "file", query: str | None = None) -> Proposal:
        """Proposes a mapping for a file by its headers and values.

        Args:
            table: The table it is to go to.
            source: A path or a database URL.
            name: What the source system is to be called.
            query: The query, for a database.
        """
        return propose(open_source(source, query=query), table, source=name)

    def preview(
        self,
        sources: Sequence[str],
        mapping: Mapping,
        *,
        now: datetime,
        replace: bool = False,
        since: str | None = None,
        watermark: str | None = None,
        query: str | None = None,
    ) -> Preview:
        """Says what a load would do, and changes nothing; arguments as for `load`."""
        options = _Options(replace, since, watermark, query, dry_run=True)
        with self._staged(sources, mapping, now, options) as (stage, settled, receipt):
            rows, refused = _sample(settled, self.sample_rows), _refused_sample(stage, self.sample_rows)
            return Preview(receipt, stage.judge.given, rows, refused)

    def load(
        self,
        sources: Sequence[str],
        mapping: Mapping,
        *,
        now: datetime,
        replace: bool = False,
        since: str | None = None,
        watermark: str | None = None,
        query: str | None = None,
        progress: Progress | None = None,
    ) -> Receipt:
        """Loads files or a query; all of it is committed together, and loading the same again changes nothing.

        Args:
            sources: Paths or a database URL.
            mapping: How columns follow.
            now: The present instant.
            replace: Whether rows may replace facts under the same key.
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
        options = _Options(replace, since, watermark, query, progress)
        for attempt in range(_TRIES):
            try:
                with self._staged(sources, mapping, now, options) as (stage, settled, receipt):
                    return self._written(stage, settled, receipt)
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
                stage.take(_Waiting(untyped, mapping.headers))
            stage.take_typed([(row.number, row.file_name, dict(row.cells)) for row in waiting if row.typed])
            settled = self._settled(stage, replace=replace)
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

    @contextmanager
    def _staged(
        self, sources: Sequence[str], mapping: Mapping, now: datetime, options: "_Options"
    ) -> Iterator[tuple[Stage, Settled, Receipt]]:
        if options.since is not None:
            mapping.declared.column(options.since)
        started = monotonic()
        with self._scratch() as folder:
            stage = self._stage(mapping, folder, now, options)
            for source in sources:
                reader = open_source(source, mapping.shape, query=options.query, wanted=mapping.headers)
                mapping.check_headers(reader.headers, reader.name)
                stage.take(reader, options.progress)
            settled = self._settled(stage, replace=options.replace)
            yield stage, settled, _receipt(stage, settled, monotonic() - started)

    def _settled(self, stage: Stage, *, replace: bool) -> Settled:
        table = stage.mapping.declared
        settled = settle(self.lake, self.engine, table, stage.judge.given, stage.finish(), replace=replace)
        stage.turn_conflicts(settled.conflicts)
        return settled

    def _stage(
        self, mapping: Mapping, folder: Path, now: datetime, options: "_Options", ordinals: dict[int, int] | None = None
    ) -> Stage:
        return Stage(
            Judge(mapping, self.time_zone, self.cutover_hour, self._store_cutovers()),
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

    def _store_cutovers(self) -> dict[str, int]:
        query = Query.from_sql(
            "SELECT store_id, cutover_hour FROM store WHERE cutover_hour IS NOT NULL", name="cut-over hours"
        )
        return {row["store_id"]: row["cutover_hour"] for row in self.engine.arrow(query).to_pylist()}

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="load-", dir=self.scratch) as folder:
            yield Path(folder)


@dataclass(frozen=True, slots=True)
class _Options:
    replace: bool = False
    since: str | None = None
    watermark: str | None = None
    query: str | None = None
    progress: Progress | None = None
    dry_run: bool = False


class _Waiting:
    """Refused rows read again from the vault."""

    def __init__(self, rows: Sequence[Refused], headers: tuple[str, ...]) -> None:
        self.name = "refused"
        cells = {header for row in rows for header in row.cells if header}
        self.headers = tuple(dict.fromkeys([*headers, *sorted(cells)]))
        self._rows = rows

    def batches(self) -> Iterator[Batch]:
        """Gives the rows; a line that could not be split still cannot."""
        for start in range(0, len(self._rows), BATCH_ROWS):
            rows = self._rows[start : start + BATCH_ROWS]
            numbered = list(enumerate(rows, start=start + 1))
            whole = [(number, row) for number, row in numbered if "" not in row.cells]
            broken = [
                Broken(number, row.cells[""] or "", "number_of_values") for number, row in numbered if "" in row.cells
            ]
            texts = [[row.cells.get(header) for header in self.headers] for _, row in whole]
            made = text_batch(self.headers, texts, [number for number, _ in whole])
            yield Batch(made.rows, made.numbers, tuple(broken))


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


def _sample(settled: Settled, rows: int) -> list[dict[str, Any]]:
    batch = next(pq.ParquetFile(settled.staged).iter_batches(rows), None)
    return [] if batch is None else batch.select(list(settled.given)).to_pylist()


def _refused_sample(stage: Stage, rows: int) -> list[dict[str, Any]]:
    names = ["file_name", "row_no", "column_name", "masked_value", "reason", "others"]
    found: list[dict[str, Any]] = []
    for table in stage.refused_tables():
        found += table.select(names).slice(0, rows - len(found)).to_pylist()
        if len(found) >= rows:
            break
    return found
