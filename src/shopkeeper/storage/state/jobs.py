"""Jobs: what the worker does by itself, when, and what became of it; two workers never run one at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update

from shopkeeper.base.errors import ConflictError, MissingError
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Job", "Jobs", "Retry"]


@dataclass(frozen=True, slots=True)
class Retry:
    """When a job that failed is tried again: after `first`, then twice as long each time, at most `longest`.

    Args:
        first: How long until the second attempt.
        longest: The longest wait.
        attempts: How many attempts before it is given up.
    """

    first: timedelta = timedelta(minutes=1)
    longest: timedelta = timedelta(hours=1)
    attempts: int = 6

    def wait(self, failures: int) -> timedelta:
        """How long to wait after so many failures in a row (1 or more)."""
        return min(self.first * (1 << min(failures - 1, 30)), self.longest)


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Args:
        name: Its name.
        state: `waiting`, `running`, `retrying`, `failed` (given up until planned again) or `done` (nothing planned).
        planned_at: When it was to run by plan.
        next_at: When it is tried next; a retry is later than planned.
        last_started_at: When it last started.
        last_ended_at: When it last ended.
        last_error: What went wrong the last time, None after a success.
        attempts: Failures in a row.
        holder: The worker that runs it.
        held_until: When another worker may take it for dead.
    """

    name: str
    state: str
    planned_at: datetime | None
    next_at: datetime | None
    last_started_at: datetime | None
    last_ended_at: datetime | None
    last_error: str | None
    attempts: int
    holder: str | None
    held_until: datetime | None


class Jobs:
    """The jobs of a shop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, name: str, next_at: datetime) -> Job:
        """Plans when a job runs next; one that runs at this moment keeps running, one that failed starts afresh."""
        jobs = tables.jobs
        fresh = {"state": "waiting", "planned_at": next_at, "next_at": next_at, "attempts": 0}
        upsert = self._database.insert(jobs).values(name=name, **fresh)
        with self._database.write() as connection:
            connection.execute(
                upsert.on_conflict_do_update(index_elements=["name"], set_=fresh, where=jobs.c.state != "running")
            )
        return self.get(name)

    def claim(self, holder: str, *, now: datetime, lasts: timedelta, names: tuple[str, ...] = ()) -> Job | None:
        """Takes the job that is due longest and marks it running; None when none is due.

        A job whose worker stopped renewing counts as failed once more and is due at once.

        Args:
            holder: The worker, unique among all.
            now: The present instant.
            lasts: How long until another worker may take it for dead; `renew` prolongs.
            names: Only these jobs, if any are given.
        """
        jobs = tables.jobs
        due = or_(
            (jobs.c.state.in_(["waiting", "retrying"])) & (jobs.c.next_at <= now),
            (jobs.c.state == "running") & (jobs.c.held_until <= now),
        )
        query = select(jobs).where(due).order_by(jobs.c.next_at, jobs.c.name).limit(1)
        if names:
            query = query.where(jobs.c.name.in_(names))
        with self._database.write() as connection:
            row = connection.execute(query.with_for_update(skip_locked=True)).mappings().first()
            return _started(connection, Job(**row), holder, now, lasts) if row is not None else None

    def renew(self, name: str, holder: str, *, now: datetime, lasts: timedelta) -> None:
        """Says that the worker is alive.

        Raises:
            ConflictError: Another worker has the job by now: this one must stop.
        """
        self._held(name, holder, {"held_until": now + lasts})

    def finish(self, name: str, holder: str, *, now: datetime, next_at: datetime | None = None) -> Job:
        """Notes that the job is done, and when it runs next.

        Raises:
            ConflictError: Another worker has the job by now.
        """
        return self._held(
            name,
            holder,
            {
                "state": "waiting" if next_at is not None else "done",
                "planned_at": next_at,
                "next_at": next_at,
                "last_ended_at": now,
                "last_error": None,
                "attempts": 0,
                "holder": None,
                "held_until": None,
            },
        )

    def fail(
        self,
        name: str,
        holder: str,
        error: str,
        *,
        now: datetime,
        retry: Retry | None = None,
        next_at: datetime | None = None,
    ) -> Job:
        """Notes that the job failed and when it is tried again.

        Args:
            name: The job.
            holder: The worker that had it.
            error: What went wrong, without personal data.
            now: The present instant.
            retry: How failures are tried again.
            next_at: When it runs next by plan, once it was given up.

        Raises:
            ConflictError: Another worker has the job by now.
        """
        retry = retry or Retry()
        failures = self.get(name).attempts + 1
        values: dict[str, object] = {"last_ended_at": now, "last_error": error, "holder": None, "held_until": None}
        if failures < retry.attempts:
            values |= {"state": "retrying", "next_at": now + retry.wait(failures), "attempts": failures}
        elif next_at is not None:
            values |= {"state": "waiting", "planned_at": next_at, "next_at": next_at, "attempts": 0}
        else:
            values |= {"state": "failed", "next_at": None, "attempts": failures}
        return self._held(name, holder, values)

    def get(self, name: str) -> Job:
        """Gives a job by name.

        Raises:
            MissingError: There is none.
        """
        with self._database.read() as connection:
            row = connection.execute(select(tables.jobs).where(tables.jobs.c.name == name)).mappings().first()
        if row is None:
            raise MissingError(f"there is no job '{name}'", next_step="look at [schedule] in shopkeeper.toml")
        return Job(**row)

    def all(self) -> list[Job]:
        """Gives all jobs by name."""
        query = select(tables.jobs).order_by(tables.jobs.c.name)
        with self._database.read() as connection:
            return [Job(**row) for row in connection.execute(query).mappings()]

    def drop(self, name: str) -> None:
        """Forgets a job that the settings no longer name; one that runs ends with a conflict."""
        with self._database.write() as connection:
            connection.execute(tables.jobs.delete().where(tables.jobs.c.name == name))

    def _held(self, name: str, holder: str, values: dict[str, object]) -> Job:
        jobs = tables.jobs
        held = (jobs.c.name == name) & (jobs.c.state == "running") & (jobs.c.holder == holder)
        with self._database.write() as connection:
            row = connection.execute(update(jobs).where(held).values(values).returning(jobs)).mappings().first()
        if row is None:
            raise ConflictError(f"job '{name}' is not {holder}'s any more", next_step="leave it to the other worker")
        return Job(**row)


def _started(connection: Connection, before: Job, holder: str, now: datetime, lasts: timedelta) -> Job:
    values: dict[str, object] = {
        "state": "running",
        "last_started_at": now,
        "holder": holder,
        "held_until": now + lasts,
    }
    if before.state == "running":
        values |= {"attempts": before.attempts + 1, "last_error": f"worker {before.holder} stopped in the middle"}
    jobs = tables.jobs
    change = update(jobs).where(jobs.c.name == before.name).values(values).returning(jobs)
    return Job(**connection.execute(change).mappings().one())
