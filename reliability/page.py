"""The page of `make reliability`: what was tried, how often, and what was found."""

import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import date

from benchmarks.figure import Figures

__all__ = ["page"]

_HOW: Mapping[str, tuple[str, str]] = {
    "kills": (
        "Killed",
        """
The process that writes is ended by `kill -9` at random moments while four senders send batches of 1 to 20 events,
some of them again. At the end it is started once more and what had no answer is sent again. Everything acknowledged
must be there, once. The control acknowledges before it writes, and must lose. A kill never takes back what the system
has in memory: for that there are the cuts.
""",
    ),
    "cuts": (
        "Power cuts",
        """
strace records each write, sync and acknowledgement of the writer, its service and its senders. At random moments the
disk is made again: of each file what was synced, and of what was written since a random half, whole or torn by
sectors of 512 bytes. On each such disk the log is opened: all that was acknowledged before must be there, once, the
file sound, every stored id known, and the next batch be taken. The controls are the same log with
`synchronous=NORMAL` and `OFF`.
""",
    ),
    "failing_sync": (
        "A disk whose syncs fail",
        """
From the n-th sync on each fails with EIO, for each n. The writer must stop at the first, and not ask again (counted
once anything was sent). Then it is started on a disk that works, and the power is cut later still. Half of what was
written before the failed sync is gone for good though the system has it in memory, as Linux does it. One control goes
on as if nothing had been, the other builds on what the system shows it when it is started again.
""",
    ),
    "erased": (
        "Killed while it lets go",
        """
The process that writes is ended by `kill -9` at random moments while events are erased, batches trimmed, others sent.
After each kill every batch must be as it was or as was asked, what was said to be erased be gone, and nothing else be.
At the end, when all that was asked is done, no byte of an erased event may be in the log's files, and its id must still
be known. The control erases in two commits, and must be found damaged.
""",
    ),
    "rekeyed": (
        "Killed while the token key changes",
        """
`shopkeeper token rekey` is ended by `kill -9` at moments spread over all of it, and typed again, until it is through.
A shop that is not through must not open; at the end no file may hold a token of before, everybody be found by their
phone with their events, and each event that comes again be a duplicate. The control: the search finds tokens before.
""",
    ),
    "full_disk": (
        "A full disk",
        """
The log lies on a disk of 2 MB that runs full. Batches are refused, all that was acknowledged is read meanwhile, and
once there is room the same process takes batches again by itself.
""",
    ),
    "poison": (
        "Garbage",
        """
Random bytes, half frames, frames of wrong length, deep, oversized and wrongly typed content on the writer's socket,
each behind a good batch on the same connection, with good batches on others beside it. Every good batch must be
acknowledged and kept.
""",
    ),
    "api": (
        "Made-up requests",
        """
Every call of the API, as its OpenAPI document declares it, gets made-up requests: half of them fit the schema, of the
others some part is left out, added or something else, or the body is no JSON at all (half characters, a hundred
thousand brackets, numbers of six thousand digits). No answer may be a 5xx, or one that the document does not declare,
or a failure that is not in the one form (RFC 9457). The control, an application that is wrong on purpose, is in the
tests.
""",
    ),
    "flood": (
        "A flood",
        """
Sixteen senders pour batches of 200 KB without waiting for answers; 8 MB may wait. What is too much is answered "busy"
at once, the memory of the writer grows by no more than the bar, and it takes batches afterwards. The control has no
bound, and must pass the bar.
""",
    ),
    "http_kills": (
        "Killed, behind HTTP",
        """
The whole service as `shopkeeper serve` runs it. Of the web process, the process that writes the log, the worker, the
loader and their parent some are ended by `kill -9` at random moments while four senders post batches to `/v1/batch` and
send again what had no answer. Everything answered 200 must be in the log, once. The control takes no answer for an
answer, and must lose.
""",
    ),
    "http_poison": (
        "Garbage, behind HTTP",
        """
Batches with a piece of poison at each place among the good: no JSON, other JSON, wrong types in each field, too deep,
too large, half characters, times and numbers that are none. Each good event beside it must be accepted, or the whole be
turned away so that sending it again is right. Beside them requests that are nothing but poison. No answer may be a
failure of ours (500 and above).
""",
    ),
    "http_flood": (
        "A flood, behind HTTP",
        """
Sixteen senders post 400 KB without a pause, beside 700 clients that send all but the last byte of 480 KB and then wait.
What is too much is answered 429 or 503, the memory of the web process and the writer together grows by no more than
the bar, though more than that waits half sent, and once they are gone it takes events again.
""",
    ),
}


_HEAD = """
What the log promises, and what was found when it was tried: what is acknowledged is durable, is there once, and nothing
is there that was not sent. Made by `make reliability` (`make reliability ONLY=cuts` for one suite); the figures also
stand in `benchmarks/reliability.json`, and smaller counts run in `make test`.
"""


def page(figures: Figures, *, on: date) -> str:
    """Gives `docs/reliability.md`.

    Args:
        figures: All figures.
        on: The day on which they were found.
    """
    lines = ["# Reliability", "", _HEAD.strip(), "", _machine(on), ""]
    for suite, (heading, how) in _HOW.items():
        own = {name: found for name, found in figures.items() if name.startswith(f"{suite}_")}
        if own:
            lines += [f"## {heading}", "", how.strip(), "", *_table(own), ""]
    return "\n".join(lines)


def _machine(on: date) -> str:
    system = f"{platform.system()} {platform.release()}, {os.cpu_count()} cores"
    return f"Found on {on:%Y-%m-%d}: {system}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}."


def _table(figures: Figures) -> Iterator[str]:
    yield "| figure | found | against | must be | kept |"
    yield "|---|---:|---:|---:|---|"
    for name, found in figures.items():
        against = "" if found["against"] is None else f"{found['against']:,.0f}"
        bar = "" if found["bar"] is None else f"{found['bar']:,.0f}"
        kept = {True: "yes", False: "**no**", None: ""}[found["ok"]]
        yield f"| `{name}` | {found['value']:,.0f} {found['unit']} | {against} | {bar} | {kept} |"
