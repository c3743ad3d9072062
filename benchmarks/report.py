"""The page of figures: what was measured, against what, on which machine."""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, Figures
from benchmarks.process import CORES

__all__ = ["LATEST", "PAGE", "beside", "page"]

LATEST = Path(__file__).with_name("latest.json")
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_CARDS = Path(__file__).with_name("cards.json")
_LIBRARIES = ("duckdb", "pyspark", "pyarrow", "pyiceberg", "sqlglot", "lightgbm", "scikit-learn")


@dataclass(frozen=True, slots=True)
class _Part:
    """One heading of the page: the figures whose names begin so, and how they are measured."""

    prefix: str
    heading: str
    how: str


_PARTS = (
    _Part(
        "wheel",
        "The whole wheel on Complete Journey",
        """
`shopkeeper demo --no-serve --json` in a process of its own, from its start to its end: interpreter and imports, a new
shop, eight tables loaded, every step, models back-tested, the report. Memory is the most the process held resident.
Installing is not counted.
""",
    ),
    _Part(
        "profile",
        "The profile",
        """
All steps up to `profile` over the lake of the made-up chain (`shopkeeper.sample.chain`), against one hand-written
DuckDB query for the same columns over the same Parquet with the same settings (`benchmarks/peer/profile.sql`), equal
row by row. On Spark it is the same definition, transpiled, on `local[2]`, its Java machine already started; the
figure beside it is DuckDB's time for the same steps, and its rows are equal to DuckDB's by a hash over all columns of
each table.
""",
    ),
    _Part(
        "increment",
        "A day's increment",
        """
Everything up to `profile` stands as of the evening before. Then a day of new lines comes, late orders of the six days
before, and corrected prices on a day six weeks back. The time of the `run` that follows, finding out what changed
included, against a `run --force` of the same state; the results are equal row by row, by a hash over all columns of
each derived table.
""",
    ),
    _Part(
        "segment",
        "Audience counts over a million people",
        """
In a shop of 20 million lines, from the line of text to the number: parse, check, compile, plan the files, run; against
the bare hand-written query over the same Parquet files with the same settings, run in turns, medians.
""",
    ),
    _Part(
        "effect",
        "The effect of campaigns",
        """
Ten made-up chains whose campaigns chose whom to target by what people spent, so that the plain difference misleads: in
how many the 95 % interval covers the planted effect; and, with a confounder that nobody recorded, in how many the
placebo fails and the report says not to believe it.
""",
    ),
    _Part(
        "response",
        "The response model",
        """
Campaigns of Complete Journey that start on or after 2017-08-01, each scored by a model refitted on what was known the
day before, all targeted (campaign, household) pairs together; the mean of five fixed seeds. The figure beside it is the
better of the two baselines. Everything about the model was chosen on earlier campaigns.
""",
    ),
    _Part(
        "collect",
        "Taking events in",
        """
Requests of a hundred events over 8 connections, and of one over 64, one event in ten with a phone number in a text, to
one web process and the process that writes the log; the load generator runs on the same two cores, and the log holds
five million ids before. Held against the same code with a list in the log's place. Beside them: a server that only
decodes the JSON, raw SQLite with a row of a batch's size a commit (WAL, FULL), and a raw file with an fsync after each
batch.
""",
    ),
    _Part(
        "live",
        "A running service under load",
        """
`shopkeeper serve` with two web processes over a shop of known people: two programs on the same two cores send it 2,000
events a second in batches of a hundred, each due at its instant, and read 200 persons a second at
`GET /api/v1/persons/{id}`; the loader runs every 30 seconds and a compaction every minute, and 20 audiences are
published. The bars are for a million people and ten minutes; `live_people` and `live_seconds` say what was run.
Readable: from the 200 to the first read that shows the event, looked for twice a second. Reads are timed from when they
were due. Backlog: the slope of what live state is behind the log from minute 2 on, as a share of what comes in. Memory:
what all processes hold for themselves in the last minute, over that in minute 3. Beside it, how long the serving set
takes to make and how large it is.
""",
    ),
    _Part(
        "loads",
        "Ten thousand loads",
        """
The loader loads every half minute for three and a half days, by a clock that is put on; each load has five events, one
in five an order too, and the nightly upkeep is done when its hour comes. Held against loads 11 to 20: the last ten, and
the slowest hundred in a row (`worst`). Commit: that of `event`, with the position in the log. Planning: what a read of
the whole table begins with. `loads_whole` is the rest as well, such as the look whether an order is there already.
""",
    ),
)


def page(figures: Figures) -> str:
    """Gives `docs/benchmarks.md`."""
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench` (`make bench ONLY=wheel` for one); the figures also stand in `benchmarks/latest.json`.",
        "Ratios are of one run on one machine, held to two cores.",
        "",
        *_machine(),
        "",
    ]
    left = dict(figures)
    for part in _PARTS:
        own = {name: left.pop(name) for name in list(left) if name.startswith(part.prefix)}
        if own:
            lines += [f"## {part.heading}", "", part.how.strip(), "", *_table(own), ""]
    if left:
        lines += ["## Others", "", *_table(left), ""]
    return "\n".join([*lines, *_cards()])


def beside(new: Figures, before: Figures) -> Iterator[str]:
    """Gives a line for each new figure with the previous one beside it."""
    yield f"{'figure':<40} {'now':>12} {'before':>12} {'against':>12} {'ratio':>8} {'bar':>8}"
    for name, found in new.items():
        old = before.get(name)
        mark = {True: "✓", False: "✗ missed", None: ""}[found["ok"]]
        yield (
            f"{name:<40} {_number(found['value']):>12} {_number(old['value'] if old else None):>12} "
            f"{_number(found['against']):>12} {_number(found['ratio']):>8} {_number(found['bar']):>8} "
            f"{found['unit']} {mark}"
        ).rstrip()


def _table(figures: Figures) -> Iterator[str]:
    yield "| figure | value | against | ratio | bar | kept |"
    yield "|---|---:|---:|---:|---:|---|"
    for name, found in figures.items():
        kept = {True: "yes", False: "**no**", None: ""}[found["ok"]]
        yield (
            f"| `{name}` | {_with_unit(found, 'value')} | {_with_unit(found, 'against')} | {_number(found['ratio'])} "
            f"| {_number(found['bar'])} | {kept} |"
        )


def _with_unit(found: Figure, key: str) -> str:
    return "–" if found[key] is None else f"{_number(found[key])} {found['unit']}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _machine() -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    yield f"| measured | {datetime.now(UTC):%Y-%m-%d} |"
    yield f"| processor | {_processor()}, {os.cpu_count()} cores, {CORES} used |"
    yield f"| memory | {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB |"
    yield f"| system | {platform.system()} {platform.release()} |"
    yield f"| Python | {platform.python_version()} |"
    for name in _LIBRARIES:
        try:
            yield f"| {name} | {version(name)} |"
        except PackageNotFoundError:
            continue


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _cards() -> Iterator[str]:
    """The models' metrics beside their baselines, from the cards the wheel wrote."""
    cards: Mapping[str, Any] = json.loads(_CARDS.read_text(encoding="utf-8")) if _CARDS.exists() else {}
    for name, card in cards.items():
        yield f"## Card of the model `{name}`"
        yield ""
        test = card["test"]
        told = ", ".join(f"{key} {value:,}" for key, value in test.items() if isinstance(value, int))
        yield f"Measured on {test['from']} to {test.get('to', '')}: {told}. Code {card['code_hash']}."
        yield ""
        columns = [key for key, value in card["metrics"].items() if isinstance(value, float)]
        yield f"| | {' | '.join(columns)} |"
        yield "|---|" + "---:|" * len(columns)
        for label, metrics in {"the model": card["metrics"], **card["baselines"]}.items():
            yield f"| {label} | {' | '.join(_metric(metrics.get(column)) for column in columns)} |"
        intervals = card.get("intervals") or {}
        if intervals:
            said = ", ".join(f"{key} {low:.3f} to {high:.3f}" for key, (low, high) in intervals.items())
            yield ""
            yield f"95 % intervals, bootstrapped over households: {said}."
        for note in (card.get("notes") or {}).get("en", ()):
            yield ""
            yield note
        yield ""


def _metric(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
