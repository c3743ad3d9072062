"""The data page: tables, where they come from, what was checked and refused, and the jobs that keep them fresh."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shopkeeper.app.check import check
from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.pages.personal import MASKED
from shopkeeper.app.pages.reading import rows
from shopkeeper.app.schedule import ask_run
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.table import TableState, describe, list_tables, show
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Column, Privacy, TableKind
from shopkeeper.schema.tables import TABLES
from shopkeeper.storage.lake import Snapshot
from shopkeeper.storage.live_queue import Aside, set_aside
from shopkeeper.storage.state.jobs import Job
from shopkeeper.storage.state.loads import Load
from shopkeeper.storage.state.runs import Run

__all__ = [
    "Check",
    "Edge",
    "Refusals",
    "RefusedRow",
    "TablePage",
    "Work",
    "check_now",
    "checks",
    "lineage",
    "refusals",
    "run_now",
    "table_page",
    "table_sample",
    "work",
]

_ROWS_SHOWN = 20
_REFUSED_SHOWN = 100
_RUNS_SHOWN = 10
_SNAPSHOTS_SHOWN = 10
_PATIENCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Edge:
    """One table that another was computed from."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class TablePage:
    """One table.

    Args:
        state: Rows, bytes, when it was written, what it came from.
        columns: Its columns.
        feeds: The tables that were computed from it.
        snapshots: Its newest states, newest first.
    """

    state: TableState
    columns: tuple[Column, ...]
    feeds: tuple[str, ...]
    snapshots: tuple[Snapshot, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One quality check of one table, as it came out last."""

    table_name: str
    check_name: str
    severity: str
    ok: bool
    found: int
    sample: str | None
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """One row that was turned away; never the value itself."""

    refused_id: str
    table_name: str
    source: str
    file_name: str | None
    row_no: int | None
    column_name: str | None
    reason: str
    masked_value: str | None
    state: str
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class Refusals:
    """The rows that still wait, counted by table and reason, the newest of them, and what live state set aside."""

    total: int
    by_reason: tuple[Mapping[str, Any], ...] = field(hash=False)
    newest: tuple[RefusedRow, ...]
    aside: tuple[Aside, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs with last and next run, the newest runs with their steps, the newest loads.

    Args:
        jobs: The jobs.
        last_run: The newest run.
        runs: The newest runs.
        loads: The newest loads.
        is_busy: Whether a worker does the job `run`.
        waits: Whether a run is due that no worker has taken yet.
        is_followed: Whether it pays to look again soon: a run is under way, or has waited for a moment only.
        has_worker: Whether the settings have a worker at all.
    """

    jobs: tuple[Job, ...]
    last_run: Run | None
    runs: tuple[Run, ...]
    loads: tuple[Load, ...]
    is_busy: bool
    waits: bool
    is_followed: bool
    has_worker: bool


_IDS = frozenset({"customer_id", "person_id"})


def lineage(shop: Shop) -> tuple[Edge, ...]:
    """Gives which table was computed from which, as their snapshots say."""
    return tuple(Edge(source, state.name) for state in list_tables(shop) for source in state.inputs)


def table_page(shop: Shop, name: str) -> TablePage:
    """Gives one table.

    Raises:
        MissingError: The dictionary has no such table.
    """
    state, columns = describe(shop, name)
    written = name in shop.lake.tables()
    return TablePage(
        state=state,
        columns=columns,
        feeds=tuple(edge.target for edge in lineage(shop) if edge.source == name),
        snapshots=tuple(reversed(shop.lake.history(name)))[:_SNAPSHOTS_SHOWN] if written else (),
    )


def table_sample(shop: Shop, name: str, *, with_persons: bool = True) -> list[dict[str, Any]]:
    """Gives the first rows of a table: columns of tokens left out, personal ones masked but for the ids of records.

    Args:
        shop: The shop.
        name: The table.
        with_persons: Whether the visitor may see persons.

    Raises:
        MissingError: The dictionary has no such table.
    """
    _, columns = describe(shop, name)
    shown = [column.name for column in columns if column.privacy is not Privacy.TOKEN]
    found: list[dict[str, Any]] = show(shop, name, _ROWS_SHOWN).select(shown).to_pylist()
    personal = {each.name for each in columns if each.privacy is Privacy.PERSON}
    if with_persons:
        # What was computed of persons is shown to who may see them; what a source says of them, for a reason only.
        personal = set() if TABLES[name].kind is TableKind.DERIVED else personal - _IDS
    return [
        {key: MASKED if key in personal and value is not None else value for key, value in row.items()} for row in found
    ]


def checks(shop: Shop) -> tuple[Check, ...]:
    """Gives the quality checks as they came out last, failed ones first; of tables about persons none by its key."""
    query = Query.from_sql(
        """
        SELECT table_name, check_name, severity, ok, found, sample, checked_at
        FROM quality_check
        ORDER BY ok, severity, table_name, check_name
        """,
        name="quality checks",
    )
    return tuple(
        Check(**row | ({"sample": None} if _names_persons(row["table_name"]) else {})) for row in rows(shop, query)
    )


def _names_persons(name: str) -> bool:
    return name not in TABLES or TABLES[name].is_personal


def refusals(shop: Shop) -> Refusals:
    """Gives the refused rows that still wait."""
    counted = Query.from_sql(
        """
        SELECT table_name, source, reason, column_name, COUNT(*) AS rows, MAX(refused_at) AS newest
        FROM refused
        WHERE state = 'open'
        GROUP BY table_name, source, reason, column_name
        ORDER BY rows DESC, table_name, reason, column_name
        """,
        name="refused rows by reason",
    )
    newest = Query.from_sql(
        """
        SELECT refused_id, table_name, source, file_name, row_no, column_name, reason, masked_value, state, refused_at
        FROM refused
        WHERE state = 'open'
        ORDER BY refused_at DESC, refused_id
        LIMIT $shown
        """,
        name="refused rows",
        shown=_REFUSED_SHOWN,
    )
    by_reason = rows(shop, counted)
    return Refusals(
        sum(row["rows"] for row in by_reason),
        tuple(by_reason),
        tuple(RefusedRow(**row) for row in rows(shop, newest)),
        tuple(set_aside(shop.folder / LIVE_FILE)[:_REFUSED_SHOWN]),
    )


def work(shop: Shop) -> Work:
    """Gives the jobs, runs and loads."""
    state = shop.state
    jobs, at = tuple(state.jobs.all()), now(shop)
    run = next((job for job in jobs if job.name == "run"), None)
    is_busy = run is not None and run.holder is not None and run.held_until is not None and run.held_until > at
    since = run.next_at if run is not None and not is_busy else None
    waits = since is not None and since <= at
    return Work(
        jobs,
        state.runs.last(),
        tuple(state.runs.recent(limit=_RUNS_SHOWN)),
        tuple(state.loads.recent(limit=_RUNS_SHOWN)),
        is_busy=is_busy,
        waits=waits,
        is_followed=is_busy or (waits and since is not None and at - since < _PATIENCE),
        has_worker=shop.settings.schedule.enabled,
    )


def run_now(shop: Shop, *, by: str, at: datetime) -> None:
    """Asks the worker for a run as soon as it can, and leaves an audit row.

    Raises:
        UnavailableError: The settings have no worker.
    """
    ask_run(shop)
    shop.state.audit.append(by, "run", "shop", now=at)


def check_now(shop: Shop, *, by: str, at: datetime) -> None:
    """Runs the checks of every table, and leaves an audit row."""
    check(shop)
    shop.state.audit.append(by, "quality.check", "lake", now=at)
