import inspect
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg import exceptions
from sqlalchemy import create_engine

from shopkeeper.base.errors import ConflictError, MissingError, ShopkeeperError, StorageError
from shopkeeper.schema.query import Bounds, Query
from shopkeeper.schema.table import Column, Table, Type
from shopkeeper.schema.tables import table as declared
from shopkeeper.storage import catalog, warehouse
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.engine.duckdb import scan_statement
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.parquet import publish, staging
from tests.storage.contention import appends_land_once, one_replace_wins
from tests.storage.processes import ROOT, go, line, output, writers
from tests.storage.rows import filled

LATER = timedelta(days=2)
IDS = Query.from_sql("SELECT product_id FROM product ORDER BY product_id")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def engine(lake: Lake, tmp_path: Path) -> Iterator[DuckDBEngine]:
    made = DuckDBEngine(lake, spill=tmp_path / "spill", memory_limit="512MB", threads=1)
    yield made
    made.close()


def put(lake: Lake, engine: DuckDBEngine, *ids: str, properties: dict[str, str] | None = None) -> None:
    rows = filled("product", [{"product_id": each} for each in ids])
    warehouse.append_rows(lake, engine, "product", rows, properties)


def ids(engine: DuckDBEngine) -> list[str]:
    return engine.arrow(IDS)["product_id"].to_pylist()


def on_disk(lake: Lake) -> set[str]:
    return set(map(str, lake.folder("product").glob("*.parquet")))


def test_a_lake_never_written_has_no_tables(lake: Lake) -> None:
    assert lake.tables() == []
    assert lake.snapshot("product") is None
    assert lake.history("product") == []
    assert lake.files("product") == []
    with pytest.raises(MissingError, match="there is no table 'nonsense'"):
        lake.files("nonsense")


def test_a_snapshot_says_what_was_written(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a", "b", properties={"shopkeeper.step": "load"})
    put(lake, engine, "c")
    first, second = lake.history("product")
    assert (first.rows, first.files, first.properties) == (2, 1, {"shopkeeper.step": "load"})
    assert (second.rows, second.files, second.operation) == (3, 2, "append")
    assert lake.snapshot("product") == second
    assert lake.tables() == ["product"]


@pytest.mark.parametrize("sign", ["\ud7ff", "\U0010ffff", "\ue000", "\uffff", "\0"])
def test_no_sign_at_the_cut_of_a_bound_keeps_a_row_out(lake: Lake, engine: DuckDBEngine, sign: str) -> None:
    names = [f"{start}{sign}y" for start in ("x" * 15, "\U0010ffff" * 15, sign * 20)]
    put(lake, engine, *names)
    put(lake, engine, "a")
    assert ids(engine) == sorted(["a", *names])


def test_replace_leaves_only_the_new_rows(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a", "b")
    warehouse.replace_rows(lake, engine, "product", filled("product", [{"product_id": "c"}]))
    assert ids(engine) == ["c"]


def test_delete_by_predicate_keeps_the_other_rows_of_a_file(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a", "b")
    put(lake, engine, "c")
    after = lake.delete("product", "product_id == 'a' or product_id == 'c'")
    assert ids(engine) == ["b"]
    assert after is not None
    assert after.rows == 1
    lake.delete("product", "product_id == 'nobody'")
    assert ids(engine) == ["b"]


def test_delete_of_days_takes_whole_partitions(lake: Lake, engine: DuckDBEngine) -> None:
    rows = [{"promo_price": Decimal(i), "starts_on": date(2017, i, 3), "ends_on": date(2017, i, 9)} for i in (1, 2, 3)]
    warehouse.append_rows(lake, engine, "promotion", filled("promotion", rows))
    kept = set(lake.files("promotion", Bounds(date(2017, 2, 1), None)))
    lake.delete("promotion", "starts_on < '2017-02-01'")
    assert set(lake.files("promotion")) == kept


def test_a_column_declared_later_is_null_in_old_files(tmp_path: Path) -> None:
    old = Table("product", "before", declared("product").columns[:3], ("product_id",))
    new_columns = (
        Column("tags", Type.STRINGS, "Labels"),
        Column("sizes", Type.MAP, "Sizes by name"),
        Column("weight", Type.NUMBER, "Weight"),
    )
    before = Lake(tmp_path / "lake", tables={"product": old})
    with _written(before, old, pa.table({"product_id": ["a"], "name": ["x"], "kind": ["fresh"]})) as files:
        before.append("product", files)
    new = Table("product", "after", (*old.columns, *new_columns), ("product_id",))
    after = Lake(tmp_path / "lake", tables={"product": new})
    engine = DuckDBEngine(after, spill=tmp_path / "spill")
    rows = pa.table(
        {
            "product_id": ["b"], "name": ["y"], "kind": ["fresh"], "tags": [["n"]],
            "sizes": pa.array([[("l", "1")]], pa.map_(pa.string(), pa.string())), "weight": [0.5],
        }
    )  # fmt: skip
    given = Table("given", "rows", new.columns, new.key)
    query = Query.from_sql(f"SELECT {', '.join(new.column_names)} FROM given", inputs=(given,))
    after.append("product", engine.write(query, new, {"given": rows}))

    ids_ = after.field_ids("product")
    assert [len(part) for part in ids_.values()] == [1, 1, 1, 2, 3, 1]
    assert sorted(each for part in ids_.values() for each in part) == list(range(1, 10))
    expected = [
        {"product_id": "a", "name": "x", "kind": "fresh", "tags": None, "sizes": None, "weight": None},
        {**rows.to_pylist()[0]},
    ]
    foreign = after.iceberg("product").scan().to_arrow().sort_by("product_id")
    assert foreign.to_pylist() == expected
    connection = engine.connection()
    read = connection.sql(f"{scan_statement(new, after.scan('product'))} ORDER BY product_id")
    assert read.to_arrow_table().to_pylist() == expected


class _written:  # noqa: N801 - reads like a function
    """Files of a table written by somebody else's library, with the field ids of the table."""

    def __init__(self, lake: Lake, table: Table, rows: pa.Table) -> None:
        self._lake, self._table, self._rows = lake, table, rows

    def __enter__(self) -> list[str]:
        numbers = self._lake.field_ids(self._table.name)
        fields = [field.with_metadata({"PARQUET:field_id": str(numbers[field.name][0])}) for field in self._rows.schema]
        folder = self._lake.folder(self._table.name)
        with staging(folder) as place:
            pq.write_table(self._rows.cast(pa.schema(fields)), place / "rows.parquet")
            return publish([place / "rows.parquet"], folder)

    def __exit__(self, *_: object) -> None: ...


def test_a_reader_sees_the_state_it_began_with(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a", "b")
    relation = engine.relation(IDS)
    other = Lake(lake.location)
    warehouse.replace_rows(other, DuckDBEngine(other, spill=lake.location / "s"), "product", filled("product", []))
    assert [row[0] for row in relation.fetchall()] == ["a", "b"]
    assert ids(engine) == []


def test_readers_beside_a_writer_see_whole_states_only(lake: Lake, engine: DuckDBEngine) -> None:
    """A writer swaps 10 rows for 20 and back; no reader ever sees another number."""
    states = [filled("product", [{"product_id": f"{i}"} for i in range(n)]) for n in (10, 20)]
    warehouse.replace_rows(lake, engine, "product", states[0])
    done, seen = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            seen.add(len(ids(engine)))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(12):
        warehouse.replace_rows(lake, engine, "product", states[(turn + 1) % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert seen == {10, 20}


def test_a_process_sees_its_own_commits_and_those_of_others_at_once(lake: Lake, engine: DuckDBEngine) -> None:
    other = Lake(lake.location)
    theirs = DuckDBEngine(other, spill=lake.location / "s")
    for turn in range(3):
        put(lake, engine, f"mine-{turn}")
        assert len(ids(theirs)) == 2 * turn + 1
        put(other, theirs, f"theirs-{turn}")
        assert len(ids(engine)) == 2 * turn + 2


def test_a_table_that_did_not_change_is_not_parsed_again(
    lake: Lake, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, engine, "a")
    lake.files("product")
    read: list[str] = []
    real = catalog.DurableIO.new_input

    def counted(self: Any, location: str) -> Any:
        read.append(location)
        return real(self, location)

    monkeypatch.setattr(catalog.DurableIO, "new_input", counted)
    for _ in range(5):
        lake.files("product")
        lake.snapshot("product")
    assert read == []
    put(lake, engine, "b")
    assert read


# Two processes


def test_appends_of_two_processes_all_land_once(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "first")
    appends_land_once(lake, lambda: ids(engine), times=12)


def test_without_retries_two_processes_lose_appends(lake: Lake, engine: DuckDBEngine) -> None:
    """The positive control: the two really get into each other's way."""
    put(lake, engine, "first")
    with writers(lake, ("once", "x", "12"), ("once", "y", "12")) as both:
        go(*both)
        said = [each for process in both for each in output(process)]
    assert "conflict" in said
    assert ids(engine) == sorted(["first", *(each for each in said if each != "conflict")])


def test_of_two_replacing_processes_one_wins_and_the_other_redoes_it(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "first")
    one_replace_wins(lake, lambda: ids(engine))


def test_a_replace_of_what_moved_on_is_refused(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a")
    before = lake.snapshot("product")
    put(lake, engine, "b")
    assert before is not None
    with pytest.raises(ConflictError, match="moved on"):
        lake.replace("product", [], expected=before.id)
    with pytest.raises(ConflictError):
        lake.replace("product", [], expected=0)
    assert ids(engine) == ["a", "b"]


# A process that is killed


def test_a_copied_folder_does_not_touch_the_files_of_the_original(lake: Lake, tmp_path: Path) -> None:
    lake.ensure("product")
    shutil.copytree(lake.location, tmp_path / "copy")
    with closing(Lake(tmp_path / "copy")) as copied:
        for used in (copied.snapshot, copied.ensure, copied.scan):
            with pytest.raises(StorageError, match="copied or moved"):
                used("product")
    (tmp_path / "by another name").symlink_to(lake.location)
    with closing(Lake(tmp_path / "by another name")) as linked:
        assert linked.ensure("product").name() == lake.ensure("product").name()


@pytest.mark.parametrize("point", ["staged", "published", "manifests written", "metadata written"])
def test_a_process_killed_in_a_write_leaves_the_table_as_it_was(lake: Lake, engine: DuckDBEngine, point: str) -> None:
    put(lake, engine, "a")
    before = lake.snapshot("product")
    with writers(lake, ("stop", point, "half")) as (process,):
        go(process)
        assert line(process) == "here"
        process.kill()
        process.wait()
    assert lake.snapshot("product") == before
    assert ids(engine) == ["a"]
    # The positive control: a reader of the folder instead of the catalog would see the unfinished write.
    found = [*lake.folder("product").rglob("*.parquet")]
    assert sorted(each for file in found for each in pq.read_table(file)["product_id"].to_pylist()) == ["a", "half"]
    put(lake, engine, "b")
    assert lake.sweep("product", now=datetime.now(UTC)) == []
    swept = lake.sweep("product", now=datetime.now(UTC) + LATER)
    assert swept
    assert on_disk(lake) == set(lake.files("product"))
    assert not list(lake.folder("product").glob(".staging-*"))
    assert ids(engine) == ["a", "b"]


def test_the_sweep_leaves_what_a_lease_covers(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a")
    (intended,) = engine.write(warehouse._given("product"), declared("product"), {
        "given": filled("product", [{"product_id": "b"}]),
    })  # fmt: skip
    now = datetime.now(UTC) + LATER
    assert lake.sweep("product", now=now, live={intended}) == []
    lake.append("product", [intended])
    assert ids(engine) == ["a", "b"]
    (other,) = engine.write(Query.from_sql("SELECT 'c' AS product_id"), declared("product"))
    assert other in lake.sweep("product", now=now)  # the positive control: without the lease it goes


def test_expired_states_are_forgotten_and_their_files_swept(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a")
    warehouse.replace_rows(lake, engine, "product", filled("product", [{"product_id": "b"}]))
    first, second = lake.history("product")
    now = datetime.now(UTC) + LATER
    assert lake.sweep("product", now=now) == []
    assert lake.expire("product", keep=timedelta(days=30), now=now) == []
    assert lake.expire("product", keep=timedelta(0), now=now) == [first.id]
    assert lake.history("product") == [second]
    swept = lake.sweep("product", now=now)
    assert len([file for file in swept if file.endswith(".parquet")]) == 1
    assert [file for file in swept if file.endswith(".avro")]
    assert ids(engine) == ["b"]
    assert lake.iceberg("product").scan().to_arrow()["product_id"].to_pylist() == ["b"]


def test_a_dropped_table_is_gone(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a")
    lake.drop("product")
    assert lake.tables() == []
    with pytest.raises(MissingError, match="not in the lake"):
        lake.drop("product")
    put(lake, engine, "b")
    assert ids(engine) == ["b"]


def test_deletes_of_a_foreign_writer_are_applied(lake: Lake, engine: DuckDBEngine) -> None:
    """PyIceberg writes no delete files, so one is made by hand as the format says and added to a manifest."""
    put(lake, engine, "a", "b", "c")
    _delete_position(lake, "product", 1)
    scan = lake.scan("product")
    assert scan.files == ()
    assert scan.rows is not None
    assert scan.rows.num_rows == 2
    gone = pq.read_table(lake.data_files("product")[0].file_path.removeprefix("file://"))["product_id"].to_pylist()[1]
    assert ids(engine) == sorted({"a", "b", "c"} - {gone})


def _delete_position(lake: Lake, name: str, position: int) -> None:
    from pyiceberg.manifest import (  # noqa: PLC0415  # noqa: PLC0415
        DataFile,
        DataFileContent,
        FileFormat,
        ManifestContent,
        ManifestEntry,
        ManifestEntryStatus,
        ManifestWriterV2,
        write_manifest_list,
    )
    from pyiceberg.table.snapshots import Operation, Snapshot, Summary  # noqa: PLC0415
    from pyiceberg.table.update import AddSnapshotUpdate, AssertRefSnapshotId, SetSnapshotRefUpdate  # noqa: PLC0415
    from pyiceberg.typedef import Record  # noqa: PLC0415

    table = lake.iceberg(name)
    current = table.current_snapshot()
    assert current is not None
    target = lake.data_files(name)[0].file_path
    place = lake.location / "shop" / name
    fields = [
        pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": "2147483546"}),
        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "2147483545"}),
    ]
    deletes = place / "data" / "deletes.parquet"
    pq.write_table(pa.table([[target], [position]], schema=pa.schema(fields)), deletes)
    file = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES, file_path=f"file://{deletes}", file_format=FileFormat.PARQUET,
        partition=Record(), record_count=1, file_size_in_bytes=deletes.stat().st_size, spec_id=0,
    )  # fmt: skip
    file.spec_id = 0

    class DeleteWriter(ManifestWriterV2):
        def content(self) -> ManifestContent:
            return ManifestContent.DELETES

        @property
        def _meta(self) -> dict[str, str]:
            return {**super()._meta, "content": "deletes"}

    snapshot_id, sequence = table.metadata.new_snapshot_id(), table.metadata.next_sequence_number()
    manifest = table.io.new_output(f"file://{place}/metadata/deletes.avro")
    with DeleteWriter(table.spec(), table.schema(), manifest, snapshot_id, "deflate") as writer:
        writer.add(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, data_file=file))
    listed = table.io.new_output(f"file://{place}/metadata/snap-deletes.avro")
    with write_manifest_list(2, listed, snapshot_id, current.snapshot_id, sequence, "deflate") as list_writer:
        list_writer.add_manifests([*current.manifests(table.io), writer.to_manifest_file()])
    snapshot = Snapshot(
        snapshot_id=snapshot_id, parent_snapshot_id=current.snapshot_id, sequence_number=sequence,
        manifest_list=listed.location, summary=Summary(Operation.DELETE), schema_id=table.metadata.current_schema_id,
    )  # fmt: skip
    table.catalog.commit_table(
        table,
        (AssertRefSnapshotId(snapshot_id=current.snapshot_id, ref="main"),),
        (AddSnapshotUpdate(snapshot=snapshot), SetSnapshotRefUpdate(
            ref_name="main", type="branch", snapshot_id=snapshot_id,
        )),
    )  # fmt: skip


# Errors and surroundings


def test_every_error_of_pyiceberg_is_one_of_ours() -> None:
    theirs = {
        each for _, each in inspect.getmembers(exceptions, inspect.isclass) if each.__module__ == exceptions.__name__
    }
    assert theirs == set(catalog.ERRORS)


@pytest.mark.parametrize("theirs", catalog.ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_of_pyiceberg_comes_out_as_ours(theirs: type[Exception]) -> None:
    with pytest.raises(ShopkeeperError) as caught, catalog.translated("table x"):
        raise theirs("why")
    assert type(caught.value) is catalog.ERRORS[theirs]
    assert "table x" in str(caught.value)


def test_a_locked_catalog_is_a_conflict_and_other_failures_are_not(tmp_path: Path) -> None:
    quick = create_engine(f"sqlite:///{tmp_path / 'x.db'}", connect_args={"timeout": 0})
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other, quick.connect() as connection:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConflictError), catalog.translated("table x"):
            connection.exec_driver_sql("CREATE TABLE y (z INTEGER)")
    quick.dispose()
    with pytest.raises(StorageError) as caught, catalog.translated("table x"):
        raise OSError("no space left on device")
    assert type(caught.value) is StorageError
    with pytest.raises(ZeroDivisionError), catalog.translated("table x"):
        raise ZeroDivisionError


def test_a_catalog_locked_for_a_while_is_waited_for(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a")
    other = sqlite3.connect(lake.location / "catalog.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(1.0, lambda: other.execute("ROLLBACK"))
    timer.start()
    put(lake, engine, "b")
    timer.join()
    other.close()
    assert ids(engine) == ["a", "b"]


def test_the_catalog_syncs_fully(lake: Lake) -> None:
    with lake._catalog.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_somebody_s_pyiceberg_settings_do_not_reach_the_lake(tmp_path: Path) -> None:
    (tmp_path / ".pyiceberg.yaml").write_text(
        "catalog:\n  shop:\n    uri: sqlite:////nowhere/else.db\n    echo: 'true'\n    py-io-impl: nonsense.IO\n"
    )
    environment = {
        **os.environ, "HOME": str(tmp_path), "PYICEBERG_CATALOG__SHOP__WAREHOUSE": "s3://theirs",
        "PYICEBERG_CATALOG__SHOP__PY_IO_IMPL": "nonsense.IO", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
    }  # fmt: skip
    with writers(Lake(tmp_path / "lake")) as _:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("writer.py")), str(tmp_path / "lake"), "append", "x", "1"],
            env=environment, input="go\n", capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
    assert done.stdout.split() == ["ready", "x-0"]
    assert Lake(tmp_path / "lake").tables() == ["product"]


# The power cut


def _synced(trace: str) -> set[str]:
    """What was synced, under the name it has in the end, before the catalog's last commit."""
    lines = trace.splitlines()
    last = max(i for i, text in enumerate(lines) if "sync(" in text and "catalog.db-wal>" in text)
    synced = set()
    for text in lines[:last]:
        if "sync(" in text:
            synced.add(text.partition("<")[2].partition(">")[0])
        elif found := re.search(r'rename\w*\(.*?"(.+?)".*?"(.+?)"', text):
            old, new = found.groups()
            synced |= {new} if old in synced else set()
    return synced


def _committed(lake: Lake) -> set[str]:
    table = lake.iceberg("product")
    snapshot = table.current_snapshot()
    assert snapshot is not None
    named = {
        table.metadata_location,
        snapshot.manifest_list,
        *(each.manifest_path for each in snapshot.manifests(table.io)),
    }
    return {name.removeprefix("file://") for name in named} | set(lake.files("product"))


def _trace(lake: Lake, place: Path) -> str:
    trace = place / "trace.txt"
    before = ("strace", "-f", "-y", "-qq", "-s", "500", "-e", "trace=fsync,fdatasync,/^rename", "-o", str(trace))
    with writers(lake, ("append", "x", "1"), before=before) as (process,):
        go(process)
        assert output(process) == ["x-0"]
    return trace.read_text()


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace: install it through apt")
def test_all_that_a_commit_names_is_on_the_disk_before_it(lake: Lake, engine: DuckDBEngine, tmp_path: Path) -> None:
    put(lake, engine, "a")
    synced = _synced(_trace(lake, tmp_path))
    committed = _committed(lake) - _older(lake)
    assert len(committed) == 4  # the data file, its manifest, the manifest list, the metadata
    assert committed <= synced
    assert {str(Path(each).parent) for each in committed} <= synced


def _older(lake: Lake) -> set[str]:
    """What the state before named, which this very test wrote."""
    table = lake.iceberg("product")
    first = table.snapshots()[0]
    manifests = {each.manifest_path.removeprefix("file://") for each in first.manifests(table.io)}
    return manifests | set(lake.files("product", snapshot=first.snapshot_id))


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace: install it through apt")
def test_pyiceberg_by_itself_would_not_sync(
    lake: Lake, engine: DuckDBEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: the check sees what is not synced."""
    put(lake, engine, "a")
    monkeypatch.setenv("SHOPKEEPER_TEST_PLAIN_IO", "1")
    synced = _synced(_trace(lake, tmp_path))
    assert lake.iceberg("product").metadata_location.removeprefix("file://") not in synced
