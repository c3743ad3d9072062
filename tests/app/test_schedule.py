"""The worker: when jobs are due, what failing does, who holds a job, and a load that it really does."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.app.log import configure_log
from shopkeeper.app.schedule import Work, Worker, next_time, work_of
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.base.errors import ConflictError, DataError, MissingError
from shopkeeper.base.settings import LogSettings
from shopkeeper.schema.query import Query

ZONES = ("America/New_York", "Asia/Shanghai", "Europe/London", "Australia/Lord_Howe", "America/St_Johns", "UTC")
START = datetime(2026, 9, 1, 0, 0, tzinfo=UTC)


class Hands:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def on(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def clock() -> Hands:
    return Hands(START)


@pytest.fixture
def shop(tmp_path: Path, clock: Hands) -> Iterator[Shop]:
    init(tmp_path / "shop", {"schedule.retries": 3}).close()
    with open_shop(tmp_path / "shop", clock=clock) as opened:
        yield opened


def _hourly(name: str, do: object) -> Work:
    return Work(name, do, lambda after: after + timedelta(hours=1))  # type: ignore[arg-type]


# When


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - the zone is added below
    st.sampled_from(ZONES),
    st.integers(0, 23),
    st.integers(0, 59),
)
def test_the_next_time_is_later_within_two_days_and_shows_on_the_wall(
    at: datetime, zone: str, hour: int, minute: int
) -> None:
    after = at.replace(tzinfo=UTC)
    found = next_time(f"{hour:02}:{minute:02}", zone, after)
    assert after < found <= after + timedelta(hours=49)
    local = found.astimezone(ZoneInfo(zone))
    wall = datetime(local.year, local.month, local.day, hour, minute, tzinfo=ZoneInfo(zone))
    exists = wall.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall.replace(tzinfo=None)
    if exists:
        assert (local.hour, local.minute) == (hour, minute)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_a_daily_job_runs_once_on_each_day_of_the_stores(at: datetime, zone: str) -> None:
    instant, days = at.replace(tzinfo=UTC), []
    for _ in range(5):
        instant = next_time("02:30", zone, instant)
        days.append(instant.astimezone(ZoneInfo(zone)).date())
    assert [(later - earlier).days for earlier, later in pairwise(days)] == [1, 1, 1, 1]


def test_over_the_change_of_clocks() -> None:
    new_york = ZoneInfo("America/New_York")
    before = datetime(2026, 3, 7, 12, tzinfo=new_york)
    assert next_time("02:30", "America/New_York", before) == datetime(2026, 3, 8, 3, 30, tzinfo=new_york)
    before = datetime(2026, 10, 31, 12, tzinfo=new_york)
    first = next_time("01:30", "America/New_York", before)
    assert first == datetime(2026, 11, 1, 1, 30, tzinfo=new_york).astimezone(UTC)
    assert next_time("01:30", "America/New_York", first) == datetime(2026, 11, 2, 1, 30, tzinfo=new_york)


# What


def test_a_job_is_done_when_it_is_due_and_planned_again(shop: Shop, clock: Hands) -> None:
    done: list[datetime] = []
    worker = Worker(shop, [_hourly("count", lambda: done.append(clock()))])
    worker.plan()
    assert worker.tick() is None
    clock.on(minutes=61)
    after = worker.tick()
    assert after is not None
    assert (after.state, after.last_error, after.attempts) == ("waiting", None, 0)
    assert after.next_at == clock() + timedelta(hours=1)
    assert done == [clock()]
    assert worker.tick() is None


def test_planning_again_leaves_what_is_planned(shop: Shop, clock: Hands) -> None:
    Worker(shop, [_hourly("count", lambda: None)]).plan()
    clock.on(minutes=30)
    Worker(shop, [_hourly("count", lambda: None)]).plan()
    assert shop.state.jobs.get("count").next_at == START + timedelta(hours=1)


def test_jobs_that_the_settings_no_longer_name_are_dropped(shop: Shop) -> None:
    Worker(shop, [_hourly("old", lambda: None), _hourly("kept", lambda: None)]).plan()
    Worker(shop, [_hourly("kept", lambda: None)]).plan()
    assert [job.name for job in shop.state.jobs.all()] == ["kept"]


def test_the_job_due_longest_comes_first(shop: Shop, clock: Hands) -> None:
    order: list[str] = []
    late = Work("late", lambda: order.append("late"), lambda after: after + timedelta(minutes=20))
    soon = Work("soon", lambda: order.append("soon"), lambda after: after + timedelta(minutes=10))
    worker = Worker(shop, [late, soon])
    worker.plan()
    clock.on(minutes=30)
    while worker.tick():
        pass
    assert order == ["soon", "late"]


# Failing


def _fail() -> None:
    raise DataError("the till sent nonsense", next_step="ask the till")


def test_a_failing_job_waits_longer_each_time_and_is_given_up_until_its_next_plan(shop: Shop, clock: Hands) -> None:
    worker = Worker(shop, [Work("load", _fail, lambda after: after + timedelta(days=1))])
    worker.plan()
    clock.on(days=1, seconds=1)
    waits = []
    for _ in range(3):
        job = worker.tick()
        assert job is not None
        assert job.state == "retrying"
        assert job.last_error is not None
        assert "the till sent nonsense" in job.last_error
        assert job.next_at is not None
        waits.append(job.next_at - clock())
        assert worker.tick() is None
        clock.at = job.next_at
    assert waits == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    job = worker.tick()
    assert job is not None
    assert (job.state, job.attempts, job.next_at) == ("waiting", 0, clock() + timedelta(days=1))
    assert job.last_error is not None


def test_an_error_nobody_expected_is_noted_and_the_worker_goes_on(shop: Shop, clock: Hands) -> None:
    def break_() -> None:
        raise KeyError("13812345678")

    done: list[str] = []
    worker = Worker(shop, [_hourly("breaks", break_), _hourly("works", lambda: done.append("works"))])
    worker.plan()
    clock.on(hours=1)
    job = worker.tick()
    assert job is not None
    assert job.last_error is not None
    assert re.fullmatch(r"KeyError in test_schedule\.py, line \d+", job.last_error)
    worker.tick()
    assert done == ["works"]


def test_what_duckdb_says_of_a_row_reaches_neither_the_log_nor_the_job(
    shop: Shop, clock: Hands, capsys: pytest.CaptureFixture[str]
) -> None:
    query = Query.from_sql("SELECT CAST('13812345678x' AS BIGINT) AS n", name="numbers")
    with pytest.raises(DataError, match="13812345678x"):
        shop.arrow(query)
    configure_log(LogSettings())
    worker = Worker(shop, [_hourly("casts", lambda: shop.arrow(query))])
    worker.plan()
    clock.on(hours=1)
    job = worker.tick()
    assert job is not None
    assert job.last_error == "numbers met a value it cannot take: ConversionException"
    logged = capsys.readouterr().err
    assert "numbers met a value" in logged
    assert "13812345678" not in logged


def test_a_success_forgets_the_failures(shop: Shop, clock: Hands) -> None:
    answers = [DataError("not yet"), None]

    def sometimes() -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    worker = Worker(shop, [_hourly("load", sometimes)])
    worker.plan()
    clock.on(hours=1)
    worker.tick()
    clock.on(minutes=1)
    job = worker.tick()
    assert job is not None
    assert (job.state, job.attempts, job.last_error) == ("waiting", 0, None)


# Several workers


def test_two_workers_never_do_one_job_at_once(shop: Shop, clock: Hands) -> None:
    inside, most, lock = [0], [0], threading.Lock()
    meet = threading.Barrier(2, timeout=10)

    def work() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        with lock:
            inside[0] -= 1

    jobs = [_hourly("one", work)]
    other = open_shop(shop.folder, clock=clock)
    workers = [Worker(shop, jobs), Worker(other, jobs)]
    workers[0].plan()
    done: list[object] = []

    def turn(worker: Worker) -> None:
        for _ in range(10):
            meet.wait()
            done.append(worker.tick())
            if meet.wait() == 0:
                clock.on(hours=1)

    threads = [threading.Thread(target=turn, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert most == [1]
    assert len([job for job in done if job is not None]) in (9, 10)


def test_while_one_works_another_finds_nothing_due(shop: Shop, clock: Hands) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def long() -> None:
        begun.set()
        assert may_end.wait(10)

    first, second = Worker(shop, [_hourly("one", long)]), Worker(shop, [_hourly("one", long)])
    first.plan()
    clock.on(hours=1)
    thread = threading.Thread(target=first.tick)
    thread.start()
    assert begun.wait(10)
    assert second.tick() is None
    may_end.set()
    thread.join()


def test_the_job_of_a_worker_that_died_is_taken_over(shop: Shop, clock: Hands) -> None:
    worker = Worker(shop, [_hourly("one", lambda: None)])
    worker.plan()
    clock.on(hours=1)
    shop.state.jobs.claim("dead", now=clock(), lasts=timedelta(minutes=5))
    assert worker.tick() is None
    clock.on(minutes=6)
    job = worker.tick()
    assert job is not None
    assert job.state == "waiting"
    with pytest.raises(ConflictError, match="one"):
        shop.state.jobs.finish("one", "dead", now=clock())


def test_stop_ends_the_run_after_the_job_at_hand(shop: Shop, clock: Hands) -> None:
    begun, done = threading.Event(), []

    def work() -> None:
        begun.set()
        done.append(1)

    worker = Worker(shop, [_hourly("one", work)])
    worker.plan()
    clock.on(hours=1)
    thread = threading.Thread(target=worker.run, args=(0.01,))
    thread.start()
    assert begun.wait(10)
    worker.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert done == [1]


# The jobs of a shop

LOADS = """
[chain]
time_zone = "Asia/Shanghai"

[schedule]
load_every_minutes = 15

[[schedule.loads]]
table = "order_line"
files = "in/lines-*.csv"
source = "till"
"""

LINES = """小票号,行号,会员卡号,门店,商品编码,交易时间,数量,实收金额
A1,1,c1,s1,p1,2026-08-30 10:00:00,2,12.50
A1,2,c1,s1,p2,2026-08-30 10:00:00,1,3.00
A2,1,,s1,p1,2026-08-31 18:30:00,1,6.25
"""


@pytest.fixture
def loading(tmp_path: Path, clock: Hands) -> Iterator[Shop]:
    init(tmp_path / "loading").close()
    (tmp_path / "loading" / "shopkeeper.toml").write_text(LOADS, encoding="utf-8")
    with open_shop(tmp_path / "loading", clock=clock) as opened:
        yield opened


def test_the_settings_name_the_jobs(loading: Shop, clock: Hands) -> None:
    work = {each.name: each.following(clock()) for each in work_of(loading)}
    assert set(work) == {"compact", "run", "report", "load till.order_line"}
    assert work["load till.order_line"] == clock() + timedelta(minutes=15)
    assert all(clock() < at <= clock() + timedelta(days=1) for at in work.values())


def test_the_worker_loads_runs_and_reports_by_itself(loading: Shop, clock: Hands) -> None:
    (loading.folder / "in").mkdir()
    (loading.folder / "in" / "lines-1.csv").write_text(LINES, encoding="utf-8")
    worker = Worker(loading)
    worker.plan()
    clock.on(days=1)
    done = {}
    while (job := worker.tick()) is not None:
        done[job.name] = (job.state, job.last_error)
    assert done == dict.fromkeys(["load till.order_line", "run", "report", "compact"], ("waiting", None))
    lines, profile = loading.lake.snapshot("order_line"), loading.lake.snapshot("profile")
    assert lines is not None
    assert profile is not None
    assert (lines.rows, profile.rows) == (3, 1)
    assert [file.name for file in (loading.folder / "reports").iterdir()] == ["2026-08-31.json"]
    last = loading.state.runs.last()
    assert last is not None
    assert last.started_by == "worker"


def test_a_load_without_a_file_says_so(loading: Shop) -> None:
    (load,) = (each for each in work_of(loading) if each.name.startswith("load"))
    with pytest.raises(MissingError, match=r"in/lines-\*\.csv"):
        load.do()
