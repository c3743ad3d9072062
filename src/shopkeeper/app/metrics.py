"""What a monitor reads of a shop: what came in, how far the readers are, whether worker and jobs do their work."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime

from shopkeeper.app.consent_log import READER as CONSENT
from shopkeeper.app.event_log import reader_of, waiting, writer_pid
from shopkeeper.app.heartbeat import Beat, beats
from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.memory import resident_bytes
from shopkeeper.app.readiness import OK, readiness
from shopkeeper.app.safe_keep import READER as VAULT
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import MissingError, UnavailableError
from shopkeeper.base.metric import Metric, Sample
from shopkeeper.storage.consumed import consumed
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log_reader import LogReader

__all__ = ["shop_metrics"]

_MOST_SOURCES = 100
_OTHERS = "others"
_HEARD = ("worker", "loader", "mqtt")


def shop_metrics(shop: Shop) -> list[Metric]:
    """Gives the metrics of a shop: they stand in its stores, so that every process on every machine says the same."""
    at = now(shop)
    last = {part: heard[0] for part in _HEARD if (heard := beats(shop, at, part))}
    found = [*_of_parts(shop, at, last), *_of_jobs(shop)]
    try:
        with reader_of(shop) as log:
            found += [*_of_sources(log), *_of_readers(shop, log, at, last)]
    except MissingError:
        pass  # no process has written the log yet
    return found


def _of_sources(log: LogReader) -> Iterator[Metric]:
    totals = sorted(log.totals(), key=lambda row: -sum(row[1:]))
    shown = {source: counts for source, *counts in totals[:_MOST_SOURCES]}
    rest = [counts for _, *counts in totals[_MOST_SOURCES:]]
    if rest:
        shown[_OTHERS] = [sum(column) for column in zip(*rest, strict=True)]
    received = [Sample(sum(counts), {"source": source}) for source, counts in shown.items()]
    outcomes = [
        Sample(count, {"source": source, "outcome": outcome})
        for source, counts in shown.items()
        for outcome, count in zip(("accepted", "duplicate", "refused"), counts, strict=True)
    ]
    yield Metric("shopkeeper_events_received_total", "counter", "Events received, by source.", received)
    yield Metric("shopkeeper_events_total", "counter", "Events received, by source and what became of them.", outcomes)


def _of_readers(shop: Shop, log: LogReader, at: datetime, last: Mapping[str, Beat]) -> Iterator[Metric]:
    end = log.end()
    positions = {
        "live": _of_live(shop),
        "vault": shop.state.positions.of(VAULT),
        "consent": shop.state.positions.of(CONSENT),
        # Batches without events for the lake are passed in the loader's memory alone.
        "loader": max([consumed(shop.lake, "event"), *(int(beat.note.get("loaded", 0)) for beat in last.values())]),
    }
    said = {name: one for beat in last.values() for name, one in beat.note.get("readers", {}).items()}
    yield Metric("shopkeeper_log_end_position", "gauge", "Position of the last batch in the log.", [Sample(end)])
    for name, sentence, values in (
        ("position", "Position up to which a reader has read the log.", positions),
        ("backlog_batches", "Batches that a reader has not read.", {r: max(0, end - p) for r, p in positions.items()}),
        (
            "oldest_unread_seconds",
            "Age of the oldest batch that a reader has not read; 0 when it has read all.",
            {reader: _age(log, position, at) for reader, position in positions.items()},
        ),
        ("failures", "Failures of a reader in a row.", {reader: one["failures"] for reader, one in said.items()}),
        (
            "last_step_seconds",
            "How long ago a reader got on.",
            {reader: one["seconds"] for reader, one in said.items()},
        ),
    ):
        samples = [Sample(value, {"reader": reader}) for reader, value in values.items()]
        yield Metric(f"shopkeeper_reader_{name}", "gauge", sentence, samples)


def _of_parts(shop: Shop, at: datetime, last: Mapping[str, Beat]) -> Iterator[Metric]:
    states = readiness(shop)
    ready = [Sample(state == OK, {"dependency": name}) for name, state in states.items()]
    yield Metric("shopkeeper_ready", "gauge", "Whether a thing that the service needs is ready.", ready)
    ages = [Sample((at - beat.at).total_seconds(), {"part": part}) for part, beat in last.items()]
    yield Metric("shopkeeper_heartbeat_age_seconds", "gauge", "How long ago a part was heard.", ages)
    resident = [Sample(beat.resident, {"part": part}) for part, beat in last.items()]
    writer = writer_pid(shop)
    if writer is not None and (held := resident_bytes(writer)):
        resident.append(Sample(held, {"part": "log"}))
    yield Metric("shopkeeper_part_resident_bytes", "gauge", "Memory that a part of the service holds.", resident)
    if states["log"] == OK:
        with suppress(UnavailableError):
            queue = [Sample(waiting(shop))]
            yield Metric("shopkeeper_log_waiting_batches", "gauge", "Batches that await their commit.", queue)
    free = [Sample(shutil.disk_usage(shop.folder).free)]
    yield Metric("shopkeeper_disk_free_bytes", "gauge", "Free space where the shop is.", free)


def _of_jobs(shop: Shop) -> Iterator[Metric]:
    jobs = shop.state.jobs.all()
    failures = [Sample(job.attempts, {"job": job.name}) for job in jobs]
    ended = [Sample(job.last_ended_at.timestamp(), {"job": job.name}) for job in jobs if job.last_ended_at]
    failed = [Sample(job.last_error is not None, {"job": job.name}) for job in jobs if job.last_ended_at]
    yield Metric("shopkeeper_job_failures", "gauge", "Failures of a job in a row.", failures)
    yield Metric("shopkeeper_job_last_end_seconds", "gauge", "When a job last ended, since 1970.", ended)
    yield Metric("shopkeeper_job_last_failed", "gauge", "Whether a job failed the last time.", failed)
    run = shop.state.runs.last()
    if run is not None and run.ended_at is not None:
        of_run = {"state": run.state}
        seconds = (run.ended_at - run.started_at).total_seconds()
        yield Metric(
            "shopkeeper_run_last_end_seconds", "gauge", "When the last run ended, since 1970.",
            [Sample(run.ended_at.timestamp(), of_run)],
        )  # fmt: skip
        yield Metric("shopkeeper_run_last_seconds", "gauge", "How long the last run took.", [Sample(seconds, of_run)])


def _of_live(shop: Shop) -> int:
    try:
        live = LiveStore(shop.folder / LIVE_FILE, reads_only=True)
    except MissingError:
        return 0
    try:
        return live.position()
    finally:
        live.close()


def _age(log: LogReader, position: int, at: datetime) -> float:
    unread = log.read(position, 1)
    return max(0.0, at.timestamp() - unread[0].received_at) if unread else 0.0
