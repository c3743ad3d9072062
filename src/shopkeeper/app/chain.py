"""Fills a shop with the made-up chain: its files become the lake's, its identifiers tokens."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shopkeeper.app.shop import Shop
from shopkeeper.collect.people import subject
from shopkeeper.sample.chain import TABLES, chain
from shopkeeper.sample.size import ChainSize
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage import warehouse
from shopkeeper.storage.iceberg import arrow_schema
from shopkeeper.storage.parquet import STAGING_PREFIX, publish, staging

__all__ = ["fill_chain"]

Progress = Callable[[str, int, int], None]
_NOTE = {"shopkeeper.source": "sample chain"}


def fill_chain(
    shop: Shop, progress: Progress | None = None, *, size: ChainSize | str = "demo", seed: int = 1
) -> dict[str, int]:
    """Makes a chain up, registers its files with the lake and keeps its identifiers as tokens.

    Args:
        shop: A shop without data, or with those of a filling that was killed; its language is that of all names.
        progress: Told of each table.
        size: A size of the sample, or its name.
        seed: The same seed gives the same chain.

    Returns:
        Rows by table.
    """
    for left in shop.lake.location.glob(f"{STAGING_PREFIX}*"):
        shutil.rmtree(left)
    made = chain(size, seed=seed, language="zh" if shop.settings.chain.language == "zh" else "en")
    rows = {}
    with staging(shop.lake.location) as folder:
        written = made.write(folder, progress=progress)
        for name in TABLES:
            files = publish(written.get(name, []), shop.lake.folder(name))
            after = shop.lake.replace(name, files, _NOTE) if files else None
            rows[name] = after.rows if after else 0
        rows["identifier"] = _identifiers(shop, written["identifiers"][0])
    return rows


def _identifiers(shop: Shop, file: Path) -> int:
    given = pq.read_table(file)
    kept = []
    for kind in pc.unique(given["kind"]).to_pylist():
        rows = given.filter(pc.equal(given["kind"], kind))
        done = shop.tokens.tokenise(kind, rows["value"])
        rows = rows.append_column("token", done.tokens).append_column("raw", done.normalised)
        rows = rows.append_column("is_loaded", pa.repeat(True, rows.num_rows))  # noqa: FBT003 - the value
        rows = rows.filter(pc.is_valid(rows["token"]))
        subjects = [
            subject(*pair) for pair in zip(rows["source"].to_pylist(), rows["customer_id"].to_pylist(), strict=True)
        ]
        shop.vault.put_many(kind, subjects, rows["token"].to_pylist(), rows["raw"].to_pylist())
        kept.append(rows.select(arrow_schema(declared_table("identifier")).names))
    after = warehouse.replace_rows(shop.lake, shop.duckdb, "identifier", pa.concat_tables(kept), _NOTE)
    return after.rows if after else 0
