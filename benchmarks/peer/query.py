"""Runs the hand-written query over Parquet files: `python query.py JOB`, JOB being JSON; imports nothing but DuckDB."""

import json
import sys
from pathlib import Path

import duckdb

if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    text = Path(job["query"]).read_text(encoding="utf-8")
    for name, value in job["values"].items():
        text = text.replace(f"${name}", f"'{value}'")
    with duckdb.connect(config=job["config"]) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, files in job["files"].items():
            connection.read_parquet(files).create_view(name)
        connection.execute(
            f"COPY ({text}) TO '{job['result']}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )
