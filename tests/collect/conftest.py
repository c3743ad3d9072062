from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.collect.load import Loader
from shopkeeper.collect.mapping import Mapping
from shopkeeper.collect.receipt import Receipt
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.keys import make_keys
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.sealed import SealedFile
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault

NOW = datetime(2024, 6, 1, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Desk:
    """A shop's loading desk and what it leaves behind."""

    folder: Path
    loader: Loader

    def file(self, name: str, content: str, encoding: str = "utf-8") -> str:
        path = self.folder / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode(encoding))
        return str(path)

    def load(self, mapping: Mapping | str, *sources: str | SealedFile, **options: Any) -> Receipt:
        return self.loader.load(sources, read(mapping), now=NOW, **options)

    def rows(self, table: str, columns: str = "*", order: str = "ALL") -> list[tuple[Any, ...]]:
        files = self.loader.lake.files(table)
        if not files:
            return []
        found = self.loader.engine.connection().execute(
            f"SELECT {columns} FROM read_parquet(?, union_by_name = true) ORDER BY {order}", [files]
        )
        return found.fetchall()

    def snapshots(self) -> dict[str, int]:
        lake = self.loader.lake
        return {name: found.id for name in lake.tables() if (found := lake.snapshot(name)) is not None}


def read(mapping: Mapping | str) -> Mapping:
    return Mapping.from_toml(mapping) if isinstance(mapping, str) else mapping


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    lake = Lake(tmp_path / "lake")
    engine = DuckDBEngine(lake, spill=tmp_path / "spill", memory_limit="500MB", threads=2)
    keys = make_keys(tmp_path / "keys")
    with Vault.open(tmp_path / "vault.db", keys, tombstones=tmp_path / "tombstones") as vault:
        yield Desk(
            tmp_path, Loader(lake, engine, vault, Tokens(keys.token, "CN"), tmp_path / "scratch", "Asia/Shanghai")
        )
    engine.close()
