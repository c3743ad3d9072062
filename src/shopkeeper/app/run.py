"""Refreshes derived tables in order: skips what did not change, does again only the days and people that did."""

import difflib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from graphlib import TopologicalSorter

import pyarrow as pa

from shopkeeper.app.changed import LINES, days_to_redo, has_other_records, others, people_to_redo
from shopkeeper.app.cuts import KINDS, keep_filed
from shopkeeper.app.erased import erased_meanwhile
from shopkeeper.app.log import noted
from shopkeeper.app.map_seed import seed
from shopkeeper.app.plan import Plan
from shopkeeper.app.serving import refresh_serving
from shopkeeper.app.shop import Shop, as_of_or_last, now
from shopkeeper.app.steps import plans
from shopkeeper.base.errors import MissingError
from shopkeeper.schema.query import Query
from shopkeeper.schema.step import Refresh
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage import warehouse
from shopkeeper.storage.lake import INPUT, Snapshot
from shopkeeper.storage.part import parts
from shopkeeper.storage.retrying import retrying

__all__ = ["PEOPLE_AT_ONCE", "Progress", "RunReport", "StepReport", "run"]

Progress = Callable[[str, int, int], None]
"""Told the step that begins, its place from 1 and how many there are."""

PEOPLE_AT_ONCE = 2_000_000
"""How many people a table of people is made for at a time; with five million at once DuckDB needed more than 5 GB."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did.

    Args:
        name: The step.
        rows: Rows in its table now.
        seconds: How long it took.
        skipped: Whether nothing had changed.
        refreshed: `all`, `nothing`, or how many days or people were done again.
    """

    name: str
    rows: int
    seconds: float
    skipped: bool
    refreshed: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did."""

    as_of: date
    engine: str
    steps: tuple[StepReport, ...]


def run(
    shop: Shop,
    steps: Sequence[str] = (),
    *,
    until: str | None = None,
    as_of: date | None = None,
    force: bool = False,
    by: str = "cli",
    progress: Progress | None = None,
) -> RunReport:
    """Refreshes derived tables and, where all of them were asked for, the serving set.

    Args:
        shop: The shop.
        steps: Only these steps, with the map of identifiers as it stands; all by default.
        until: The last step to do, with what it stands on.
        as_of: The day at whose end everything stands; the last with data by default.
        force: Do everything again, whole.
        by: Who asked, for the record.
        progress: Told of each step as it begins.

    Raises:
        MissingError: A step is not known, or there are no data.
    """
    day = as_of_or_last(shop, as_of)
    if not steps:
        seed(shop)
    for kind in KINDS:
        keep_filed(shop, kind)
    ordered = _chosen(plans(shop), tuple(steps), until)
    record = shop.state.runs.start(as_of=day, engine=shop.engine.name, by=by, now=now(shop))
    reports = []
    plan: Plan | None = None
    try:
        with erased_meanwhile(shop):
            for place, plan in enumerate(ordered, start=1):
                if progress:
                    progress(plan.name, place, len(ordered))
                began = time.perf_counter()
                refresh = partial(_refresh, shop, plan, day, force=force)
                done = replace(retrying(refresh), seconds=round(time.perf_counter() - began, 3))
                shop.state.runs.step(
                    record.id, done.name, rows=done.rows, seconds=done.seconds, skipped=done.skipped, now=now(shop)
                )
                reports.append(done)
        plan = None
        if not steps and until is None:
            refresh_serving(shop)
    except Exception as error:
        shop.state.runs.fail(record.id, f"{plan.name if plan else 'serving'}: {noted(error)}", now=now(shop))
        raise
    shop.state.runs.finish(record.id, now=now(shop))
    return RunReport(day, shop.engine.name, tuple(reports))


def _chosen(every: Sequence[Plan], steps: tuple[str, ...], until: str | None) -> list[Plan]:
    by_name = {plan.name: plan for plan in every}
    for name in (*steps, *([until] if until else [])):
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, 1)
            hint = f"did you mean '{near[0]}'?" if near else "name one of these, or none for all"
            raise MissingError(f"there is no step '{name}'", place=f"steps: {', '.join(by_name)}", next_step=hint)
    writer = {plan.writes: plan.name for plan in every}
    needs = {plan.name: {writer[read] for read in plan.reads if read in writer} - {plan.name} for plan in every}
    order = [by_name[name] for name in TopologicalSorter(needs).static_order()]
    wanted = set(steps)
    stack = [until] if until else []
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(needs[name])
    return [plan for plan in order if not wanted or plan.name in wanted]


@dataclass(frozen=True, slots=True)
class _Noted:
    """What a derived table's snapshot says of how it was made."""

    code: str
    as_of: date
    fingerprint: str
    inputs: Mapping[str, int]
    arguments: str = "{}"

    @classmethod
    def wanted(cls, shop: Shop, plan: Plan, as_of: date) -> "_Noted":
        """What will be noted of the table when it is made now."""
        found = {name: shop.lake.snapshot(name) for name in plan.reads if name != plan.writes}
        inputs = {name: snapshot.id for name, snapshot in found.items() if snapshot}
        code = _hash(plan.code, dict(plan.arguments))
        fingerprint = _hash(code, as_of if plan.takes_as_of else None, sorted(inputs.items()))
        return cls(code, as_of, fingerprint, inputs, json.dumps(dict(plan.arguments), default=str))

    @classmethod
    def found(cls, snapshot: Snapshot | None) -> "_Noted | None":
        """What was noted when the table was made last."""
        properties = snapshot.properties if snapshot else {}
        if "shopkeeper.fingerprint" not in properties:
            return None
        return cls(
            properties["shopkeeper.code"],
            date.fromisoformat(properties["shopkeeper.as_of"]),
            properties["shopkeeper.fingerprint"],
            snapshot.inputs if snapshot else {},
        )

    def properties(self, step: str) -> dict[str, str]:
        """The snapshot properties that note it."""
        return {
            "shopkeeper.step": step,
            "shopkeeper.code": self.code,
            "shopkeeper.as_of": self.as_of.isoformat(),
            "shopkeeper.fingerprint": self.fingerprint,
            "shopkeeper.arguments": self.arguments,
            **{f"{INPUT}{name}": str(id_) for name, id_ in self.inputs.items()},
        }


def _refresh(shop: Shop, plan: Plan, as_of: date, *, force: bool) -> StepReport:
    wanted, before = _Noted.wanted(shop, plan, as_of), shop.lake.snapshot(plan.writes)
    old = None if force else _Noted.found(before)
    if old is not None and before is not None and old.fingerprint == wanted.fingerprint:
        return StepReport(plan.name, before.rows, 0.0, skipped=True, refreshed="nothing")
    part = None
    if old is not None and old.code == wanted.code:
        if plan.refresh is Refresh.DAYS:
            part = _days(shop, plan, old, wanted)
        elif plan.refresh is Refresh.PEOPLE:
            part = _people(shop, plan, old, wanted)
        elif plan.refresh is Refresh.RECORDS and has_other_records(shop, old.inputs, wanted.inputs) is False:
            part = before, "0 records"
    after, refreshed = part or (_whole(shop, plan, wanted), "all")
    return StepReport(plan.name, after.rows if after else 0, 0.0, skipped=False, refreshed=refreshed)


def _whole(shop: Shop, plan: Plan, wanted: _Noted) -> Snapshot | None:
    properties = wanted.properties(plan.name)
    if plan.make is not None:
        rows: pa.Table = plan.make(shop, wanted.as_of)
        return warehouse.replace_rows(shop.lake, shop.engine, plan.writes, rows, properties, leases=shop.state.leases)
    if plan.refresh is Refresh.DAYS:
        return warehouse.replace_parts(
            shop.lake,
            shop.engine,
            plan.writes,
            parts(shop.lake, LINES),
            lambda part: plan.query(wanted.as_of, days=part.days),
            properties=properties,
            leases=shop.state.leases,
        )
    queries = [plan.query(wanted.as_of)] if plan.refresh is not Refresh.PEOPLE else _shares(shop, plan, wanted.as_of)
    return warehouse.replace(
        shop.lake, shop.engine, plan.writes, *queries, properties=properties, leases=shop.state.leases
    )


def _shares(shop: Shop, plan: Plan, as_of: date) -> list[Query]:
    persons = shop.lake.snapshot("person")
    number = -(-persons.rows // PEOPLE_AT_ONCE) if persons and persons.rows else 1
    return [plan.query(as_of, share=(place, number)) for place in range(number)]


def _days(shop: Shop, plan: Plan, old: _Noted, wanted: _Noted) -> tuple[Snapshot | None, str] | None:
    """Does the business days again whose lines or products changed."""
    days = days_to_redo(shop, old.inputs, wanted.inputs, plan.through)
    if days is None:
        return None
    if not days:
        return shop.lake.snapshot(plan.writes), "0 days"
    query = plan.query(wanted.as_of, days=tuple(days))
    properties = wanted.properties(plan.name)
    after = warehouse.replace_days(
        shop.lake, shop.engine, plan.writes, query, days, properties=properties, leases=shop.state.leases
    )
    return after, f"{len(days)} days"


def _people(shop: Shop, plan: Plan, old: _Noted, wanted: _Noted) -> tuple[Snapshot | None, str] | None:
    """Does the people again whose lines, products or records changed, or whose lines came into sight."""
    if wanted.as_of < old.as_of:
        return None
    seen = [old.as_of + timedelta(days=ahead) for ahead in range(1, (wanted.as_of - old.as_of).days + 1)]
    people = people_to_redo(shop, old.inputs, wanted.inputs, seen, plan.through)
    if people is None:
        return None
    before, table = shop.lake.snapshot(plan.writes), declared_table(plan.writes)
    if before is None or not people.num_rows:
        return before, "0 people"
    inputs = {"changed_person": people}
    files = shop.engine.write(plan.query(wanted.as_of, changed=True), table, inputs)
    files += shop.engine.write(others(table), table, inputs)
    after = shop.lake.replace(plan.writes, files, wanted.properties(plan.name), expected=before.id)
    return after, f"{people.num_rows} people"


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
