"""The contract of the state store, held by SQLite and PostgreSQL alike."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from shopkeeper.base.errors import (
    AlreadyThereError,
    ConflictError,
    DataError,
    MissingError,
    StorageError,
    UnavailableError,
    UsageError,
)
from shopkeeper.storage.state import State, tables
from shopkeeper.storage.state.assignments import HOLDOUT
from shopkeeper.storage.state.jobs import Retry
from shopkeeper.storage.state.password import Passwords
from shopkeeper.storage.state.settings import Setting
from shopkeeper.storage.state.tables import HEAD, METADATA

MINUTE = timedelta(minutes=1)


def test_upgrade_makes_exactly_the_declared_tables_and_twice_changes_nothing(state: State) -> None:
    state.upgrade()
    with state.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    assert state.revision() == HEAD


def test_users_sign_in_by_password(state: State, now: datetime) -> None:
    ann = state.users.add(" ann ", "correct horse battery", "owner", now=now, first=True, language="zh")
    assert state.users.named("ann") == ann == state.users.get(ann.id)
    assert state.users.check("ann", "correct horse battery") == ann
    assert state.users.check("ann", "wrong horse battery") is None
    assert state.users.check("bob", "correct horse battery") is None
    with pytest.raises(AlreadyThereError, match="first user"):
        state.users.add("bob", "correct horse battery", "owner", now=now, first=True)
    with pytest.raises(AlreadyThereError, match="'ann'"):
        state.users.add("ann", "correct horse battery", "owner", now=now)
    with pytest.raises(UsageError, match="8 to"):
        state.users.add("bob", "short", "owner", now=now)
    assert state.users.all() == [ann]


def test_a_disabled_user_is_out_at_once(state: State, now: datetime) -> None:
    ann = state.users.add("ann", "correct horse battery", "owner", now=now)
    cookie, _ = state.sessions.start(ann.id, now=now)
    assert state.users.disable(ann.id, now=now).disabled
    assert state.users.check("ann", "correct horse battery") is None
    assert state.sessions.find(cookie, now=now) is None
    state.users.enable(ann.id)
    assert state.users.check("ann", "correct horse battery") is not None
    assert state.users.change(ann.id, role="analyst").role == "analyst"
    with pytest.raises(MissingError):
        state.users.change("user_nobody", role="analyst")


def test_a_new_password_ends_all_sessions(state: State, now: datetime) -> None:
    ann = state.users.add("ann", "correct horse battery", "owner", now=now)
    cookie, _ = state.sessions.start(ann.id, now=now)
    state.users.set_password(ann.id, "another long password")
    assert state.sessions.find(cookie, now=now) is None
    assert state.users.check("ann", "correct horse battery") is None
    assert state.users.check("ann", "another long password") == ann


def test_a_hash_with_old_parameters_is_made_anew_at_sign_in(state_url: str, now: datetime) -> None:
    with State.open(state_url, passwords=Passwords(memory_kib=64, passes=1)) as old:
        old.upgrade()
        old.users.add("ann", "correct horse battery", "owner", now=now)
    strong = Passwords(memory_kib=128, passes=2)
    with State.open(state_url, passwords=strong) as new:
        for _ in range(2):
            assert new.users.check("ann", "correct horse battery") is not None
        with new.database.read() as connection:
            (kept,) = connection.exec_driver_sql("SELECT password_hash FROM users").scalars()
    assert "m=128,t=2,p=1" in kept
    assert not strong.outgrown(kept)


def test_sessions_end_idle_and_in_any_case(state_url: str, now: datetime) -> None:
    hour = timedelta(hours=1)
    with State.open(state_url, session_idle=hour, session_absolute=3 * hour) as state:
        state.upgrade()
        ann = state.users.add("ann", "correct horse battery", "owner", now=now)
        cookie, session = state.sessions.start(ann.id, now=now)
        assert session.csrf_secret not in (cookie, session.hashed_id)
        assert state.sessions.find("guessed", now=now) is None
        for minutes in (50, 100, 150, 179):
            assert state.sessions.find(cookie, now=now + minutes * MINUTE) is not None
        assert state.sessions.find(cookie, now=now + 180 * MINUTE) is None
        unused, _ = state.sessions.start(ann.id, now=now)
        assert state.sessions.find(unused, now=now + 60 * MINUTE) is None
        assert state.sessions.sweep(now=now + 180 * MINUTE) == 2
        again, _ = state.sessions.start(ann.id, now=now)
        state.sessions.end(again)
        assert state.sessions.of(ann.id, now=now) == []


def test_segments_are_versioned_and_deleting_can_be_undone(state: State, now: datetime) -> None:
    tree = {"all": [{"trait": "recency", "op": "<=", "value": 30}]}
    first = state.segments.save("lively", tree, label_en="Lively", label_zh="活跃", by="ann", now=now, expected=0)
    assert state.segments.save("lively", tree, label_en="Lively", label_zh="活跃", by="bob", now=now) == first
    second = state.segments.save("lively", {"all": []}, label_en="Lively", label_zh="活跃", by="bob", now=now)
    assert [one.version for one in state.segments.versions("lively")] == [2, 1]
    assert state.segments.get("lively", 1).tree == tree
    with pytest.raises(ConflictError, match="version 2 by now, not 1"):
        state.segments.save("lively", tree, label_en="", label_zh="", by="ann", now=now, expected=1)
    assert state.segments.publish("lively", by="ann", now=now).published
    state.segments.archive("lively", by="ann", now=now)
    assert state.segments.all() == []
    assert [one.name for one in state.segments.all(archived=True)] == ["lively"]
    with pytest.raises(MissingError):
        state.segments.get("lively")
    assert state.segments.restore("lively").tree == second.tree
    with pytest.raises(MissingError):
        state.segments.restore("lively")


@pytest.mark.parametrize("change", ["UPDATE segment_versions SET label_en = 'x'", "DELETE FROM segment_versions"])
def test_a_segment_version_never_changes(state: State, now: datetime, change: str) -> None:
    state.segments.save("lively", {}, label_en="Lively", label_zh="活跃", by="ann", now=now)
    with pytest.raises(StorageError, match="append-only"), state.database.write() as connection:
        connection.exec_driver_sql(change)
    assert state.segments.get("lively").label_en == "Lively"


def test_mappings_are_kept_by_source_and_table(state: State, now: datetime) -> None:
    state.mappings.save("till", "customer", {"会员卡号": "customer_id"}, by="ann", now=now)
    state.mappings.save("till", "customer", {"卡号": "customer_id"}, by="bob", now=now)
    found = state.mappings.find("till", "customer")
    assert found is not None
    assert (found.mapping, found.saved_by) == ({"卡号": "customer_id"}, "bob")
    assert state.mappings.find("app", "customer") is None
    assert state.mappings.all() == [found]
    state.mappings.delete("till", "customer")
    with pytest.raises(MissingError):
        state.mappings.delete("till", "customer")


def test_loads_account_for_every_row(state: State, now: datetime) -> None:
    load = state.loads.start("lines.csv", "ab" * 32, table_name="order_line", source="till", by="ann", now=now)
    assert state.loads.with_content("ab" * 32, table_name="order_line", source="till") is None
    counts = {"received": 6, "stored": 3, "updated": 1, "duplicate": 1, "refused": 1, "reasons": {"no date": 1}}
    with pytest.raises(DataError, match="7 rows were received but 6"):
        state.loads.finish(load.id, counts | {"received": 7}, now=now)
    done = state.loads.finish(load.id, counts, now=now + MINUTE, watermark="2026-02-28")
    assert (done.counts, done.state, done.ended_at) == (counts, "done", now + MINUTE)
    assert state.loads.with_content("ab" * 32, table_name="order_line", source="till") == done
    assert state.loads.watermark("till", "order_line") == "2026-02-28"
    with pytest.raises(ConflictError):
        state.loads.fail(load.id, "too late", now=now)
    broken = state.loads.start("x.csv", "cd" * 32, table_name="order_line", source="till", by="ann", now=now + MINUTE)
    assert state.loads.fail(broken.id, "no such column", now=now + MINUTE).error == "no such column"
    assert [one.id for one in state.loads.recent(table_name="order_line")] == [broken.id, load.id]


def test_a_lease_has_one_holder_until_it_expires(state: State, now: datetime) -> None:
    lease = state.leases.acquire("loader", "a", now=now, lasts=MINUTE, note={"files": ["x.parquet"]})
    with pytest.raises(ConflictError, match="loader"):
        state.leases.acquire("loader", "b", now=now, lasts=MINUTE)
    assert state.leases.live(now) == [lease]
    renewed = state.leases.renew("loader", "a", now=now + MINUTE / 2, lasts=MINUTE, note={"files": []})
    assert renewed.expires_at == now + MINUTE * 1.5
    later = now + MINUTE * 2
    assert state.leases.live(later) == []
    with pytest.raises(ConflictError, match="lost"):
        state.leases.renew("loader", "a", now=later, lasts=MINUTE)
    assert state.leases.acquire("loader", "b", now=later, lasts=MINUTE).holder == "b"
    assert not state.leases.release("loader", "a")
    assert state.leases.release("loader", "b")
    state.leases.acquire("left", "dead", now=now, lasts=MINUTE)
    assert state.leases.sweep(before=later) == 1


def test_of_many_at_once_one_gets_the_lease_and_each_job_one_worker(state: State, now: datetime) -> None:
    for number in range(6):
        state.jobs.plan(f"job{number}", now)
    got: list[str] = []
    claimed: list[str] = []

    def work(holder: str) -> None:
        try:
            state.leases.acquire("loader", holder, now=now, lasts=MINUTE)
            got.append(holder)
        except ConflictError:
            pass
        while (job := state.jobs.claim(holder, now=now, lasts=MINUTE)) is not None:
            claimed.append(job.name)

    threads = [threading.Thread(target=work, args=(f"worker{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    # A worker that skipped rows others had locked may leave with None while one is still due.
    while (job := state.jobs.claim("last", now=now, lasts=MINUTE)) is not None:
        claimed.append(job.name)
    assert sorted(claimed) == [f"job{number}" for number in range(6)]


def test_jobs_run_when_due_and_failures_wait_twice_as_long_each_time(state: State, now: datetime) -> None:
    retry = Retry(first=MINUTE, longest=3 * MINUTE, attempts=4)
    state.jobs.plan("report", now + MINUTE)
    assert state.jobs.claim("w", now=now, lasts=MINUTE) is None
    moment, waits = now + MINUTE, []
    for _ in range(3):
        job = state.jobs.claim("w", now=moment, lasts=MINUTE)
        assert job is not None
        failed = state.jobs.fail("report", "w", "no data", now=moment, retry=retry)
        assert failed.next_at is not None
        assert (failed.state, failed.last_error) == ("retrying", "no data")
        waits.append(failed.next_at - moment)
        moment = failed.next_at
    assert waits == [MINUTE, 2 * MINUTE, 3 * MINUTE]
    state.jobs.claim("w", now=moment, lasts=MINUTE)
    assert state.jobs.fail("report", "w", "no data", now=moment, retry=retry).state == "failed"
    assert state.jobs.claim("w", now=moment + timedelta(days=9), lasts=MINUTE) is None
    assert state.jobs.plan("report", moment).attempts == 0
    state.jobs.claim("w", now=moment, lasts=MINUTE)
    done = state.jobs.finish("report", "w", now=moment, next_at=moment + timedelta(days=1))
    assert (done.state, done.last_error, done.holder, done.last_ended_at) == ("waiting", None, None, moment)
    assert state.jobs.all() == [done]


def test_a_job_of_a_dead_worker_goes_to_another(state: State, now: datetime) -> None:
    state.jobs.plan("load", now)
    state.jobs.claim("dead", now=now, lasts=MINUTE)
    assert state.jobs.claim("b", now=now + MINUTE / 2, lasts=MINUTE) is None
    taken = state.jobs.claim("b", now=now + MINUTE, lasts=MINUTE, names=("load",))
    assert taken is not None
    assert (taken.holder, taken.attempts, taken.last_error) == ("b", 1, "worker dead stopped in the middle")
    with pytest.raises(ConflictError, match="not dead's any more"):
        state.jobs.finish("load", "dead", now=now + MINUTE)
    state.jobs.renew("load", "b", now=now + MINUTE, lasts=5 * MINUTE)
    assert state.jobs.claim("c", now=now + 5 * MINUTE, lasts=MINUTE) is None
    assert state.jobs.finish("load", "b", now=now + MINUTE).state == "done"


def test_who_was_drawn_stays_drawn(state: State, now: datetime) -> None:
    drawn = [(f"p{number}", HOLDOUT if number % 10 == 0 else "offer") for number in range(4_500)]
    assert state.assignments.keep("spring", drawn, now=now) == 4_500
    assert state.assignments.keep("spring", [("p0", "offer"), ("p9999", "offer")], now=now) == 1
    assert state.assignments.counts("spring") == {HOLDOUT: 450, "offer": 4_051}
    assert state.assignments.variants("spring")["p0"] == HOLDOUT
    assert [one.variant for one in state.assignments.of("p0", ["spring", "autumn"])] == [HOLDOUT]


def test_runs_keep_their_steps_in_order(state: State, now: datetime) -> None:
    run = state.runs.start(as_of=date(2017, 12, 31), engine="duckdb", by="ann", now=now)
    state.runs.step(run.id, "person", rows=2_469, seconds=0.4, skipped=False, now=now, quality={"ok": True})
    state.runs.step(run.id, "profile", rows=0, seconds=0.0, skipped=True, now=now + MINUTE)
    done = state.runs.finish(run.id, now=now + MINUTE)
    assert [(step.name, step.rows, step.skipped) for step in done.steps] == [
        ("person", 2_469, False),
        ("profile", 0, True),
    ]
    assert done.as_of == date(2017, 12, 31)
    other = state.runs.start(as_of=None, engine="spark", by="worker", now=now + MINUTE)
    state.runs.fail(other.id, "no Java", now=now + MINUTE)
    assert [one.state for one in state.runs.recent()] == ["failed", "done"]
    assert state.runs.last(state="done") == done
    with pytest.raises(MissingError):
        state.runs.step("run_none", "person", rows=0, seconds=0, skipped=False, now=now)
    with pytest.raises(ConflictError):
        state.runs.finish(run.id, now=now)


def test_settings_keep_every_version(state: State, now: datetime) -> None:
    assert state.settings.get("lifecycle") is None
    state.settings.put("lifecycle", {"sleeping": 90}, by="ann", now=now)
    state.settings.put("lifecycle", {"sleeping": 90}, by="bob", now=now + MINUTE)
    second = state.settings.put("lifecycle", {"sleeping": 60}, by="bob", now=now + 2 * MINUTE)
    assert state.settings.get("lifecycle") == second
    assert [one.version for one in state.settings.history("lifecycle")] == [2, 1]
    before = state.settings.get("lifecycle", at=now + MINUTE)
    assert before is not None
    assert before.value == {"sleeping": 90}


def test_of_two_who_set_from_one_version_the_later_is_told(state: State, now: datetime) -> None:
    state.settings.put("lifecycle", {"sleeping": 90}, by="ann", now=now, expected=0)
    state.settings.put("lifecycle", {"sleeping": 60}, by="bob", now=now, expected=1)
    with pytest.raises(ConflictError, match="version 2 by now, not 1"):
        state.settings.put("lifecycle", {"sleeping": 70}, by="cat", now=now, expected=1)
    assert [one.set_by for one in state.settings.history("lifecycle")] == ["bob", "ann"]


@pytest.mark.parametrize(("value", "expected", "versions"), [(1, None, 1), (2, None, 2), (2, 0, 1)])
def test_who_sets_while_another_sets_the_same_version_looks_again(
    state: State, now: datetime, value: int, expected: int | None, versions: int
) -> None:
    first = Setting("x", 1, 1, "ann", now)
    with ThreadPoolExecutor(1) as pool:
        with state.database.write() as connection:
            connection.execute(tables.settings.insert().values({key: getattr(first, key) for key in Setting.__slots__}))
            later = pool.submit(state.settings.put, "x", value, by="bob", now=now, expected=expected)
            with pytest.raises(TimeoutError):
                later.result(timeout=0.3)
        if expected is None:
            assert (later.result().version, later.result().set_by) == (versions, "ann" if value == 1 else "bob")
        else:
            assert isinstance(later.exception(), ConflictError)
    assert len(state.settings.history("x")) == versions


def test_the_audit_log_shows_any_tampering(state: State, now: datetime) -> None:
    for number in range(5):
        state.audit.append("ann", "person.unmask", f"p{number}", now=now, origin="10.0.0.1", detail={"reason": "催"})
    anchor = state.audit.head()
    assert state.audit.verify(anchor) == 5
    assert [row.seq for row in state.audit.rows(after=1, target="p3")] == [4]
    for change in ("UPDATE audit SET who = 'bob' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2"):
        with pytest.raises(StorageError, match="append-only"), state.database.write() as connection:
            connection.exec_driver_sql(change)
    assert state.audit.verify(anchor) == 5


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ("UPDATE audit SET who = 'bob' WHERE seq = 2", 2),
        ("UPDATE audit SET happened_at = '2020-01-01 00:00:00.000000' WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 5", 5),
    ],
)
def test_verify_names_the_row_that_was_tampered_with(state: State, now: datetime, change: str, row: int) -> None:
    for number in range(5):
        state.audit.append("ann", "person.unmask", f"p{number}", now=now)
    with state.database.write() as connection:
        if state.database.is_sqlite:
            connection.exec_driver_sql("DROP TRIGGER audit_no_update")
            connection.exec_driver_sql("DROP TRIGGER audit_no_delete")
        else:
            connection.exec_driver_sql("DROP TRIGGER audit_append_only ON audit")
        connection.exec_driver_sql(change)
    with pytest.raises(StorageError, match=f"row {row}"):
        state.audit.verify()


def test_instants_come_back_in_utc_and_need_a_zone(state: State, now: datetime) -> None:
    shanghai = timezone(timedelta(hours=8))
    state.settings.put("x", 1, by="ann", now=now.astimezone(shanghai))
    kept = state.settings.get("x")
    assert kept is not None
    assert (kept.set_at, kept.set_at.tzinfo) == (now, UTC)
    with pytest.raises(StorageError, match="time zone"):
        state.settings.put("x", 2, by="ann", now=now.replace(tzinfo=None))


def test_sqlite_is_durable_and_closed_to_others(tmp_path: Path) -> None:
    with State.open(str(tmp_path / "state.db")) as state:
        state.upgrade()
        with state.database.read() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
        for file in tmp_path.iterdir():
            assert file.stat().st_mode & 0o077 == 0


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UnavailableError, match=r"pip install shopkeeper\[postgres\]"):
        State.open("postgresql://ann:secret@nowhere/shop")


@pytest.mark.parametrize("url", ["mysql://ann:secret@nowhere/shop", "sqlite://", "://"])
def test_an_address_that_holds_no_state_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError, match="postgresql://USER@HOST/NAME") as caught:
        State.open(url)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with State.open(f"postgresql://ann:secret@/shop?host={tmp_path}") as state:
        with pytest.raises(UnavailableError) as caught:
            state.users.all()
        assert "secret" not in str(caught.value)
    with pytest.raises(UnavailableError, match="shopkeeper init"):
        State.open(str(tmp_path / "none" / "state.db"))
