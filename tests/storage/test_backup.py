import json
import random
import tarfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.base.errors import AlreadyThereError, MissingError, StorageError
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Column, Table, Type
from shopkeeper.storage import backup as backup_module
from shopkeeper.storage import warehouse
from shopkeeper.storage.backup import Backup, backup, read_manifest, restore
from shopkeeper.storage.content import Content, content
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.models import Models
from shopkeeper.storage.state import State
from tests.storage.processes import go, line, writers
from tests.storage.rows import filled

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "shop" / "lake")


@pytest.fixture
def engine(lake: Lake, tmp_path: Path) -> Iterator[DuckDBEngine]:
    made = DuckDBEngine(lake, spill=tmp_path / "spill", memory_limit="512MB", threads=1)
    yield made
    made.close()


def fill(lake: Lake, engine: DuckDBEngine) -> None:
    products = filled("product", [{"product_id": f"{i}", "attributes": {"size": f"{i}"}} for i in range(5)])
    warehouse.append_rows(lake, engine, "product", products)
    rows = [{"order_id": "a", "business_day": date(2017, month, 1), "net_amount": Decimal(month)} for month in (1, 2)]
    warehouse.append_rows(lake, engine, "order_line", filled("order_line", rows))
    before = lake.snapshot("order_line")
    assert before is not None
    noted = {
        "shopkeeper.step": "person",
        "shopkeeper.input.order_line": str(before.id),
        "shopkeeper.as_of": "2017-02-01",
    }
    warehouse.append_rows(lake, engine, "person", filled("person", [{"person_id": "p", "source": "s"}]), noted)


def restored(folder: Path) -> tuple[Lake, DuckDBEngine]:
    lake = Lake(folder / "lake")
    return lake, DuckDBEngine(lake, spill=folder / "spill", memory_limit="512MB", threads=1)


def contents(manifest: Backup) -> dict[str, Content]:
    return {name: Content(table["rows"], table["hash"]) for name, table in manifest.tables.items()}


def test_a_shop_comes_back_in_another_place(lake: Lake, engine: DuckDBEngine, tmp_path: Path) -> None:
    fill(lake, engine)
    shop = tmp_path / "shop"
    (shop / "shopkeeper.toml").write_text("[chain]\nname = '小店'\n")
    Models(shop / "models").put("response", "v1", {"tree": b"\x00leaf"}, {"auc": 0.8})
    (shop / "keys").mkdir()
    (shop / "keys" / "token.key").write_text("secret")
    with State.open(f"sqlite:///{shop / 'state.db'}") as state:
        state.upgrade()
        state.leases.acquire("loader", "me", now=NOW, lasts=timedelta(hours=1), note={"n": 1})
        done = backup(
            tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW, state=state,
            settings=shop / "shopkeeper.toml", models=shop / "models",
        )  # fmt: skip
    assert read_manifest(tmp_path / "copy.tar") == done
    assert (done.exact, done.keys, done.taken_at) == (True, False, NOW.isoformat())
    assert not [name for name in done.parts if "key" in name]

    target, erased = tmp_path / "店 2", []

    def bring_back(file: Path, manifest: Any) -> None:
        State.restore(file, f"sqlite:///{target / 'state.db'}", manifest)

    restore(tmp_path / "copy.tar", target, state=bring_back, forget=lambda *_: erased.append(1))
    assert sorted(path.name for path in target.iterdir()) == ["lake", "models", "shopkeeper.toml", "state.db"]
    assert erased == [1]
    new, other = restored(target)
    assert {name: content(new, other, name) for name in new.tables()} == contents(done)
    assert all(file.startswith(str(target)) for name in new.tables() for file in new.files(name))
    assert new.iceberg("product").scan().to_arrow().num_rows == 5
    person, lines_ = new.snapshot("person"), new.snapshot("order_line")
    assert person is not None
    assert lines_ is not None
    assert person.properties == {
        "shopkeeper.step": "person", "shopkeeper.input.order_line": str(lines_.id), "shopkeeper.as_of": "2017-02-01",
    }  # fmt: skip
    with State.open(f"sqlite:///{target / 'state.db'}") as state:
        assert [lease.note for lease in state.leases.live(NOW)] == [{"n": 1}]
    assert Models(target / "models").get("response").files == {"tree": b"\x00leaf"}
    # The restored lake goes on like any other.
    fill(new, other)
    assert content(new, other, "product").rows == 10


def test_columns_keep_their_ids_whenever_they_were_added(tmp_path: Path) -> None:
    """A column added after a map has an id that a table made anew would give to the map's keys."""
    old = Table(
        "product", "before", (Column("product_id", Type.STRING, ""), Column("sizes", Type.MAP, "")), ("product_id",)
    )
    Lake(tmp_path / "lake", tables={"product": old}).ensure("product")
    new = Table("product", "after", (*old.columns, Column("colour", Type.STRING, "")), ("product_id",))
    lake = Lake(tmp_path / "lake", tables={"product": new})
    assert lake.field_ids("product") == {"product_id": (1,), "sizes": (2, 3, 4), "colour": (5,)}
    other = Lake(tmp_path / "other", tables={"product": new})
    other.adopt("product", lake.definition("product"))
    assert other.field_ids("product") == lake.field_ids("product")
    fresh = Lake(tmp_path / "fresh", tables={"product": new})
    assert fresh.field_ids("product")["colour"] == (3,)  # the positive control
    with pytest.raises(AlreadyThereError):
        other.adopt("product", lake.definition("product"))


def test_a_copy_taken_beside_a_writer_is_one_instant(lake: Lake, engine: DuckDBEngine, tmp_path: Path) -> None:
    fill(lake, engine)
    with writers(lake, ("append", "x", "1000")) as (process,):
        go(process)
        line(process)
        done = backup(tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW)
        line(process)
        process.kill()
        process.wait()
    restore(tmp_path / "copy.tar", tmp_path / "new")
    new, other = restored(tmp_path / "new")
    assert {name: content(new, other, name) for name in new.tables()} == contents(done)
    assert 5 < done.tables["product"]["rows"] < content(lake, engine, "product").rows
    names = other.arrow(Query.from_sql("SELECT product_id FROM product"))["product_id"].to_pylist()
    written = sorted(int(name.removeprefix("x-")) for name in names if name.startswith("x-"))
    assert written == list(range(len(written)))


def test_a_state_that_goes_while_it_is_copied_is_copied_anew(
    lake: Lake, engine: DuckDBEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lake, engine)
    real, asked = lake.point, []

    def erased_in_between() -> dict[str, int]:
        point = real()
        asked.append(point)
        if len(asked) == 3:
            warehouse.replace_rows(lake, engine, "product", filled("product", [{"product_id": "new"}]))
            lake.expire("product", keep=timedelta(0), now=datetime.now(UTC) + timedelta(days=2))
            lake.sweep("product", now=datetime.now(UTC) + timedelta(days=2))
        return point

    monkeypatch.setattr(lake, "point", erased_in_between)
    done = backup(tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW)
    assert len(asked) > 3
    assert done.tables["product"]["rows"] == 1
    restore(tmp_path / "copy.tar", tmp_path / "new")


def test_the_state_is_copied_before_the_lake_and_the_vault_after(
    lake: Lake, engine: DuckDBEngine, tmp_path: Path
) -> None:
    fill(lake, engine)

    class Store:
        def backup(self, file: Path) -> dict[str, Any]:
            file.write_bytes(b"store")
            warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": file.name}]))
            return {}

    done = backup(tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW, state=Store(), vault=Store())
    assert not done.exact
    assert done.tables["product"]["rows"] == 6
    assert list(done.parts)[:2] == ["state.db", "vault.db"]


def test_keys_are_in_it_only_when_asked_for(lake: Lake, engine: DuckDBEngine, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "vault.key").write_text("secret")
    done = backup(tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW, keys=tmp_path / "keys")
    assert done.keys
    restore(tmp_path / "copy.tar", tmp_path / "new")
    key = tmp_path / "new" / "keys" / "vault.key"
    assert key.read_text() == "secret"
    assert key.stat().st_mode & 0o777 == 0o600


def test_nothing_present_is_written_over(lake: Lake, engine: DuckDBEngine, tmp_path: Path) -> None:
    fill(lake, engine)
    backup(tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW)
    with pytest.raises(AlreadyThereError):
        backup(tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(AlreadyThereError, match="not empty"):
        restore(tmp_path / "copy.tar", tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    with pytest.raises(MissingError):
        restore(tmp_path / "nothing.tar", tmp_path / "new")


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("no tar at all")
    with pytest.raises(StorageError, match="cannot be read"):
        restore(tmp_path / "text.tar", tmp_path / "new")
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.add(tmp_path / "text.tar", "x")
    with pytest.raises(StorageError, match=r"manifest\.json"):
        restore(tmp_path / "other.tar", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_backup_that_fails_leaves_no_file(lake: Lake, engine: DuckDBEngine, tmp_path: Path) -> None:
    class Broken:
        def backup(self, file: Path) -> dict[str, Any]:
            raise StorageError(f"no space for {file.name}")

    with pytest.raises(StorageError, match="no space"):
        backup(tmp_path / "copy.tar", lake=lake, engine=engine, now=NOW, state=Broken())
    assert not list(tmp_path.glob("*copy.tar*"))
    assert not list(lake.location.glob(".backup-*"))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("copy")
    lake = Lake(place / "lake")
    engine = DuckDBEngine(lake, spill=place / "spill", threads=1)
    fill(lake, engine)
    (place / "shopkeeper.toml").write_text("[chain]\n")
    backup(place / "copy.tar", lake=lake, engine=engine, now=NOW, settings=place / "shopkeeper.toml")
    return place / "copy.tar"


def _flipped(copy: Path, target: Path, at: int) -> Path:
    data = bytearray(copy.read_bytes())
    data[at] ^= 0x10
    target.write_bytes(data)
    return target


def test_a_flipped_byte_in_a_part_is_refused_by_the_part_s_name(copy: Path, tmp_path: Path) -> None:
    with tarfile.open(copy) as archive:
        members = [(member.name, member.offset_data + member.size // 2) for member in archive if member.size]
    assert len(members) >= 6
    for name, at in members:
        expected = "manifest.json" if name.startswith("manifest") else name.replace(".", r"\.")
        with pytest.raises(StorageError, match=f"{expected} of the backup is damaged"):
            restore(_flipped(copy, tmp_path / "bad.tar", at), tmp_path / "new")
        assert not (tmp_path / "new").exists()


def test_a_flipped_byte_anywhere_is_refused_or_changes_nothing(copy: Path, tmp_path: Path) -> None:
    chance = random.Random(3)  # noqa: S311 - test data
    good = read_manifest(copy)
    refused = 0
    for turn in range(40):
        bad = _flipped(copy, tmp_path / "bad.tar", chance.randrange(copy.stat().st_size))
        try:
            manifest = read_manifest(bad)
            backup_module._check(bad, manifest)
        except StorageError:
            refused += 1
        else:
            assert manifest == good, turn
    assert refused > 5


def test_a_copy_cut_short_is_refused(copy: Path, tmp_path: Path) -> None:
    with tarfile.open(copy) as archive:
        last = max(member.offset_data for member in archive)
    data = copy.read_bytes()
    for end in (last // 10, last // 2, last - 1, last + 10):
        (tmp_path / "short.tar").write_bytes(data[:end])
        with pytest.raises(StorageError):
            restore(tmp_path / "short.tar", tmp_path / "new")


def test_a_table_that_does_not_hold_what_the_copy_says_is_refused_and_cleaned_up(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "content", lambda *_: Content(7, "0"))
    (tmp_path / "new").mkdir()
    with pytest.raises(StorageError, match="does not hold what the backup says"):
        restore(copy, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "lake/../../evil", "a//b", "models/\\..\\x/.."])
def test_no_part_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(StorageError, match="leads elsewhere"):
        backup_module._place(name)


def test_the_manifest_is_plain_json(copy: Path) -> None:
    with tarfile.open(copy) as archive:
        described = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert set(described["tables"]) == {"order_line", "person", "product"}
    assert described["tables"]["order_line"]["rows"] == 2
