"""Refreshes derived tables in order: skips what did not change, does again only the days and people that did."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from graphlib import TopologicalSorter
from typing import Any

import pyarrow as pa

from shopkeeper.app.shop import Shop, as_of_or_last
from shopkeeper.app.steps import Plan, plans
from shopkeeper.base.errors import MissingError
from shopkeeper.schema.step import Refresh
from shopkeeper.storage import warehouse
from shopkeeper.storage.changes import changed_days
from shopkeeper.storage.lake import Snapshot

__all__ = ["Progress", "RunReport", "StepReport", "run"]

Progress = Callable[[str, int, int], None]
"""Told the step that begins, its place from 1 and how many there are."""

_PREFIX = "shopkeeper."


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did.

    Args:
        name: The step.
        rows: Rows in its table now.
        seconds: How long it took.
        skipped: Whether nothing had changed.
        refreshed: `all`, or how many days or people were done again.
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
    progress: Progress | None = None,
) -> RunReport:
    """Refreshes derived tables.

    Args:
        shop: The shop.
        steps: Only these steps; all by default.
        until: The last step to do, with what it stands on.
        as_of: The day at whose end everything stands; the last with data by default.
        force: Do everything again, whole.
        progress: Told of each step as it begins.

    Raises:
        MissingError: A step is not known, or there are no data.
    """
    day = as_of_or_last(shop, as_of)
    ordered = _chosen(plans(shop, day), tuple(steps), until)
    reports = []
    for place, plan in enumerate(ordered, start=1):
        if progress:
            progress(plan.name, place, len(ordered))
        began = time.perf_counter()
        report = _refresh(shop, plan, day, force=force)
        reports.append(replace(report, seconds=round(time.perf_counter() - began, 3)))
    return RunReport(day, shop.engine.name, tuple(reports))


def _chosen(every: Sequence[Plan], steps: tuple[str, ...], until: str | None) -> list[Plan]:
    by_name = {plan.name: plan for plan in every}
    for name in (*steps, *([until] if until else [])):
        if name not in by_name:
            raise MissingError(f"there is no step '{name}'", place=f"steps: {', '.join(by_name)}")
    writer = {plan.writes: plan.name for plan in every}
    needs = {plan.name: {writer[t] for t in plan.reads if t in writer and t != plan.writes} for plan in every}
    order = [by_name[name] for name in TopologicalSorter(needs).static_order()]
    if until:
        wanted, stack = set(), [until]
        while stack:
            name = stack.pop()
            if name not in wanted:
                wanted.add(name)
                stack.extend(needs[name])
        order = [plan for plan in order if plan.name in wanted]
    if steps:
        order = [plan for plan in order if plan.name in steps]
    return order


def _refresh(shop: Shop, plan: Plan, as_of: date, *, force: bool) -> StepReport:
    inputs = {name: shop.lake.snapshot(name) for name in plan.reads if name != plan.writes}
    code = _code(plan)
    before = shop.lake.snapshot(plan.writes)
    fingerprint = _fingerprint(code, inputs)
    noted = {
        f"{_PREFIX}step": plan.name,
        f"{_PREFIX}as_of": as_of.isoformat(),
        f"{_PREFIX}code": code,
        f"{_PREFIX}fingerprint": fingerprint,
        **{f"{_PREFIX}input.{name}": str(found.id) for name, found in inputs.items() if found},
    }
    old = before.properties if before else {}
    if not force and before is not None and old.get(f"{_PREFIX}fingerprint") == fingerprint:
        return StepReport(plan.name, before.rows, 0.0, skipped=True, refreshed="nothing")
    partial = None if force else _partial(shop, plan, code, old, inputs, noted)
    if partial is not None:
        after, refreshed = partial
    else:
        after, refreshed = _whole(shop, plan, noted), "all"
    return StepReport(plan.name, after.rows if after else 0, 0.0, skipped=False, refreshed=refreshed)


def _whole(shop: Shop, plan: Plan, noted: dict[str, str]) -> Snapshot | None:
    made = plan.make(shop)
    if isinstance(made, pa.Table):
        return warehouse.replace_rows(shop.lake, shop.engine, plan.writes, made, noted)
    return warehouse.replace(shop.lake, shop.engine, plan.writes, made, properties=noted)


def _partial(
    shop: Shop,
    plan: Plan,
    code: str,
    old: Any,
    inputs: dict[str, Snapshot | None],
    noted: dict[str, str],
) -> tuple[Snapshot | None, str] | None:
    """Does only the changed days or people, where the state before still tells what they are."""
    if plan.refresh is Refresh.ALL or old.get(f"{_PREFIX}code") != code:
        return None
    days = _days_since(shop, "order_line", old, inputs)
    if days is None:
        return None
    if plan.refresh is Refresh.DAYS:
        made = plan.make_days(shop, tuple(days))
        return warehouse.replace_days(shop.lake, shop.engine, plan.writes, made, days, properties=noted), (
            f"{len(days)} days"
        )
    people = plan.changed(shop, days, old)
    if people is None:
        return None
    made = plan.make_people(shop)
    after = warehouse.replace(
        shop.lake, shop.engine, plan.writes, made, inputs={"changed_person": people}, properties=noted
    )
    return after, f"{people.num_rows} people"


def _days_since(shop: Shop, name: str, old: Any, inputs: dict[str, Snapshot | None]) -> list[date] | None:
    seen, present = old.get(f"{_PREFIX}input.{name}"), inputs.get(name)
    if seen is None or present is None:
        return None
    if int(seen) not in {each.id for each in shop.lake.history(name)}:
        return None
    return changed_days(shop.lake, shop.duckdb, name, int(seen), present.id)


def _code(plan: Plan) -> str:
    return hashlib.sha256(json.dumps([plan.code, plan.arguments], default=str).encode()).hexdigest()[:16]


def _fingerprint(code: str, inputs: dict[str, Snapshot | None]) -> str:
    ids = sorted((name, found.id if found else 0) for name, found in inputs.items())
    return hashlib.sha256(json.dumps([code, ids]).encode()).hexdigest()[:16]
