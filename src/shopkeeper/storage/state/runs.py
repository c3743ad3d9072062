"""Runs: every `run` with its steps, how many rows each wrote and how long it took."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping, func, select, update

from shopkeeper.base.errors import ConflictError, MissingError
from shopkeeper.base.ids import new_id
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Run", "RunStep", "Runs"]


@dataclass(frozen=True, slots=True)
class RunStep:
    """One step of one run.

    Args:
        name: The step.
        rows: How many rows it wrote.
        seconds: How long it took.
        skipped: Whether nothing had changed for it.
        quality: What the checks of its table found (JSON).
        ended_at: When it ended.
    """

    name: str
    rows: int
    seconds: float
    skipped: bool
    quality: Mapping[str, Any]
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Args:
        id: Its id.
        as_of: The day it computed.
        engine: `duckdb` or `spark`.
        state: `running`, `done` or `failed`.
        started_by: Who or what started it.
        started_at: When.
        ended_at: When it ended.
        error: Why it failed.
        steps: Its steps in order.
    """

    id: str
    as_of: date | None
    engine: str
    state: str
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    error: str | None
    steps: tuple[RunStep, ...] = ()


class Runs:
    """The runs of a shop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, *, as_of: date | None, engine: str, by: str, now: datetime) -> Run:
        """Notes that a run started."""
        run = Run(new_id("run"), as_of, engine, "running", by, now, None, None)
        row = {name: getattr(run, name) for name in Run.__slots__ if name != "steps"}
        row["as_of"] = as_of.isoformat() if as_of is not None else None
        with self._database.write() as connection:
            connection.execute(tables.runs.insert().values(row))
        return run

    def step(
        self,
        run_id: str,
        name: str,
        *,
        rows: int,
        seconds: float,
        skipped: bool,
        now: datetime,
        quality: Mapping[str, Any] | None = None,
    ) -> RunStep:
        """Notes that a step of a run ended.

        Raises:
            MissingError: There is no such run.
        """
        step = RunStep(name, rows, seconds, skipped, dict(quality or {}), now)
        steps = tables.run_steps
        row = {field: getattr(step, field) for field in RunStep.__slots__}
        with self._database.write() as connection:
            last = connection.scalar(select(func.max(steps.c.position)).where(steps.c.run_id == run_id))
            connection.execute(steps.insert().values(run_id=run_id, position=(last or 0) + 1, **row))
        return step

    def finish(self, run_id: str, *, now: datetime) -> Run:
        """Notes that a run is done.

        Raises:
            ConflictError: It is not running.
        """
        return self._end(run_id, {"state": "done", "ended_at": now})

    def fail(self, run_id: str, error: str, *, now: datetime) -> Run:
        """Notes that a run failed, and why.

        Raises:
            ConflictError: It is not running.
        """
        return self._end(run_id, {"state": "failed", "ended_at": now, "error": error})

    def get(self, run_id: str) -> Run:
        """Gives a run with its steps.

        Raises:
            MissingError: There is none.
        """
        steps = tables.run_steps
        with self._database.read() as connection:
            row = connection.execute(select(tables.runs).where(tables.runs.c.id == run_id)).mappings().first()
            found = (
                connection.execute(select(steps).where(steps.c.run_id == run_id).order_by(steps.c.position))
                .mappings()
                .all()
            )
        if row is None:
            raise MissingError(f"there is no run '{run_id}'", next_step="shopkeeper run")
        return _run(row, tuple(RunStep(**{name: step[name] for name in RunStep.__slots__}) for step in found))

    def last(self, *, state: str | None = None) -> Run | None:
        """Gives the newest run with its steps, of a state if one is given."""
        found = self.recent(limit=1, state=state)
        return self.get(found[0].id) if found else None

    def recent(self, *, limit: int = 100, state: str | None = None) -> list[Run]:
        """Gives runs without their steps, newest first."""
        runs = tables.runs
        query = select(runs).order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(runs.c.state == state)
        with self._database.read() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def _end(self, run_id: str, values: dict[str, object]) -> Run:
        runs = tables.runs
        with self._database.write() as connection:
            change = update(runs).where(runs.c.id == run_id, runs.c.state == "running").values(values)
            if not connection.execute(change).rowcount:
                raise ConflictError(f"run '{run_id}' is not running", next_step="shopkeeper run")
        return self.get(run_id)


def _run(row: RowMapping, steps: tuple[RunStep, ...] = ()) -> Run:
    values = dict(row)
    as_of = values.pop("as_of")
    return Run(as_of=date.fromisoformat(as_of) if as_of is not None else None, steps=steps, **values)
