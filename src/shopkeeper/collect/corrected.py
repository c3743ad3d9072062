"""Corrected rows: rows refused before that a later load brings in mended.

A waiting row has come in when a load writes a row under its key. Where the key itself was at fault, it is the row at
the same place of a file of the same name that differs from it in nothing but its faults, and agrees in something.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from shopkeeper.collect.cast import quoted
from shopkeeper.collect.judge import ROW_NO
from shopkeeper.collect.refused import Refused, Waiting
from shopkeeper.collect.settle import SEQ, Settled
from shopkeeper.collect.stage import FILE, Stage
from shopkeeper.schema.table import Type
from shopkeeper.storage.engine.duckdb import DuckDBEngine, translated

__all__ = ["corrected"]

_ID = "refused_id"
_Texts = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class _Read:
    """A waiting row as the judge reads it now: its columns as text, and those at fault."""

    row: Refused
    texts: _Texts = field(repr=False)
    faults: frozenset[str] = frozenset()


def corrected(engine: DuckDBEngine, stage: Stage, settled: Settled, waiting: Sequence[Refused]) -> list[str]:
    """Gives the ids of the waiting rows that came in with a load.

    Args:
        engine: Joins them with the staged rows.
        stage: The load; its judge reads the waiting rows too.
        settled: What becomes of its rows.
        waiting: Rows refused before, and not in this load.
    """
    keys = [name for name in settled.table.key if name in settled.given]
    read = [_numbered(one, keys) for one in _read(stage, waiting)]
    keyed = [one for one in read if all(one.texts.get(name) is not None for name in keys)]
    others = [one for one in read if any(one.texts.get(name) is None for name in keys)]
    found = [
        one.row.refused_id
        for one, written in _written(engine, settled, keyed, {name: name for name in keys})
        # A conflict is settled by the row itself, not by the one that it contradicts.
        if not one.row.typed or all(one.texts.get(name) == written[name] for name in settled.given)
    ]
    found += [
        one.row.refused_id
        for one, written in _written(engine, settled, others, {ROW_NO: ROW_NO, FILE: FILE})
        if _differs_in_faults_only(one, written, settled, keys) and _agrees(one, written, stage, keys)
    ]
    return sorted(set(found))


def _read(stage: Stage, waiting: Sequence[Refused]) -> Iterator[_Read]:
    untyped = [row for row in waiting if not row.typed]
    judged = stage.read_again(Waiting(untyped, stage.mapping.headers)) if untyped else {}
    for number, row in enumerate(untyped, start=1):
        texts, faults = judged.get(number, ({}, frozenset()))
        yield _Read(row, texts, faults)
    yield from (_Read(row, dict(row.cells)) for row in waiting if row.typed)


def _numbered(one: _Read, keys: Sequence[str]) -> _Read:
    """With the place among the lines of its order that it was refused at, where lines bear no number."""
    place = str(one.row.ordinal) if one.row.ordinal is not None else None
    known: _Texts = {"line_no": place} if "line_no" in keys and one.texts.get("line_no") is None else {}
    return _Read(one.row, one.texts | known | {ROW_NO: str(one.row.number), FILE: one.row.file_name}, one.faults)


def _written(
    engine: DuckDBEngine, settled: Settled, read: Sequence[_Read], on: dict[str, str]
) -> Iterator[tuple[_Read, _Texts]]:
    """Pairs waiting rows with the rows that the load writes and that agree with them in some columns."""
    if not read:
        return
    wanted = pa.table(
        {_ID: [one.row.refused_id for one in read]}
        | {name: pa.array([one.texts.get(name) for one in read], pa.string()) for name in on}
    )
    given = ", ".join(f"CAST(s.{name} AS VARCHAR) AS {name}" for name in settled.given)
    same = " AND ".join(f"CAST(s.{name} AS VARCHAR) = w.{name}" for name in on)
    by_id = {one.row.refused_id: one for one in read}
    with translated(settled.table.name):
        connection = engine.connection()
        connection.register("wanted", wanted)
        connection.register("verdict", settled.verdicts)
        rows = connection.sql(
            f"SELECT w.{_ID}, {given} FROM read_parquet({quoted(str(settled.staged))}) AS s JOIN wanted AS w ON {same} "
            f"LEFT JOIN verdict AS v ON v.{SEQ} = s.{SEQ} WHERE coalesce(v.put, true)"
        ).to_arrow_table()
    for found in rows.to_pylist():
        yield by_id[found.pop(_ID)], found


def _differs_in_faults_only(one: _Read, written: _Texts, settled: Settled, keys: Sequence[str]) -> bool:
    if (line := one.row.cells.get("")) is not None:
        texts = [name for name in settled.given if settled.table.column(name).type is Type.STRING and name != "source"]
        said = [written[name] for name in texts if name in keys]
        return bool(said) and all(text is not None and text in line for text in said)
    apart = one.faults | set(keys)
    return all(one.texts.get(name) in (None, written[name]) or name in apart for name in settled.given)


def _agrees(one: _Read, written: _Texts, stage: Stage, keys: Sequence[str]) -> bool:
    """Whether a value of the row's own, not one that the mapping gives to all, says that it is the same row."""
    if "" in one.row.cells:
        return True
    own = [rule.target for rule in stage.mapping.rules if rule.column and one.row.cells.get(rule.column)]
    return any(name not in keys and one.texts.get(name) == written[name] is not None for name in own)
