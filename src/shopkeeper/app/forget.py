"""Erasure (个人信息删除): a person leaves every place of the shop, and the bytes with them."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import timedelta

from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.lake_erasure import drop_bodies, erase_from_lake
from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.live_erasure import forget_history, forget_live, forget_map
from shopkeeper.app.log_erasure import forget_log, refused_of
from shopkeeper.app.person_now import record_parts
from shopkeeper.app.receipt import Kept, Receipt
from shopkeeper.app.serving import SERVING_FILE, forget_serving
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.traces import barred_person, mark_of, traces_of
from shopkeeper.base.clock import system_clock
from shopkeeper.base.errors import MissingError
from shopkeeper.base.ids import new_id
from shopkeeper.collect.people import subject
from shopkeeper.privacy.body import bodies_that_say
from shopkeeper.privacy.reach import KEPT_FACTS, Traces
from shopkeeper.storage.erase import remove_files
from shopkeeper.storage.live_history import HISTORY_FILE
from shopkeeper.storage.state.forget import close_requests, forget_persons
from shopkeeper.storage.warehouse import live_files

__all__ = ["REACHES", "WAIT", "Reach", "forget"]

WAIT = timedelta(minutes=10)
"""How long files stay for those who read them."""

Reach = Callable[[Shop, Traces], Mapping[str, int]]
REACHES: Mapping[str, Reach] = {
    LOG_FILE: forget_log,
    LIVE_FILE: forget_live,
    HISTORY_FILE: forget_history,
    SERVING_FILE: forget_serving,
}
"""Further places by the name of their file in the shop: each is given the person's traces and says what it removed.

One that is there and not named is told as not reached.
"""
_OTHER_PLACES = (LOG_FILE, LIVE_FILE, HISTORY_FILE, SERVING_FILE)
_ORPHANS = timedelta(minutes=10)
_HANDED_OUT = ("segment.export", "plan.export", "table.export")
_TOLD = 100
_DOWNLOADS = (".csv", ".xlsx", ".zip")  # the engine's own files are its own to remove

_WHY = {
    "order_line": "账簿：销售额保留，成为没有会员的小票（散客）",
    "redemption": "账簿：用过的券仍算已核销",
    "coupon": "账簿：发出的券仍算已发出",
    "touch": "活动花了多少钱仍然可查",
}


def forget(
    shop: Shop, person_id: str, *, by: str, wait: timedelta = WAIT, sleep: Callable[[float], object] = time.sleep
) -> Receipt:
    """Erases a person, whole, and lets nothing bring them back; what was begun and killed goes on when done again.

    Args:
        shop: The shop.
        person_id: The person.
        by: Who does it.
        wait: How long files of older states stay for those who read them.
        sleep: Waits some seconds.

    Returns:
        What was removed where.

    Raises:
        MissingError: There is no such person, or they were erased before.
    """
    began, traces = now(shop), _traces(shop, person_id)
    is_theirs = refused_of(shop, traces)
    removed: dict[str, dict[str, int]] = {}
    # Tombstones first: what reads the log brings nothing of theirs back from here on.
    shop.vault.bar(subjects=map(barred_person, traces.person_ids), tokens=traces.tokens)
    with shop.state.identifiers.alone():
        pass  # Readers that asked before have linked what they had, so that it is found below.
    bodies = _bodies(shop, is_theirs)
    reached = _reach(shop, traces)
    # What was on its way from the log to the vault has arrived, or goes from the log.
    removed["refused"] = {"bodies": bodies + _bodies(shop, is_theirs)}
    removed["vault"] = {"values": sum(shop.vault.shred(subject(*record)) for record in traces.records)}
    found = _forget_state(shop, traces)
    removed["temporary"] = {"files": _temporary(shop)}
    removed["models"] = {"versions": _models(shop)}
    # The lake is last: while it names the person, an erasure that was killed goes on when done again.
    counts, gone = erase_from_lake(shop.lake, shop.duckdb, traces)
    orphans = sum(len(_orphans(shop, name, wait)) for name in shop.lake.tables())
    files = remove_files(gone, wait=wait, sleep=sleep)
    # A run or load that was under way may have written meanwhile what it had read before.
    late, gone = erase_from_lake(shop.lake, shop.duckdb, traces, states_of_all=False)
    for place, found_late in _reach(shop, traces, but=(LOG_FILE,)).items():
        reached.setdefault(place, Counter()).update(found_late)
    found += _forget_state(shop, traces)
    found["requests"] = sum(len(shop.state.requests.of(each)) for each in traces.person_ids)
    removed["refused"]["bodies"] += _bodies(shop, is_theirs)
    removed["state"] = {name: rows for name, rows in found.items() if rows}
    removed |= {place: dict(found) for place, found in reached.items()}
    removed["lake"] = dict(counts + late)
    if SERVING_FILE in removed:
        # One that was being made of what the lake held before is swapped in by now.
        people = forget_serving(shop, traces)["people"]
        removed[SERVING_FILE] = {"people": removed[SERVING_FILE]["people"] + people}
    removed["files"] = {"removed": files + orphans + remove_files(gone, wait=timedelta(0))}
    receipt = Receipt(
        new_id("receipt"),
        mark_of(shop, person_id),
        began,
        now(shop),
        by,
        removed,
        _kept(counts),
        tuple(place for place in _OTHER_PLACES if place not in REACHES and (shop.folder / place).exists()),
        _handed_out(shop),
    )
    close_requests(shop.state.database, traces.person_ids, by=by, now=now(shop), receipt=receipt.document())
    # The audit log keeps the receipt alone: who was erased stands in it only as a keyed hash.
    detail = {"mark": receipt.mark, "removed": receipt.removed, "not_reached": list(receipt.not_reached)}
    shop.state.audit.append(by, "person.forget", receipt.id, now=now(shop), detail=detail)
    return receipt


def _bodies(shop: Shop, is_theirs: Callable[[bytes], bool]) -> int:
    ids = bodies_that_say(shop.vault, is_theirs)
    drop_bodies(shop.lake, shop.duckdb, shop.vault, ids)
    return len(ids)


def _forget_state(shop: Shop, traces: Traces) -> Counter[str]:
    persons = forget_persons(shop.state.database, traces.person_ids, but_requests=True)
    return Counter({**forget_map(shop, traces), **persons})


def _traces(shop: Shop, person_id: str) -> Traces:
    """By what the person is known; of one whose erasure was killed at its end, that an open request names them."""
    try:
        return traces_of(shop, person_id)
    except MissingError:
        if not any(each.state == "open" for each in shop.state.requests.of(person_id)):
            raise
        return Traces((person_id,), (record_parts(person_id),), ())


def _reach(shop: Shop, traces: Traces, *, but: Collection[str] = ()) -> dict[str, Counter[str]]:
    there = [place for place in REACHES if place not in but and (shop.folder / place).exists()]
    return {place: Counter(REACHES[place](shop, traces)) for place in there}


def _orphans(shop: Shop, name: str, wait: timedelta) -> list[str]:
    at = system_clock()  # the files' own times are the system's
    return shop.lake.sweep(name, now=at, live=live_files(shop.state.leases, at), older_than=max(wait, _ORPHANS))


def _temporary(shop: Shop) -> int:
    """Uploads that wait (sealed, and read through the tombstones, but whole) and downloads that were left behind."""
    removed, border = 0, system_clock().timestamp() - _ORPHANS.total_seconds()
    for path in shop.spill.glob("*") if shop.spill.is_dir() else ():
        with suppress(FileNotFoundError):
            if path.suffix in _DOWNLOADS and path.is_file() and path.stat().st_mtime < border:
                path.unlink()
                removed += 1
    for note in shop.spill.glob("uploads/*/*.json"):
        shutil.rmtree(note.parent, ignore_errors=True)
        removed += 1
    return removed


def _models(shop: Shop) -> int:
    """Marks every version there is as fitted on somebody who was erased since; the next run fits anew."""
    return shop.models.mark_stale(now(shop), "a person was erased")


def _kept(counts: Counter[str]) -> tuple[Kept, ...]:
    facts = [Kept(name, counts[name], why, _WHY[name]) for name, why in KEPT_FACTS.items() if counts[name]]
    return (
        *facts,
        Kept("tombstones", None, "keyed hashes, so that nothing brings the person back", "加密散列，防止再次载入"),
        Kept(
            "audit",
            None,
            "who did what; the person stands in it as a keyed hash",
            "操作记录：其中会员仅为加密散列",
        ),
    )


def _handed_out(shop: Shop) -> tuple[str, ...]:
    found: list[str] = []
    after = 0
    while rows := shop.state.audit.rows(after=after, limit=5_000):
        found += [f"{row.happened_at:%Y-%m-%d} {row.what} {row.target}" for row in rows if row.what in _HANDED_OUT]
        after = rows[-1].seq
    return tuple(found[-_TOLD:])
