"""What `test_lake.py` holds of the lake's own catalog, held of a real PostgreSQL and of one that speaks REST."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from shopkeeper.base.errors import (
    AlreadyThereError,
    ConflictError,
    ForbiddenError,
    ShopkeeperError,
    StorageError,
    UnavailableError,
    UsageError,
)
from shopkeeper.schema.query import Query
from shopkeeper.storage import catalog, catalog_service, warehouse
from shopkeeper.storage.backup import backup, restore
from shopkeeper.storage.content import content
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.lake import Lake
from tests.rest_catalog import rest_catalog
from tests.storage.contention import appends_land_once, one_replace_wins
from tests.storage.processes import go, line, writers
from tests.storage.rows import filled

IDS = Query.from_sql("SELECT product_id FROM product ORDER BY product_id")
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LATER = timedelta(days=2)


@pytest.fixture(params=[pytest.param("postgres", marks=pytest.mark.postgres), "rest"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "rest":
        (tmp_path / "served").mkdir()
        with rest_catalog(tmp_path / "served") as address:
            monkeypatch.setenv("SHOPKEEPER_TEST_CATALOG", address)
            yield address
        return
    address = request.getfixturevalue("postgres_server").database()
    monkeypatch.setenv("SHOPKEEPER_TEST_CATALOG", address)
    yield address


@pytest.fixture
def lake(url: str, tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(tmp_path / "lake", url)
    yield opened
    opened.close()


@pytest.fixture
def engine(lake: Lake, tmp_path: Path) -> Iterator[DuckDBEngine]:
    made = DuckDBEngine(lake, spill=tmp_path / "spill", memory_limit="512MB", threads=1)
    yield made
    made.close()


def put(lake: Lake, engine: DuckDBEngine, *ids: str) -> None:
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": each} for each in ids]))


def ids(engine: DuckDBEngine) -> list[str]:
    return engine.arrow(IDS)["product_id"].to_pylist()


def test_a_table_lives_its_life(lake: Lake, engine: DuckDBEngine, url: str) -> None:
    put(lake, engine, "a", "b")
    put(lake, engine, "c")
    lake.delete("product", "product_id == 'a'")
    assert ids(engine) == ["b", "c"]
    warehouse.replace_rows(lake, engine, "product", filled("product", [{"product_id": "d"}]))
    present = lake.snapshot("product")
    assert present is not None
    assert lake.point() == {"product": present.id}
    later = datetime.now(UTC) + LATER
    assert len(lake.expire("product", keep=timedelta(0), now=later)) >= 3
    assert lake.sweep("product", now=later)
    assert {str(file) for file in lake.folder("product").glob("*.parquet")} == set(lake.files("product"))
    with closing(Lake(lake.location, url)) as again, closing(DuckDBEngine(again, spill=lake.location / "s")) as other:
        assert ids(other) == ["d"]
    lake.drop("product")
    assert lake.tables() == []


def test_appends_of_two_processes_all_land_once(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "first")
    appends_land_once(lake, lambda: ids(engine), times=5)


def test_of_two_replacing_processes_one_wins_and_the_other_redoes_it(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "first")
    one_replace_wins(lake, lambda: ids(engine))


def test_a_process_killed_in_a_write_leaves_the_table_as_it_was(lake: Lake, engine: DuckDBEngine) -> None:
    put(lake, engine, "a")
    before = lake.snapshot("product")
    with writers(lake, ("stop", "published", "half")) as (process,):
        go(process)
        assert line(process) == "here"
        process.kill()
        process.wait()
    assert lake.snapshot("product") == before
    assert lake.sweep("product", now=datetime.now(UTC) + LATER)
    assert ids(engine) == ["a"]


def test_two_may_open_an_empty_catalog_at_once(url: str, tmp_path: Path) -> None:
    opened: list[Lake] = []
    meet = threading.Barrier(4)

    def open_it() -> None:
        meet.wait()
        opened.append(Lake(tmp_path / "lake", url))

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for lake in opened:
        lake.ensure("product")
        lake.close()


def test_a_copy_comes_back_into_an_empty_catalog_and_into_no_other(
    lake: Lake, engine: DuckDBEngine, url: str, tmp_path: Path
) -> None:
    put(lake, engine, "a", "b")
    done = backup(tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW)

    def same(folder: Path) -> Lake:
        return Lake(folder, url)

    with pytest.raises(AlreadyThereError):
        restore(tmp_path / "copy.tar", tmp_path / "new", lake=same)
    assert ids(engine) == ["a", "b"]
    assert not (tmp_path / "new").exists()
    hash_ = content(lake, engine, "product")
    lake.drop("product")
    restore(tmp_path / "copy.tar", tmp_path / "new", lake=same)
    with (
        closing(Lake(tmp_path / "new" / "lake", url)) as back,
        closing(DuckDBEngine(back, spill=tmp_path / "s")) as other,
    ):
        assert content(back, other, "product") == hash_
        assert all(file.startswith(str(tmp_path / "new")) for file in back.files("product"))
    assert done.tables["product"]["rows"] == 2


def test_a_restore_that_fails_leaves_nothing_in_the_catalog(
    lake: Lake, engine: DuckDBEngine, url: str, tmp_path: Path
) -> None:
    put(lake, engine, "a")
    backup(tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW)
    lake.drop("product")

    def refuse(*_: Any) -> None:
        raise StorageError("no")

    with pytest.raises(StorageError, match="no"):
        restore(tmp_path / "copy.tar", tmp_path / "new", lake=lambda folder: Lake(folder, url), forget=refuse)
    assert lake.tables() == []


# A service alone


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    with rest_catalog(tmp_path / "served", token="s3cret") as served:
        yield served


def opened(folder: Path, address: str) -> "closing[Lake]":
    return closing(Lake(folder / "lake", address, catalog_options=("token=s3cret",)))


def test_a_service_is_shown_its_token(address: str, tmp_path: Path) -> None:
    with opened(tmp_path, address) as lake:
        assert lake.tables() == []
    with pytest.raises(ForbiddenError) as caught:
        Lake(tmp_path / "lake", address, catalog_options=("token=wr0ng",))
    assert "wr0ng" not in str(caught.value)


def test_a_service_that_stumbles_over_two_that_come_at_once_is_asked_again(tmp_path: Path) -> None:
    with rest_catalog(tmp_path, stumbles=2) as address, closing(Lake(tmp_path / "lake", address)) as lake:
        assert lake.tables() == []
    with rest_catalog(tmp_path, stumbles=99) as address, pytest.raises(StorageError, match="database is locked"):
        Lake(tmp_path / "other", address)


def test_tables_that_move_are_read_again_until_they_stand_still(address: str, tmp_path: Path) -> None:
    with opened(tmp_path, address) as lake, opened(tmp_path, address) as other:
        lake.ensure("product")
        real, read = lake._catalog.load_table, []

        def moving(identifier: Any) -> Any:
            found = real(identifier)
            read.append(identifier)
            if len(read) == 1:  # a table that comes while the first is read
                other.ensure("store")
            return found

        lake._catalog.load_table = moving  # type: ignore[method-assign]
        found = catalog.all_tables(lake._catalog, "shop")
    assert sorted(table.name()[-1] for table in found) == ["product", "store"]
    assert len(read) == 1 + 2 + 2


def test_tables_that_never_stand_still_are_a_conflict(address: str, tmp_path: Path) -> None:
    with opened(tmp_path, address) as lake, opened(tmp_path, address) as other:
        lake.ensure("product")
        real, turn = lake._catalog.load_table, iter(range(100))

        def moving(identifier: Any) -> Any:
            with other.iceberg("product").transaction() as transaction:
                transaction.set_properties(turn=str(next(turn)))
            return real(identifier)

        lake._catalog.load_table = moving  # type: ignore[method-assign]
        with pytest.raises(ConflictError, match="faster than they could be read"):
            lake.point()


def test_what_is_no_catalog_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as refused:
        Lake(tmp_path / "lake", "http://ann:s3cret@127.0.0.1:9")
    assert "127.0.0.1:9" in str(refused.value)
    with pytest.raises(UsageError, match="'mysql' holds no catalog") as unknown:
        Lake(tmp_path / "lake", "mysql://ann:s3cret@nowhere/shop")
    with pytest.raises(UnavailableError) as closed:
        Lake(tmp_path / "lake", "postgresql://ann:s3cret@127.0.0.1:9/shop")
    assert not [error for error in (refused, unknown, closed) if "s3cret" in str(error.value)]


@pytest.mark.parametrize("url", ["thrift://127.0.0.1:9", "glue://eu-west-1"])
def test_a_service_whose_library_is_not_installed_says_what_to_install(url: str, tmp_path: Path) -> None:
    kind = {"thrift": "hive", "glue": "glue"}[url.partition("://")[0]]
    with pytest.raises(UnavailableError, match=rf"pip install 'shopkeeper\[{kind}\]'"):
        Lake(tmp_path / "lake", url)


@pytest.mark.parametrize("library", catalog_service.DRIVER_ERRORS)
def test_an_error_of_a_service_s_library_comes_out_as_ours(library: str) -> None:
    theirs = type("FailedError", (Exception,), {"__module__": f"{library}.exceptions"})
    with pytest.raises(ShopkeeperError) as caught, catalog.translated("table x"):
        raise theirs("why")
    assert type(caught.value) is catalog_service.DRIVER_ERRORS[library]


def test_every_error_of_requests_is_one_of_ours() -> None:
    kinds = [each for each in vars(requests.exceptions).values() if isinstance(each, type)]
    theirs = [each for each in kinds if issubclass(each, requests.RequestException)]
    assert len(theirs) > 15
    for kind in theirs:
        assert catalog_service.driver_error(kind.__new__(kind)) is UnavailableError, kind


def test_a_conflict_of_a_service_is_a_conflict(address: str, tmp_path: Path) -> None:
    with opened(tmp_path, address) as one, opened(tmp_path, address) as two:
        one.ensure("product")
        stale, fresh = one.iceberg("product"), two.iceberg("product")
        with fresh.update_schema() as update:
            update.rename_column("name", "title")
        with pytest.raises(ConflictError), catalog.translated("table product"), stale.update_schema() as update:
            update.rename_column("name", "label")
