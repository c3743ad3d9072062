"""The suites of `make reliability`, each with its control, and the figures they give."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.figure import Figures, figure
from reliability.api import asking, filled_shop, hints_of, tried
from reliability.cuts import cut, recorded
from reliability.door import ServiceDoor
from reliability.erased import erased
from reliability.failing_sync import failing
from reliability.flood import flooded
from reliability.full_disk import can_mount, filled, small_disk
from reliability.http_door import ServedDoor
from reliability.http_flood import flooded_over_http
from reliability.http_poison import poisoned_over_http
from reliability.kills import killed
from reliability.ledger import Verdict
from reliability.poison import poisoned
from reliability.rekeyed import rekeyed

__all__ = ["SUITES"]

_KILLS = 40
_REKEY_KILLS = 40
_CUTS = 150
_FAILING = range(1, 51)
_PIECES = 1_000
_FLOOD_BYTES = 8 * 2**20
_FLOOD_MB = 120.0
_MADE_UP = 300
_OK = 200
_HTTP_PIECES = 500
_HTTP_FLOOD_MB = 250.0
_SEED = 20260301


def _kills() -> Figures:
    with _door() as door:
        found = killed(door, kills=_KILLS, seed=_SEED)
    with _door("hasty") as door:
        control = killed(door, kills=_KILLS // 4, seed=_SEED)
    return {
        "kills_run": figure(_KILLS, "kills", bar=_KILLS, at_least=True),
        **_of_verdict("kills", found),
        "kills_control_lost": figure(control.lost, "events", bar=1, at_least=True),
    }


def _cuts() -> Figures:
    figures: Figures = {}
    for kind in ("log", "normal", "off"):
        with _folder() as folder:
            found = list(cut(recorded(folder, kind, batches=600), cuts=_CUTS, seed=_SEED))
        bad = sum(not each.holds for each in found)
        if kind == "log":
            verdicts = [each.verdict for each in found if each.verdict]
            figures |= {
                "cuts_simulated": figure(len(found), "cuts", bar=_CUTS, at_least=True),
                "cuts_bad": figure(bad, "cuts", bar=0),
                "cuts_acknowledged": figure(max(each.acknowledged for each in verdicts), "events"),
                "cuts_lost": figure(sum(each.lost for each in verdicts), "events", bar=0),
                "cuts_doubled": figure(sum(each.doubled for each in verdicts), "events", bar=0),
            }
        else:
            figures[f"cuts_control_{kind}_bad"] = figure(bad, "cuts", against=len(found), bar=1, at_least=True)
    return figures


def _failing_syncs() -> Figures:
    cuts = bad = lost = asked_again = stopped = acknowledged = 0
    controls = dict.fromkeys(("pretending", "trusting"), 0)
    for number in _FAILING:
        with _folder() as folder:
            for failed, each in failing(folder, "log", failing_from=number, seed=_SEED + number):
                cuts, bad = cuts + 1, bad + (not each.holds)
                lost += each.verdict.lost if each.verdict else 0
                asked_again, stopped = max(asked_again, failed - 1), stopped + (failed > 0)
            acknowledged += each.verdict.acknowledged if each.verdict else 0
        for kind in controls:
            with _folder() as folder:
                found = failing(folder, kind, failing_from=number, seed=_SEED + number, cuts=6)
                controls[kind] += sum(not each.holds for _, each in found)
    return {
        "failing_sync_moments": figure(len(_FAILING), "moments", bar=len(_FAILING), at_least=True),
        "failing_sync_cuts": figure(cuts, "cuts"),
        "failing_sync_bad": figure(bad, "cuts", bar=0),
        "failing_sync_cuts_after_a_stop": figure(stopped, "cuts", bar=1, at_least=True),
        "failing_sync_asked_again": figure(asked_again, "syncs", bar=0),
        "failing_sync_acknowledged": figure(acknowledged, "events"),
        "failing_sync_lost": figure(lost, "events", bar=0),
        **{
            f"failing_sync_control_{kind}_bad": figure(count, "cuts", bar=1, at_least=True)
            for kind, count in controls.items()
        },
    }


def _erased() -> Figures:
    with _door() as door:
        found = erased(door, kills=_KILLS, seed=_SEED)
    with _door("halving") as door:
        control = erased(door, kills=_KILLS // 4, seed=_SEED)
    return {
        "erased_kills": figure(_KILLS, "kills", bar=_KILLS, at_least=True),
        "erased_asked": figure(found.asked, "events", bar=1, at_least=True),
        "erased_trimmed": figure(found.trimmed, "batches"),
        "erased_damaged": figure(found.damaged, "kills", bar=0),
        "erased_lost": figure(found.lost, "events", bar=0),
        "erased_back": figure(found.back, "events", bar=0),
        "erased_left": figure(found.left, "events", bar=0),
        "erased_forgotten": figure(found.forgotten, "ids", bar=0),
        "erased_control_damaged": figure(control.damaged, "kills", bar=1, at_least=True),
    }


def _rekeyed() -> Figures:
    with _folder() as folder:
        found = rekeyed(folder, kills=_REKEY_KILLS, seed=_SEED)
    return {
        "rekeyed_kills": figure(found.kills, "kills", bar=_REKEY_KILLS, at_least=True),
        "rekeyed_under_way": figure(found.under_way, "kills", bar=_REKEY_KILLS // 4, at_least=True),
        "rekeyed_opened": figure(found.opened, "shops", bar=0),
        "rekeyed_left": figure(found.left, "files", bar=0),
        "rekeyed_lost": figure(found.lost, "persons", bar=0),
        "rekeyed_doubled": figure(found.doubled, "events", bar=0),
        "rekeyed_control_found": figure(found.control, "files", bar=1, at_least=True),
    }


def _full_disk() -> Figures:
    is_mounted = can_mount()
    with _folder() as folder:
        if is_mounted:
            with small_disk(folder), closing(ServiceDoor(folder)) as door:
                found = filled(door)
        else:
            with closing(ServiceDoor(folder, "narrow")) as door:
                found = filled(door)
    way = "refused (disk of 2 MB)" if is_mounted else "refused (a limit of pages: no disk can be mounted here)"
    return {
        "full_disk_refused": figure(found.refused, way, bar=1, at_least=True),
        "full_disk_read_while_full": figure(
            found.read_while_full,
            "events",
            against=found.acknowledged_while_full,
            bar=1,
            at_least=True,
            of_ratio=True,
        ),
        "full_disk_after": figure(found.after, "batches", bar=1, at_least=True),
        **_of_verdict("full_disk", found.verdict),
    }


def _poison() -> Figures:
    with _door() as door:
        found = poisoned(door, pieces=_PIECES, seed=_SEED)
    return {
        "poison_pieces": figure(found.garbage, "pieces", bar=_PIECES, at_least=True),
        "poison_unanswered": figure(found.unanswered, "good batches", bar=0),
        **_of_verdict("poison", found.verdict),
    }


def _flood() -> Figures:
    with _door("plain", str(_FLOOD_BYTES)) as door:
        found = flooded(door, senders=16, batches=200)
    with _door("plain", str(2**40)) as door:
        control = flooded(door, senders=16, batches=200)
    return {
        "flood_sent": figure(found.sent_mb, "MB"),
        "flood_busy": figure(found.busy, "batches", bar=1, at_least=True),
        "flood_memory": figure(found.peak_mb - found.before_mb, "MB", bar=_FLOOD_MB),
        **_of_verdict("flood", found.verdict),
        "flood_control_memory": figure(control.peak_mb - control.before_mb, "MB", bar=_FLOOD_MB, at_least=True),
    }


def _api() -> Figures:
    with _folder() as folder, filled_shop(folder) as shop, asking(shop) as client:
        found = tried(client, hints_of(shop), examples=_MADE_UP, number=_SEED)
    return {
        "api_calls": figure(len({call for call, _ in found.statuses}), "calls"),
        "api_requests": figure(found.requests, "requests", bar=_MADE_UP, at_least=True),
        "api_done": figure(sum(count for (_, status), count in found.statuses.items() if status == _OK), "answers"),
        "api_faults": figure(len(found.faults), "answers", bar=0),
    }


def _http_kills() -> Figures:
    with _served() as door:
        found = killed(door, kills=_KILLS, seed=_SEED)
        parts = {part: door.killed.count(part) for part in ("web", "log", "worker", "loader", "serve")}
    with _served(trusting=True) as door:
        control = killed(door, kills=_KILLS // 8, seed=_SEED)
    return {
        "http_kills_run": figure(_KILLS, "kills", bar=_KILLS, at_least=True),
        **{f"http_kills_of_{part}": figure(count, "kills", bar=1, at_least=True) for part, count in parts.items()},
        **_of_verdict("http_kills", found),
        "http_kills_control_lost": figure(control.lost, "events", bar=1, at_least=True),
    }


def _http_poison() -> Figures:
    with _served() as door:
        found = poisoned_over_http(door, pieces=_HTTP_PIECES, seed=_SEED)
    return {
        "http_poison_pieces": figure(found.garbage, "pieces", bar=_HTTP_PIECES, at_least=True),
        "http_poison_unanswered": figure(found.unanswered, "requests and good batches", bar=0),
        **_of_verdict("http_poison", found.verdict),
    }


def _http_flood() -> Figures:
    with _served() as door:
        found = flooded_over_http(door, senders=16, batches=60, slow=700)
    return {
        "http_flood_sent": figure(found.sent_mb, "MB"),
        # Without a bound it would all be held at once.
        "http_flood_never_whole": figure(found.half_mb, "MB", bar=_HTTP_FLOOD_MB, at_least=True),
        "http_flood_asked_again": figure(found.refused, "requests", bar=1, at_least=True),
        "http_flood_failed": figure(found.failed, "requests", bar=0),
        "http_flood_memory": figure(found.peak_mb - found.before_mb, "MB", bar=_HTTP_FLOOD_MB),
        **_of_verdict("http_flood", found.verdict),
    }


def _of_verdict(suite: str, found: Verdict) -> Figures:
    return {
        f"{suite}_acknowledged": figure(found.acknowledged, "events", bar=1, at_least=True),
        f"{suite}_lost": figure(found.lost, "events", bar=0),
        f"{suite}_doubled": figure(found.doubled, "events", bar=0),
        f"{suite}_invented": figure(found.invented, "events", bar=0),
    }


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sk-") as folder:
        yield Path(folder)


@contextmanager
def _door(kind: str = "plain", *options: str) -> Iterator[ServiceDoor]:
    with _folder() as folder, closing(ServiceDoor(folder, kind, options)) as door:
        yield door


@contextmanager
def _served(*, trusting: bool = False) -> Iterator[ServedDoor]:
    with _folder() as folder:
        door = ServedDoor(folder / "shop", seed=_SEED, trusting=trusting)
        try:
            yield door
        finally:
            door.stop()


SUITES: Mapping[str, Callable[[], Figures]] = {
    "kills": _kills,
    "cuts": _cuts,
    "failing_sync": _failing_syncs,
    "erased": _erased,
    "rekeyed": _rekeyed,
    "full_disk": _full_disk,
    "poison": _poison,
    "flood": _flood,
    "api": _api,
    "http_kills": _http_kills,
    "http_poison": _http_poison,
    "http_flood": _http_flood,
}
"""Each suite by name; the names of its figures begin with it."""
