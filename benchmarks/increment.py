"""A day's increment of a chain, late and corrected lines included, against making everything again."""

import os
import time
from datetime import date, timedelta
from itertools import pairwise

from benchmarks.chain_shop import chain_shop, digest, say
from benchmarks.figure import Figures, figure
from shopkeeper.app.run import run as refresh
from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table
from shopkeeper.storage import warehouse

__all__ = ["SIZE", "run"]

SIZE = os.environ.get("SHOPKEEPER_BENCH_INCREMENT", "100m")
_UP_TO_PROFILE = ("product_fact", "basket", "person", "person_habit", "profile")
_DERIVED = (*_UP_TO_PROFILE, "lifecycle_balance", "coverage", "store_day", "department_day")
_SHARE = 0.20
_LATE_DAYS = 7
_CORRECTED_BEFORE = 45
_COLUMNS = ", ".join(table("order_line").column_names)
# One order in two hundred of the last week came a few days late.
_HELD = "business_day = $last OR (business_day >= $week AND right(order_id, 2) = '42' AND length(order_id) % 2 = 0)"


def run(size: str = SIZE) -> Figures:
    """Runs everything on all but a day, adds the day, and compares the increment with a rebuild of the same state.

    Raises:
        AssertionError: The increment is not equal to the rebuild, row by row.
    """
    with chain_shop(size) as shop:
        last = shop.last_day()
        held = _hold_back(shop, last)
        _timed(shop, last - timedelta(days=1), "everything but the last day")
        changed = _bring(shop, last, held)
        increments = _timed(shop, last, "the increment")
        kept = {name: digest(shop, name) for name in _DERIVED}
        rebuilds = _timed(shop, last, "the rebuild", force=True)
        whole = {name: digest(shop, name) for name in _DERIVED}
        unequal = [name for name in _DERIVED if kept[name] != whole[name]]
        if unequal:
            raise AssertionError(f"the increment differs from the rebuild in {', '.join(unequal)}")
        say(f"  equal row by row in {', '.join(_DERIVED)}; {changed:,} lines came or changed")
    own, whole_own = [sum(times[step] for step in _UP_TO_PROFILE) for times in (increments, rebuilds)]
    return {
        f"increment_{size}": figure(
            sum(increments.values()), "s", against=sum(rebuilds.values()), bar=_SHARE, of_ratio=True
        ),
        f"increment_{size}_to_profile": figure(own, "s", against=whole_own),
    }


def _hold_back(shop: Shop, last: date) -> list[str]:
    """Takes the last day and the late orders of the week before out of the lines; gives the files they stand in."""
    days = [last - timedelta(days=back) for back in range(_LATE_DAYS)]
    week = min(days)
    where = f"business_day >= $week AND business_day <= $last AND ({_HELD})"
    held = Query.from_sql(f"SELECT {_COLUMNS} FROM order_line WHERE {where}", name="held back", last=last, week=week)
    files = shop.duckdb.write(held, table("order_line"))
    kept = Query.from_sql(
        f"SELECT {_COLUMNS} FROM order_line WHERE business_day >= $week AND business_day <= $last AND NOT ({_HELD})",
        name="on time",
        last=last,
        week=week,
    )
    warehouse.replace_days(shop.lake, shop.duckdb, "order_line", kept, days)
    return files


def _bring(shop: Shop, last: date, held: list[str]) -> int:
    """Brings the day and the late orders, and corrects the prices of one product in a hundred on an old day."""
    before = shop.lake.snapshot("order_line")
    after = shop.lake.append("order_line", held)
    day = last - timedelta(days=_CORRECTED_BEFORE)
    corrected = Query.from_sql(
        "SELECT * REPLACE (CASE WHEN right(product_id, 2) = '07' THEN CAST(net_amount * 2 AS DECIMAL(18, 4)) "
        "ELSE net_amount END AS net_amount) FROM order_line WHERE business_day = $day",
        name="corrected",
        day=day,
    )
    count = Query.from_sql(
        "SELECT count(*) AS n FROM order_line WHERE business_day = $day AND right(product_id, 2) = '07'",
        name="corrected lines",
        day=day,
    )
    (row,) = shop.arrow(count).to_pylist()
    warehouse.replace_days(shop.lake, shop.duckdb, "order_line", corrected, [day])
    return (after.rows if after else 0) - (before.rows if before else 0) + int(row["n"])


def _timed(shop: Shop, as_of: date, what: str, *, force: bool = False) -> dict[str, float]:
    """Makes every table that follows from the lines; gives the seconds of each step."""
    began, busy = time.perf_counter(), [time.process_time()]
    found = refresh(
        shop,
        _DERIVED,
        as_of=as_of,
        force=force,
        by="benchmark",
        progress=lambda *_: busy.append(time.process_time()),
    )
    seconds = time.perf_counter() - began
    busy = [*busy[1:], time.process_time()]
    say(f"{what}: {seconds:.1f} s, {busy[-1] - busy[0]:.1f} s of processor")
    for step, (begin, end) in zip(found.steps, pairwise(busy), strict=True):
        say(f"  {step.name}: {step.refreshed}, {step.seconds:.1f} s, {end - begin:.1f} s of processor")
    return {step.name: step.seconds for step in found.steps}
