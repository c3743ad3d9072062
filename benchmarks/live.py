"""A running service under load: from an event's 200 to its value being readable, and how fast a person is read.

`shopkeeper serve` as it is, with everybody known, a serving set and published audiences; two programs beside it send
2,000 events a second and read 200 persons a second, on the same two cores. The loader and compactions run meanwhile.
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.chain_shop import TABLES, say
from benchmarks.figure import Figures, figure
from shopkeeper.app.api_key import create_key
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.run import run as refresh
from shopkeeper.app.segment import add_starters, read_audience
from shopkeeper.app.serving import SERVING_FILE
from shopkeeper.app.shop import Shop, init, now, open_shop
from shopkeeper.identity.link import record_id
from shopkeeper.sample.chain import chain
from shopkeeper.sample.size import SIZES
from shopkeeper.schema.query import Query
from shopkeeper.segment.document import to_document
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.live_history import HISTORY_FILE, LiveHistory
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.state.identifiers import Identified

__all__ = ["run"]

_SECONDS = float(os.environ.get("SHOPKEEPER_BENCH_LIVE_SECONDS", "600"))
_SIZE = os.environ.get("SHOPKEEPER_BENCH_LIVE", "20m")
_WORKERS = os.environ.get("SHOPKEEPER_BENCH_LIVE_WORKERS", "2")
_RATE = int(os.environ.get("SHOPKEEPER_BENCH_LIVE_RATE", "2000"))
_BATCH, _READS, _LOOKS = 100, 200, 2
_AUDIENCES = 20
_COMPACT_EVERY = 60.0
_WATCH_EVERY = 2.0
_SETTLES_WITHIN = 1_800.0
_WARM = 0.2  # of the time: memory is compared from then on, as minute 2 of 10
_FRESH_BAR, _READ_BAR, _GROWTH_BAR, _MEMORY_BAR = 1_000.0, 10.0, 0.01, 1.1


class Part(NamedTuple):
    """One process: bytes that it holds for itself, seconds of processor it took so far, whether it is of the load."""

    memory: int
    seconds: float
    is_load: bool


class Look(NamedTuple):
    """What was seen at an instant: seconds since the load began, batches behind, processes by name."""

    at: float
    behind: int
    parts: dict[str, Part]

    def memory(self) -> int:
        """What the service holds for itself."""
        return sum(part.memory for part in self.parts.values() if not part.is_load)


def run() -> Figures:
    """Measures freshness, reads, backlog and memory."""
    with tempfile.TemporaryDirectory(prefix="shopkeeper-live-", dir=os.environ.get("SHOPKEEPER_BENCH_FOLDER")) as made:
        folder = Path(made)
        plan, serving = _filled(folder)
        seen: list[Look] = []
        with _service(folder / "shop") as (process, port):
            plan |= {"port": port}
            programs = {what: _program(folder, what, plan) for what in ("send", "read")}
            _watch(folder / "shop", process, programs, seen)
        sent, read = (json.loads((folder / f"{what}.out").read_text(encoding="utf-8")) for what in ("send", "read"))
    for look in seen[:: max(1, len(seen) // 12)]:
        memory = ", ".join(f"{name} {part.memory >> 20}" for name, part in look.parts.items() if not part.is_load)
        say(f"{look.at:5.0f} s: {look.behind:,} batches behind; MB {memory}")
    _say_processor(seen)
    milliseconds = sorted(read["milliseconds"])
    say(f"{len(sent['fresh'])} looks; {len(milliseconds):,} reads, median {statistics.median(milliseconds):.2f} ms")
    return {
        "live_seconds": figure(_SECONDS, "s"),
        "live_events": figure(sent["events"] / _SECONDS, "events/s", bar=_RATE * 0.99, at_least=True),
        "live_answer_p99": figure(_p99(sent["answered"]), "ms"),
        "live_readable_median": figure(statistics.median(sent["fresh"]), "ms"),
        "live_readable_p99": figure(_p99(sent["fresh"]), "ms", bar=_FRESH_BAR),
        "live_backlog_growth": figure(_growth(seen), "of what comes in", bar=_GROWTH_BAR),
        "live_memory_growth": figure(_memory_growth(seen), "of minute 2", bar=_MEMORY_BAR),
        "live_read_median": figure(statistics.median(milliseconds), "ms"),
        "live_read_p99": figure(_p99(milliseconds), "ms", bar=_READ_BAR),
        **serving,
    }


def _filled(folder: Path) -> tuple[dict[str, Any], Figures]:
    """Makes the shop: a chain, its profile and serving set, published audiences, everybody in the map."""
    settings = {"chain.time_zone": "Asia/Shanghai", "chain.country": "CN", "engine.memory_limit": "2GB"}
    with init(folder / "shop", settings) as shop:
        ends_on = shop.today() - timedelta(days=1)
        size = SIZES[_SIZE].but(ends_on=ends_on)
        for name, files in chain(size).write(folder / "chain", tables=TABLES).items():
            shop.lake.append(name, [str(file) for file in files])
        _publish(shop)
        began = time.perf_counter()
        refresh(shop, until="profile", by="benchmark")
        refresh(shop, ("segments",), by="benchmark")
        say(f"run in {time.perf_counter() - began:.0f} s")
        members = _members(shop)
        (folder / "members").write_text("\n".join(members), encoding="utf-8")
        write_key = create_key(shop, ["collect"], source="app", user_kind="member_no")[1]
        read_key = create_key(shop, ["people.read"], name="reader")[1]
        figures = _serving_figures(shop, len(members))
    plan = {
        "members": str(folder / "members"), "write_key": write_key, "read_key": read_key, "seconds": _SECONDS,
        "rate": _RATE, "batch": _BATCH, "reads": _READS, "looks": _LOOKS, "seed": 1,
    }  # fmt: skip
    return plan, figures


def _publish(shop: Shop) -> None:
    add_starters(shop)
    for place in range(_AUDIENCES - len(shop.state.segments.all())):
        line = f'did event "Product Viewed" at least {2 + place} times in last 7 days and orders_90d >= {place % 4}'
        tree, _ = read_audience(shop, line)
        name = f"lookers_{place}"
        shop.state.segments.save(
            name, to_document(tree), label_en=name, label_zh=name, by="benchmark", now=now(shop), published=True
        )
    published = [saved for saved in shop.state.segments.all() if saved.published]
    if len(published) < _AUDIENCES:
        raise RuntimeError(f"{len(published)} audiences are published, not {_AUDIENCES}")


def _members(shop: Shop) -> list[str]:
    """Puts everybody's member number into the map; gives the persons."""
    query = Query.from_sql(
        "SELECT p.source, p.customer_id FROM person AS p JOIN profile AS f ON f.person_id = p.person_id "
        "ORDER BY p.source, p.customer_id",
        name="members",
    )
    rows = shop.arrow(query)
    tokens = shop.tokens.tokenise("member_no", rows["customer_id"].combine_chunks()).tokens.to_pylist()
    sources, customers = rows["source"].to_pylist(), rows["customer_id"].to_pylist()
    persons = [record_id(source, customer) for source, customer in zip(sources, customers, strict=True)]
    began, day = time.perf_counter(), date(2026, 1, 1)
    shop.state.identifiers.keep(
        Identified(token, person, "member_no", source, day, day, verified=True, claimed_by=None, claimed_at=None)
        for token, person, source in zip(tokens, persons, sources, strict=True)
    )
    say(f"{len(persons):,} members in the map in {time.perf_counter() - began:.0f} s")
    return persons


def _serving_figures(shop: Shop, people: int) -> Figures:
    """How long making the serving set takes, and how large it is."""
    from shopkeeper.app.serving import refresh_serving  # noqa: PLC0415

    file = shop.folder / SERVING_FILE
    file.unlink(missing_ok=True)
    began = time.perf_counter()
    refresh_serving(shop)
    seconds = time.perf_counter() - began
    return {
        "live_people": figure(people, "people"),
        "live_serving_seconds": figure(seconds / people * 1e6, "s a million people"),
        "live_serving_size": figure(file.stat().st_size / people, "bytes a person"),
    }


@contextmanager
def _service(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    environment = os.environ | {"SHOPKEEPER_COLLECT__LOAD_SECONDS": "30"}
    command = [sys.executable, "-m", "shopkeeper", "serve", "--shop", str(folder), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--workers", _WORKERS], env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        port = 0
        for line in process.stderr or ():
            if found := re.search(r"http://[\d.]+:(\d+)", line):
                port = int(found[1])
                break
        until = time.monotonic() + 60
        while not (folder / LIVE_FILE).exists() or not (folder / LOG_FILE).exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the service did not begin")
            time.sleep(0.2)
        began = time.monotonic()
        while not _is_settled(folder / HISTORY_FILE):
            if process.poll() is not None or time.monotonic() - began > _SETTLES_WITHIN:
                raise RuntimeError("the segments did not settle")
            time.sleep(0.5)
        say(f"segments settled in {time.monotonic() - began:.0f} s")
        time.sleep(3.0)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(150)


def _is_settled(file: Path) -> bool:
    """Whether the published segments run live: what they need is read, and membership follows the run."""
    history = LiveHistory.opened(file)
    if history is None:
        return False
    with closing(history):
        return history.note("day") is not None


def _program(folder: Path, what: str, plan: dict[str, Any]) -> subprocess.Popen[bytes]:
    (folder / f"{what}.plan").write_text(json.dumps(plan), encoding="utf-8")
    words = [what, str(folder / f"{what}.plan"), str(folder / f"{what}.out")]
    return subprocess.Popen([sys.executable, "-m", "benchmarks.live_load", *words])


def _watch(
    folder: Path, process: subprocess.Popen[str], programs: Mapping[str, subprocess.Popen[bytes]], seen: list[Look]
) -> None:
    """Looks at backlog, memory and processor until the programs end; has the lake compacted meanwhile."""
    began, compacted = time.monotonic(), 0.0
    with (
        open_shop(folder) as shop,
        closing(LogReader(folder / LOG_FILE)) as log,
        closing(LiveStore(folder / LIVE_FILE, reads_only=True)) as live,
    ):
        while any(program.poll() is None for program in programs.values()):
            at = time.monotonic() - began
            position = live.position()
            parts = _parts(process.pid, {program.pid: name for name, program in programs.items()})
            seen.append(Look(at, log.end() - position, parts))
            if at - compacted > _COMPACT_EVERY:
                compacted = at
                shop.state.jobs.plan("compact", now(shop))
            time.sleep(_WATCH_EVERY)
    for program in programs.values():
        if program.wait():
            raise RuntimeError("a program of the load failed")


def _parts(parent: int, programs: Mapping[int, str]) -> dict[str, Part]:
    """The processes of the service and of the load, by what each does and its id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes().split(b"\0")
            status = (entry / "status").read_text(encoding="utf-8")
        except OSError:
            continue
        load = programs.get(int(entry.name))
        if int(stat[1]) != parent and load is None:
            continue
        name = load or (words[3].decode() if len(words) > 3 else "?")
        anonymous = re.search(r"RssAnon:\s+(\d+) kB", status)
        memory = int(anonymous[1]) * 1024 if anonymous else 0
        seconds = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        found[f"{name} {entry.name}"] = Part(memory, seconds, is_load=load is not None)
    return found


def _say_processor(seen: Sequence[Look]) -> None:
    """Tells how much of a core each process took, from when all is warm."""
    steady = _part(seen, _WARM, 1.0)
    first, last = steady[0], steady[-1]
    took = {
        name: (part.seconds - first.parts[name].seconds) / (last.at - first.at)
        for name, part in last.parts.items()
        if name in first.parts
    }
    said = ", ".join(f"{name} {share:.2f}" for name, share in sorted(took.items()))
    say(f"of a core: {said}; all {sum(took.values()):.2f} of {os.cpu_count()}")


def _p99(ordered: Sequence[float]) -> float:
    return ordered[int(len(ordered) * 0.99)]


def _growth(seen: Sequence[Look]) -> float:
    """By how much of what comes in the backlog grows, from when all is warm: the slope of a straight line."""
    steady = _part(seen, _WARM, 1.0)
    slope, _ = statistics.linear_regression([look.at for look in steady], [look.behind for look in steady])
    return slope * _BATCH / _RATE


def _memory_growth(seen: Sequence[Look]) -> float:
    """What all processes together hold in the last tenth, over what they held in the tenth after warming up."""
    warm, last = (
        statistics.median(look.memory() for look in _part(seen, first, first + 0.1)) for first in (_WARM, 0.9)
    )
    return last / warm


def _part(seen: Sequence[Look], first: float, last: float) -> Sequence[Look]:
    """What was seen between two shares of the time; at least two looks."""
    begins = min(int(len(seen) * first), len(seen) - 2)
    return seen[begins : max(int(len(seen) * last), begins + 2)]
