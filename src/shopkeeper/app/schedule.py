"""What the worker does by itself: loads, `run`, compaction and the morning report, at the times of `[schedule]`."""

import glob
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from shopkeeper.app.log import logger, noted
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.clock import zone
from shopkeeper.base.errors import ConflictError, MissingError, UnavailableError
from shopkeeper.storage.state.jobs import Job, Retry

__all__ = ["Work", "Worker", "ask_run", "next_time", "work_of"]

_HOLD = timedelta(minutes=5)
_RENEW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of job.

    Args:
        name: The job's name, shown on the data page.
        do: Does it.
        following: When it is done next, after an instant.
    """

    name: str
    do: Callable[[], object]
    following: Callable[[datetime], datetime]


def next_time(time_of_day: str, time_zone: str, after: datetime) -> datetime:
    """The first instant after another at which a clock on the stores' wall shows a time.

    On a day without that time (the clocks went forward) it is the instant the wall clock would have shown it.

    Args:
        time_of_day: `HH:MM`.
        time_zone: The stores' zone.
        after: Strictly after this instant.
    """
    hour, minute = (int(part) for part in time_of_day.split(":"))
    instant, today = after.astimezone(UTC), after.astimezone(zone(time_zone)).date()
    for days in range(3):
        day = today + timedelta(days=days)
        # In UTC: within one zone instants compare by what the wall shows.
        found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone(time_zone)).astimezone(UTC)
        if found > instant:
            return found
    raise AssertionError("unreachable: one of three days has the time")


def work_of(shop: Shop) -> list[Work]:
    """The jobs that the settings ask for."""
    # These use cases load learning libraries; a worker that only waits should not.
    from shopkeeper.app.morning import make_morning_report  # noqa: PLC0415
    from shopkeeper.app.run import run  # noqa: PLC0415
    from shopkeeper.app.upkeep import maintain_shop  # noqa: PLC0415

    schedule, local = shop.settings.schedule, shop.settings.chain.time_zone
    work = [
        Work("compact", lambda: maintain_shop(shop), lambda after: next_time(schedule.compact_at, local, after)),
        Work("run", lambda: run(shop, by="worker"), lambda after: next_time(schedule.run_at, local, after)),
        Work("report", lambda: make_morning_report(shop), lambda after: next_time(schedule.report_at, local, after)),
    ]
    every = timedelta(minutes=schedule.load_every_minutes)
    for place, job in enumerate(schedule.loads):
        work.append(Work(f"load {job.source}.{job.table}", _loading(shop, place), lambda after: after + every))
    return work


def ask_run(shop: Shop) -> Job:
    """Has the worker do the job `run` as soon as it can; one that runs at this moment goes on.

    Raises:
        UnavailableError: The settings have no worker.
    """
    if not shop.settings.schedule.enabled:
        raise UnavailableError("no worker runs by itself: schedule.enabled is false", next_step="shopkeeper run")
    return shop.state.jobs.plan("run", now(shop))


def _loading(shop: Shop, place: int) -> Callable[[], object]:
    def do() -> object:
        from shopkeeper.app.load import load  # noqa: PLC0415

        job = shop.settings.schedule.loads[place]
        is_database = "://" in job.files
        files = [job.files] if is_database else sorted(glob.glob(str(shop.folder / job.files)))  # noqa: PTH207
        if not files:
            raise MissingError(f"no file fits '{job.files}'", place=str(shop.folder))
        return load(
            shop,
            job.table,
            files,
            source=job.source,
            mapping=Path(job.mapping) if job.mapping else None,
            query=job.query or None,
            since=job.since or None,
            by="worker",
        )

    return do


class Worker:
    """Does due jobs one at a time; several workers share one shop, and each job has one holder.

    Args:
        shop: The shop.
        work: The jobs; those of the settings by default.
    """

    def __init__(self, shop: Shop, work: list[Work] | None = None) -> None:
        self._shop = shop
        self._work: Mapping[str, Work] = {each.name: each for each in (work_of(shop) if work is None else work)}
        self._holder = f"{socket.gethostname()}-{uuid4().hex[:8]}"
        self._retry = Retry(attempts=shop.settings.schedule.retries + 1)
        self._stop = threading.Event()

    def plan(self) -> None:
        """Plans every job that is not planned yet, and drops those the settings no longer name."""
        known = {job.name: job for job in self._shop.state.jobs.all()}
        for name, each in self._work.items():
            if name not in known or known[name].next_at is None:
                self._shop.state.jobs.plan(name, each.following(now(self._shop)))
        for name in known.keys() - self._work.keys():
            self._shop.state.jobs.drop(name)

    def tick(self) -> Job | None:
        """Does the job that is due longest; gives it as it stands after, or None when none was due."""
        jobs = self._shop.state.jobs
        job = jobs.claim(self._holder, now=now(self._shop), lasts=_HOLD, names=tuple(self._work))
        if job is None:
            return None
        work = self._work[job.name]
        ended = threading.Event()
        renewal = threading.Thread(target=self._renew, args=(job.name, ended), daemon=True)
        renewal.start()
        try:
            work.do()
        except Exception as error:  # noqa: BLE001 - a job that breaks must not end the worker; it is noted and retried
            return self._failed(work, noted(error))
        finally:
            ended.set()
            renewal.join()
        at = now(self._shop)
        logger("worker").info("job done", job=job.name)
        return jobs.finish(job.name, self._holder, now=at, next_at=work.following(at))

    def run(self, seconds_between: float = 5.0) -> None:
        """Works until `stop`."""
        self.plan()
        while not self._stop.is_set():
            if self.tick() is None:
                self._stop.wait(seconds_between)

    def stop(self) -> None:
        """Ends `run` after the job at hand."""
        self._stop.set()

    def _failed(self, work: Work, message: str) -> Job:
        at = now(self._shop)
        logger("worker").warning("job failed", job=work.name, error=message)
        return self._shop.state.jobs.fail(
            work.name, self._holder, message, now=at, retry=self._retry, next_at=work.following(at)
        )

    def _renew(self, name: str, ended: threading.Event) -> None:
        while not ended.wait(_RENEW_SECONDS):
            try:
                self._shop.state.jobs.renew(name, self._holder, now=now(self._shop), lasts=_HOLD)
            except ConflictError:
                return
