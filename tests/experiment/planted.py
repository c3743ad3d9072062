"""Chains with a planted effect, for the tests of what a campaign brought."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shopkeeper.experiment.effect import effect_rows
from shopkeeper.sample.chain import chain
from shopkeeper.schema.tables import TABLES

SIZE = {
    "people": 8_000,
    "lines": 400_000,
    "days": 212,
    "products": 100,
    "stores": 3,
    "sources": "one",
    "target_share": 0.4,
}
CAMPAIGN = "C002"
_READ = ("order_line", "campaign", "campaign_target", "touch", "redemption")


def planted(folder: Path, seed: int, **changes: Any) -> tuple[pa.Table, float]:
    """Writes a chain and gives the rows of its effects and the planted effect of the second campaign."""
    made = chain("demo", seed=seed, **(SIZE | changes))
    files = made.write(folder)
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for name in _READ:
        given = pa.concat_tables([pq.read_table(file) for file in files[name]])
        con.register("given", given)
        columns = ", ".join(
            column.name if column.name in given.column_names else f"CAST(NULL AS {column.type.value}) AS {column.name}"
            for column in TABLES[name].columns
        )
        con.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM given")
    con.execute(f"CREATE TABLE record AS FROM read_parquet('{folder}/truth/record.parquet')")
    con.execute(f"CREATE TABLE truth AS FROM read_parquet('{folder}/truth/campaign.parquet')")
    con.execute(
        "CREATE TABLE person AS SELECT source, customer_id, true_person_id AS person_id, "
        "CAST(NULL AS TIMESTAMPTZ) AS valid_from, CAST(NULL AS TIMESTAMPTZ) AS valid_to FROM record"
    )
    rows = con.sql(effect_rows(made.size.ends_on).sql()).to_arrow_table()
    con.register("estimated", rows)
    extra = con.execute(
        "SELECT AVG(t.extra_spend) FROM truth AS t JOIN estimated AS e ON e.campaign_id = t.campaign_id "
        "AND e.person_id = t.true_person_id WHERE e.is_targeted = 1 AND t.campaign_id = $1",
        [CAMPAIGN],
    ).fetchone()
    con.close()
    assert extra is not None
    return rows, float(np.asarray(extra[0]))
