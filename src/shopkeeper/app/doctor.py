"""Looks whether everything a shop needs is configured, reachable and there."""

import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.plan_file import read_shop_plan
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.schema.query import Query
from shopkeeper.storage.live_queue import set_aside

__all__ = ["Finding", "diagnose"]

_LOW_DISK_GB = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Args:
        what: What was looked at.
        ok: Whether it is well; None where it is optional and not there.
        found: What was found.
        next_step: What to do, if anything.
    """

    what: str
    ok: bool | None
    found: str
    next_step: str | None = None


def diagnose(shop: Shop) -> list[Finding]:
    """Looks at keys, stores, engines, disk and optional parts."""
    checks: tuple[tuple[str, Callable[[Shop], Finding]], ...] = (
        ("keys", _keys),
        ("lake", _lake),
        ("state", _state),
        ("vault", _vault),
        ("tracking plan", _plan),
        ("live", _live),
        ("duckdb", _duckdb),
        ("disk", _disk),
        ("spark", _spark),
        ("postgres", _postgres),
        ("mqtt", _mqtt),
    )
    return [_tried(what, check, shop) for what, check in checks]


def _tried(what: str, check: Callable[[Shop], Finding], shop: Shop) -> Finding:
    try:
        return check(shop)
    except ShopkeeperError as error:
        return Finding(what, ok=False, found=error.message, next_step=error.next_step)


def _keys(shop: Shop) -> Finding:
    folder = shop.folder / "keys"
    open_files = [file.name for file in folder.glob("*") if stat.S_IMODE(file.stat().st_mode) & 0o077]
    if open_files:
        return Finding(
            "keys", ok=False, found=f"others may read {', '.join(open_files)}", next_step=f"chmod 600 {folder}/*"
        )
    _ = shop.tokens
    return Finding("keys", ok=True, found="vault and token keys, readable by the owner only")


def _lake(shop: Shop) -> Finding:
    tables = shop.lake.tables()
    rows = sum(found.rows for name in tables if (found := shop.lake.snapshot(name)))
    next_step = None if tables else "shopkeeper load TABLE FILE"
    return Finding("lake", ok=True, found=f"{len(tables)} tables, {rows:,} rows", next_step=next_step)


def _state(shop: Shop) -> Finding:
    return Finding("state", ok=True, found=f"revision {shop.state.revision()} at {shop.state.place}")


def _vault(shop: Shop) -> Finding:
    _ = shop.vault
    return Finding("vault", ok=True, found="opens with its key")


def _plan(shop: Shop) -> Finding:
    plan = read_shop_plan(shop.folder)
    found = "none: every event is allowed" if plan.allows_all else f"{len(plan.events)} events expected"
    return Finding("tracking plan", ok=True, found=found)


def _live(shop: Shop) -> Finding:
    found = set_aside(shop.folder / LIVE_FILE)
    if not found:
        return Finding("live", ok=True, found="nothing was set aside by the reader of events or by segments")
    events = sum(each.part == "event" for each in found)
    told = f"{events} events and {len(found) - events} persons were set aside, last: {found[0].reason}"
    return Finding("live", ok=False, found=told, next_step="report the reason as a bug; the rest goes on")


def _duckdb(shop: Shop) -> Finding:
    shop.arrow(Query.from_sql("SELECT 1 AS one", name="doctor"))
    return Finding("duckdb", ok=True, found=f"answers within {shop.settings.engine.memory_limit}")


def _disk(shop: Shop) -> Finding:
    free = shutil.disk_usage(shop.folder).free / 1e9
    enough = free > _LOW_DISK_GB
    return Finding("disk", ok=enough, found=f"{free:,.0f} GB free", next_step=None if enough else "free some disk")


def _spark(shop: Shop) -> Finding:
    wanted = shop.settings.engine.kind == "spark"
    if find_spec("pyspark") is None:
        return Finding(
            "spark", ok=False if wanted else None, found="not installed", next_step="pip install 'shopkeeper[spark]'"
        )
    if shutil.which("java") is None:
        return Finding("spark", ok=False if wanted else None, found="no Java", next_step="install a Java 17 runtime")
    return Finding("spark", ok=True, found="installed, with Java")


def _postgres(shop: Shop) -> Finding:
    wanted = shop.settings.storage.state_url.startswith("postgres")
    if find_spec("psycopg") is None:
        return Finding(
            "postgres",
            ok=False if wanted else None,
            found="driver not installed",
            next_step="pip install 'shopkeeper[postgres]'",
        )
    return Finding("postgres", ok=True, found="driver installed" + ("" if wanted else ", not used"))


def _mqtt(shop: Shop) -> Finding:
    wanted = bool(shop.settings.mqtt.url)
    if find_spec("paho") is None:
        return Finding(
            "mqtt",
            ok=False if wanted else None,
            found="library not installed",
            next_step="pip install 'shopkeeper[mqtt]'",
        )
    return Finding("mqtt", ok=True, found="library installed" + ("" if wanted else ", not used"))
