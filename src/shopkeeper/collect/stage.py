"""The stage: rows of all files of one load, judged, tokenised and written aside, before the lake is touched.

What is written here holds tokens only: raw identifiers go from memory to the vault, and so do rows that are refused.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shopkeeper.collect.judge import FAULTS, ROW_NO, Judge
from shopkeeper.collect.mapping import Mapping as LoadMapping
from shopkeeper.collect.people import IDENTIFIER_SCHEMA, erased_customers, identifier_rows, keep, subject
from shopkeeper.collect.reader import Batch, Reader
from shopkeeper.collect.refused import REFUSED_SCHEMA, Turned, turned_rows
from shopkeeper.collect.settle import SEQ, parts_of
from shopkeeper.collect.texts import Prepared, prepare
from shopkeeper.storage.engine.duckdb import DuckDBEngine, translated
from shopkeeper.storage.iceberg import arrow_type
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault

__all__ = ["FILE", "Stage"]

FILE = "row_file"
_OTHERS = pa.schema(
    [(SEQ, pa.int64()), (ROW_NO, pa.int64()), (FILE, pa.string()), ("source", pa.string()), ("order_id", pa.string())]
)
Progress = Callable[[str, int], None]


class Stage:
    """Rows of one load on their way.

    Args:
        judge: Judges them.
        engine: Runs the judge's statement.
        vault: Takes personal values and refused rows, unless it is a dry run.
        tokens: Makes tokens.
        folder: Where staged rows are written.
        now: The present instant.
        dry_run: Whether the vault is left alone.
        since: Column by which only newer rows are taken.
        watermark: Rows below it are skipped.
        ordinals: Row number → number of the line in its order, known from when the row was refused.
    """

    def __init__(
        self,
        judge: Judge,
        engine: DuckDBEngine,
        vault: Vault,
        tokens: Tokens,
        folder: Path,
        now: datetime,
        *,
        dry_run: bool,
        since: str | None = None,
        watermark: str | None = None,
        ordinals: Mapping[int, int] | None = None,
    ) -> None:
        self.judge = judge
        self.mapping: LoadMapping = judge.mapping
        self.received = self.skipped = 0
        self.reasons: Counter[str] = Counter()
        self.watermark = watermark
        self.identifiers = folder / "identifiers.parquet"
        self._engine, self._vault, self._tokens, self._now = engine, vault, tokens, now
        self._since, self._from, self._dry_run = since, watermark, dry_run
        self._rows, self._refused = folder / "rows.parquet", folder / "refused.parquet"
        self._others, self._ordinals = folder / "others.parquet", ordinals or {}
        self._numbers_lines = self.mapping.table == "order_line" and self.mapping.rule("line_no") is None
        table = self.mapping.declared
        given = [(name, arrow_type(table.column(name).type)) for name in judge.given]
        self._schema = pa.schema([(SEQ, pa.int64()), (ROW_NO, pa.int64()), (FILE, pa.string()), *given])
        self._writers = {
            path: pq.ParquetWriter(path, schema, compression="snappy")
            for path, schema in (
                (self._rows, self._schema),
                (self._others, _OTHERS),
                (self.identifiers, IDENTIFIER_SCHEMA),
                (self._refused, REFUSED_SCHEMA),
            )
        }
        self._seq = 0
        self._seen: Counter[str] = Counter()
        self._cleared: set[str] = set()

    def take(self, reader: Reader, progress: Progress | None = None) -> None:
        """Takes all rows of a source."""
        statement = self.judge.statement(reader.headers)
        connection = self._engine.connection()
        seen = 0
        for batch in reader.batches():
            prepared = prepare(batch, self.mapping, reader.headers, self._tokens)
            judged = self._judged(connection, prepared.incoming, statement)
            self._sort_out(judged, prepared, batch, reader)
            seen += batch.rows.num_rows + len(batch.broken)
            if progress is not None:
                progress(reader.name, seen)

    def take_typed(self, rows: Sequence[tuple[int, str, dict[str, Any]]]) -> None:
        """Takes rows that were judged before: number, file and cells by column of the table."""
        if not rows:
            return
        table = self.mapping.declared
        texts = pa.table(
            {ROW_NO: pa.array([number for number, _, _ in rows], pa.int64()), FILE: [name for _, name, _ in rows]}
            | {
                f"c_{name}": pa.array([cells.get(name) for _, _, cells in rows], pa.string())
                for name in self.judge.given
            }
        )
        casts = ", ".join(f"CAST(c_{name} AS {table.column(name).type.value}) AS {name}" for name in self.judge.given)
        connection = self._engine.connection()
        with translated(table.name):
            connection.register("typed", texts)
            found = connection.sql(f"SELECT {ROW_NO}, {FILE}, {casts} FROM typed ORDER BY {ROW_NO}").to_arrow_table()
        self.received += found.num_rows
        seqs = pa.array(np.arange(self._seq, self._seq + found.num_rows, dtype=np.int64))
        self._seq += found.num_rows
        self._write(found, seqs)

    def read_again(self, reader: Reader) -> dict[int, tuple[dict[str, str | None], frozenset[str]]]:
        """Judges rows without taking them: number → its columns as text, and the columns at fault."""
        statement = self.judge.statement(reader.headers)
        connection = self._engine.connection()
        texts = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in self.judge.given)
        found = {}
        for batch in reader.batches():
            incoming = prepare(batch, self.mapping, reader.headers, self._tokens).incoming
            statement_as_text = f"SELECT {ROW_NO}, {FAULTS}, {texts} FROM ({statement}) AS read_again"
            for row in self._judged(connection, incoming, statement_as_text).to_pylist():
                number, faults = row.pop(ROW_NO), row.pop(FAULTS)
                found[number] = row, frozenset(fault.split("|")[0] for fault in faults.split("\x1f"))
        return found

    def finish(self) -> Path:
        """Closes the files and gives the one of the rows.

        Lines without a number get their ordinal in the order; refused lines count, so that a number stays the same when
        they come in later.
        """
        for path in (self._rows, self._others, self.identifiers):
            self._writers.pop(path).close()
        if not self._numbers_lines:
            return self._rows
        place = f"PARTITION BY source, order_id ORDER BY {SEQ}"
        columns = ", ".join(self._schema.names)
        good, others = self._rows.with_name("good-*.parquet"), self._others.with_name("numbered-others-*.parquet")
        parts = parts_of(self._seq)
        with translated("order_line"):
            connection = self._engine.connection()
            connection.execute(
                f"CREATE TEMP VIEW lines AS SELECT {columns}, true AS is_good FROM read_parquet('{self._rows}') "
                f"UNION ALL BY NAME SELECT *, false AS is_good FROM read_parquet('{self._others}')"
            )
            for part in range(parts):
                connection.execute(
                    f"CREATE OR REPLACE TEMP TABLE numbered AS SELECT * "
                    f"REPLACE (coalesce(line_no, row_number() OVER ({place})) AS line_no) FROM lines "
                    f"WHERE hash(source, order_id) % {parts} = {part}"
                )
                for files, rows in (
                    (good, f"SELECT {columns} FROM numbered WHERE is_good"),
                    (others, f"SELECT {ROW_NO}, {FILE}, line_no FROM numbered WHERE NOT is_good"),
                ):
                    target = str(files).replace("*", str(part))
                    connection.execute(f"COPY ({rows}) TO '{target}' (FORMAT parquet)")
            connection.execute("DROP TABLE numbered")
        for path in (self._rows, self._others):
            path.unlink()
        self._rows, self._others = good, others
        return good

    def turn_conflicts(self, conflicts: pa.Array) -> None:
        """Turns away staged rows that contradict facts."""
        if len(conflicts):
            given = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in self.judge.given)
            connection = self._engine.connection()
            with translated(self.mapping.table):
                connection.register("conflict", pa.table({"seq": conflicts}))
                reader = connection.sql(
                    f"SELECT {ROW_NO}, {FILE}, {given} FROM read_parquet('{self._rows}') "
                    f"WHERE {SEQ} IN (SELECT seq FROM conflict) ORDER BY {FILE}, {ROW_NO}"
                ).to_arrow_reader(100_000)
                for batch in reader:
                    self._turn_typed(batch.to_pylist())
        self._writers.pop(self._refused).close()

    def refused_tables(self) -> Iterator[pa.Table]:
        """Gives the refused rows as rows of the table `refused`, in bounded pieces."""
        if not self._numbers_lines:
            with pq.ParquetFile(self._refused) as file:
                for number in range(file.num_row_groups):
                    yield file.read_row_group(number)
            return
        with translated("refused"):
            reader = (
                self._engine.connection()
                .sql(
                    f"SELECT r.* REPLACE (o.line_no AS ordinal) FROM read_parquet('{self._refused}') AS r "
                    f"LEFT JOIN read_parquet('{self._others}') AS o "
                    f"ON o.{ROW_NO} = r.row_no AND o.{FILE} = r.file_name"
                )
                .to_arrow_reader(100_000)
            )
            for batch in reader:
                yield pa.Table.from_batches([batch]).cast(REFUSED_SCHEMA)

    def turned_ids(self) -> set[str]:
        """The ids of the rows that were refused."""
        return {name for table in self.refused_tables() for name in table["refused_id"].to_pylist()}

    @staticmethod
    def _judged(connection: duckdb.DuckDBPyConnection, incoming: pa.Table, statement: str) -> pa.Table:
        with translated("the rows"):
            connection.register("incoming", incoming)
            judged: pa.Table = connection.sql(statement).to_arrow_table()
            connection.unregister("incoming")
        # Engines may give rows in any order; the place in the batch must be that of the raw row.
        order = pc.sort_indices(judged[ROW_NO])
        return judged.take(order)

    def _sort_out(self, judged: pa.Table, prepared: Prepared, batch: Batch, reader: Reader) -> None:
        taken = self._newer(judged)
        good = pc.and_(pc.equal(judged[FAULTS], ""), taken)
        judged, good, erased = self._without_erased(judged, good)
        places = pa.array(np.flatnonzero(good.to_numpy(zero_copy_only=False)))
        rows = judged.take(places).drop_columns([FAULTS])
        bad = np.flatnonzero(pc.and_(pc.invert(good), taken).to_numpy(zero_copy_only=False))
        self.skipped += len(taken) - int(pc.sum(taken).as_py() or 0)
        self.received += int(pc.sum(taken).as_py() or 0) + len(batch.broken)
        self._turn(list(_turned(judged, batch, bad, erased)), reader.name)
        if prepared.personal:
            for found in identifier_rows(self.mapping, prepared, rows, places):
                self._writers[self.identifiers].write_table(found)
            if not self._dry_run:
                keep(self._vault, prepared, rows, places)
        seqs = pa.array(np.arange(self._seq, self._seq + len(good), dtype=np.int64))
        self._seq += len(good)
        if self._numbers_lines:
            rows = self._with_known_numbers(rows)
            others = judged.take(pa.array(bad)).append_column(SEQ, seqs.take(pa.array(bad)))
            others = others.append_column(FILE, pa.repeat(reader.name, others.num_rows))
            self._writers[self._others].write_table(
                others.filter(pc.is_valid(others["order_id"])).select(_OTHERS.names)
            )
        self._write(rows.append_column(FILE, pa.repeat(reader.name, rows.num_rows)), seqs.take(places))

    def _with_known_numbers(self, rows: pa.Table) -> pa.Table:
        if not self._ordinals:
            return rows
        known = pa.array([self._ordinals.get(number) for number in rows[ROW_NO].to_pylist()], pa.int64())
        place = rows.column_names.index("line_no")
        return rows.set_column(place, "line_no", pc.coalesce(rows["line_no"], known))

    def _write(self, rows: pa.Table, seqs: pa.Array) -> None:
        if not rows.num_rows:
            return
        whole = rows.append_column(SEQ, seqs).select(self._schema.names).cast(self._schema)
        self._writers[self._rows].write_table(whole)
        if self._since is not None:
            self._note_watermark(rows[self._since])

    def _newer(self, judged: pa.Table) -> pa.Array:
        if self._since is None or self._from is None or self._since not in judged.column_names:
            return pa.array(np.ones(judged.num_rows, bool))
        column = judged[self._since]
        least = pa.scalar(self._from, pa.string()).cast(column.type)
        return pc.fill_null(pc.greater_equal(column, least), fill_value=True).combine_chunks()

    def _note_watermark(self, column: pa.ChunkedArray) -> None:
        greatest = pc.max(column).as_py()
        if greatest is None:
            return
        text = greatest.astimezone(UTC).isoformat() if isinstance(greatest, datetime) else str(greatest)
        typed = pa.scalar(self.watermark, pa.string()).cast(column.type).as_py() if self.watermark else None
        if typed is None or greatest > typed:
            self.watermark = text

    def _without_erased(self, judged: pa.Table, good: pa.Array) -> tuple[pa.Table, pa.Array, set[int]]:
        """An erased customer's lines become tickets without a member; other rows of theirs are refused."""
        good = good.combine_chunks() if isinstance(good, pa.ChunkedArray) else good
        gone = erased_customers(self._vault, judged, self._cleared)
        if not gone:
            return judged, good, set()
        named = zip(judged["source"].to_pylist(), judged["customer_id"].to_pylist(), strict=True)
        hit = [customer is not None and subject(source, customer) in gone for source, customer in named]
        if not self.mapping.declared.column("customer_id").required:
            place = judged.column_names.index("customer_id")
            cleared = pc.if_else(pa.array(hit), pa.scalar(None, pa.string()), judged["customer_id"])
            return judged.set_column(place, "customer_id", cleared), good, set()
        return judged, pc.and_(good, pc.invert(pa.array(hit))), {place for place, is_hit in enumerate(hit) if is_hit}

    def _turn(self, rows: list[Turned], file_name: str) -> None:
        self.reasons.update(row.reason for row in rows)
        if not rows:
            return
        listed, bodies = turned_rows(
            rows,
            table=self.mapping.table,
            source=self.mapping.source,
            file_name=file_name,
            tokens=self._tokens,
            now=self._now,
            seen=self._seen,
        )
        self._writers[self._refused].write_table(listed)
        if not self._dry_run:
            self._vault.keep_bodies(bodies, now=self._now)

    def _turn_typed(self, rows: list[dict[str, Any]]) -> None:
        key = self.mapping.declared.key
        by_file: dict[str, list[Turned]] = {}
        for row in rows:
            cells = {name: row[name] for name in self.judge.given}
            faults = [(key[-1], "conflict", key[-1])]
            by_file.setdefault(row[FILE], []).append(Turned(row[ROW_NO], faults, cells, typed=True))
        for name, turned in by_file.items():
            self._turn(turned, name)


def _turned(judged: pa.Table, batch: Batch, bad: Any, erased: set[int]) -> Iterator[Turned]:
    for broken in batch.broken:
        yield Turned(broken.number, [("", broken.reason, "")], {"": broken.text})
    faults = judged[FAULTS].take(pa.array(bad)).to_pylist()
    raw = batch.rows.take(pa.array(bad)).to_pylist()
    numbers = batch.numbers.take(pa.array(bad)).to_pylist()
    for place, fault, cells, number in zip(bad, faults, raw, numbers, strict=True):
        if not fault and int(place) in erased:
            # Nothing of an erased person is kept, not even to be replayed.
            yield Turned(number, [("customer_id", "erased", "")], {})
            continue
        parts = [tuple(part.split("|", 2)) for part in fault.split("\x1f")]
        yield Turned(number, [(column, reason, header) for column, reason, header in parts], cells)
