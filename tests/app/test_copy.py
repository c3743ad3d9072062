"""A copy of a whole shop and its way back, through the use cases."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shopkeeper.app.copy import backup, restore
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.base.errors import AlreadyThereError, StorageError
from shopkeeper.storage import warehouse
from shopkeeper.storage.content import content
from shopkeeper.storage.lake import Lake
from tests.storage.rows import filled

POINTS = ["_lay_down", "_register", "_compare"]
KILL = """
import os, pathlib, sys
from shopkeeper.app import copy
from shopkeeper.storage import backup
setattr(backup, sys.argv[1], lambda *_: os.kill(os.getpid(), 9))
copy.restore(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    with init(tmp_path / "shop", {"chain.name": "Corner"}) as made:
        rows = filled("product", [{"product_id": each} for each in "abc"])
        warehouse.append_rows(made.lake, made.duckdb, "product", rows)
        backup(made, tmp_path / "copy.tar", with_keys=True)
        return made


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_restore_is_no_shop_and_can_be_done_again(shop: Shop, tmp_path: Path, point: str) -> None:
    target = tmp_path / "new"
    done = subprocess.run(
        [sys.executable, "-c", KILL, point, str(tmp_path / "copy.tar"), str(target)], capture_output=True, check=False
    )
    assert done.returncode == -9
    with pytest.raises(StorageError, match="killed before its end"):
        open_shop(target)
    with pytest.raises(AlreadyThereError):
        restore(tmp_path / "copy.tar", target)
    subprocess.run(["rm", "-r", str(target)], check=True)
    restore(tmp_path / "copy.tar", target)
    with open_shop(target) as back, open_shop(shop.folder) as old:
        assert back.settings == old.settings
        assert content(back.lake, back.duckdb, "product") == content(old.lake, old.duckdb, "product")


def test_a_shop_with_its_catalog_elsewhere_is_not_restored_over_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    with init(tmp_path / "shop", {"storage.catalog_url": url}) as made:
        warehouse.append_rows(made.lake, made.duckdb, "product", filled("product", [{"product_id": "a"}]))
        backup(made, tmp_path / "copy.tar", with_keys=True)
    with pytest.raises(AlreadyThereError, match="the catalog has 1 tables already"):
        restore(tmp_path / "copy.tar", tmp_path / "new")
    other = f"sqlite:///{tmp_path / 'other.db'}"
    monkeypatch.setenv("SHOPKEEPER_STORAGE__CATALOG_URL", other)
    restore(tmp_path / "copy.tar", tmp_path / "new")
    with open_shop(tmp_path / "new") as back:
        assert all(file.startswith(str(tmp_path / "new")) for file in back.lake.files("product"))
    assert not (tmp_path / "new" / "lake" / "catalog.db").exists()
    old = Lake(tmp_path / "shop" / "lake", url)
    assert all(file.startswith(str(tmp_path / "shop")) for file in old.files("product"))
    old.close()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a shop; the environment names a catalog elsewhere for those made from it."""
    with init(tmp_path / "shop") as made:
        warehouse.append_rows(made.lake, made.duckdb, "product", filled("product", [{"product_id": "a"}]))
        backup(made, tmp_path / "copy.tar", with_keys=True)
    monkeypatch.setenv("SHOPKEEPER_STORAGE__CATALOG_URL", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    return tmp_path / "copy.tar"


def test_a_state_that_fails_leaves_the_catalog_elsewhere_empty(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "taken.db"
    taken.write_bytes(b"a shop's state")
    with monkeypatch.context() as named:
        named.setenv("SHOPKEEPER_STORAGE__STATE_URL", f"sqlite:///{taken}")
        with pytest.raises(AlreadyThereError):
            restore(elsewhere, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    restore(elsewhere, tmp_path / "new")
    with open_shop(tmp_path / "new") as back:
        assert back.lake.tables() == ["product"]


def test_a_killed_restore_says_how_to_empty_the_catalog_elsewhere(elsewhere: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    subprocess.run([sys.executable, "-c", KILL, "_compare", str(elsewhere), str(target)], check=False)
    with pytest.raises(StorageError, match="DELETE FROM iceberg_tables WHERE catalog_name = 'shop'"):
        open_shop(target)
    subprocess.run(["rm", "-r", str(target)], check=True)
    with pytest.raises(AlreadyThereError, match=r"killed restore .* DELETE FROM iceberg_tables"):
        restore(elsewhere, target)
    with sqlite3.connect(tmp_path / "elsewhere.db") as catalog:
        catalog.execute("DELETE FROM iceberg_tables WHERE catalog_name = 'shop'")
    catalog.close()
    restore(elsewhere, target)
    with open_shop(target) as back:
        assert back.lake.tables() == ["product"]
