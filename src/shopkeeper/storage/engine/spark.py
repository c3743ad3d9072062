"""Spark: the engine for when a chain outgrows one machine; it reads and writes the same lake."""

import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from shopkeeper.base.errors import (
    DataError,
    QueryError,
    ShopkeeperError,
    StorageError,
    UnavailableError,
    UsageError,
)
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Partition, Table, Type
from shopkeeper.storage.engine.contract import Inputs, check_columns
from shopkeeper.storage.iceberg import arrow_schema
from shopkeeper.storage.lake import Lake, LostFileError, Scan
from shopkeeper.storage.parquet import publish, staging, with_rows

__all__ = ["SparkEngine"]

_PARTITION = "shopkeeper_partition"
_FIELD_ID = "parquet.field.id"
_LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")
_TYPES: Mapping[Type, str] = {
    Type.STRING: "string",
    Type.INTEGER: "bigint",
    Type.NUMBER: "double",
    Type.MONEY: "decimal(18,4)",
    Type.DATE: "date",
    Type.INSTANT: "timestamp",
    Type.BOOLEAN: "boolean",
    Type.MAP: "map<string,string>",
    Type.STRINGS: "array<string>",
}
_SETTINGS: Mapping[str, str] = {
    "spark.app.name": "shopkeeper",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    # An overflow or a text that is no number is an error in both engines, never a silent NULL.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.parquet.fieldId.read.enabled": "true",
    "spark.sql.parquet.fieldId.write.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}
_DATA_ERRORS = ("CAST_", "DIVIDE_BY_ZERO", "OVERFLOW", "NUMERIC_VALUE_OUT_OF_RANGE", "INVALID_ARRAY_INDEX",
                "DATETIME", "DUPLICATED_MAP_KEY", "CANNOT_PARSE", "MORE_THAN_ONE_ROW")  # fmt: skip


class SparkEngine:
    """Runs queries with Spark over the lake's Parquet files.

    The Java machine starts with the first query and serves until `close`; engines with the same settings share it,
    and a process has one at a time.

    Args:
        lake: The tables to read and the folders to write; on a cluster every node sees them under the same paths.
        master: `local[n]` for this machine or `spark://host:port`.
        spill: Folder for what does not fit into memory, and for Spark's own log.
        memory: How much memory the driver and each executor may take, such as `4GB`.
        partitions: How many parts a shuffle has; by default eight on one machine, Spark's own on a cluster.
        java_options: Further options of the Java machines.
    """

    name = "spark"
    side_by_side = 1

    def __init__(
        self,
        lake: Lake,
        master: str = "local[*]",
        *,
        spill: Path,
        memory: str = "4GB",
        partitions: int | None = None,
        java_options: str = "",
    ) -> None:
        self._lake = lake
        self._master = master
        self._spill = spill.absolute()
        self._memory = _java_size(memory)
        self._partitions = partitions or (8 if master.startswith("local") else None)
        self._java_options = java_options
        self._machine: _Machine | None = None

    def arrow(self, query: Query, inputs: Inputs | None = None, snapshots: Mapping[str, int] | None = None) -> pa.Table:
        """Runs a query and gives all of its rows."""
        for last in (False, True):
            try:
                with _translated(query.name):
                    return self._frame(query, inputs or {}, snapshots or {}).toArrow()
            except LostFileError:
                if last:
                    raise
        raise AssertionError("unreachable")

    def batches(self, query: Query, inputs: Inputs | None = None, rows: int = 100_000) -> Iterator[pa.RecordBatch]:
        """Runs a query and gives its rows batch by batch, through files, so that they never stand in memory at once."""
        with _translated(query.name), staging(self._lake.location) as place:
            frame = self._frame(query, inputs or {}, {})
            frame.write.parquet(f"file://{place / 'rows'}")
            schema, empty = None, True
            for file in sorted((place / "rows").glob("*.parquet")):
                with pq.ParquetFile(file) as opened:
                    schema = opened.schema_arrow
                    for batch in opened.iter_batches(rows):
                        empty = False
                        yield batch
            if empty and schema is not None:
                yield pa.RecordBatch.from_pylist([], schema)

    def relation(self, query: Query) -> Any:
        """Gives a Spark DataFrame, not executed."""
        with _translated(query.name):
            return self._frame(query, {}, {})

    def write(
        self, query: Query, table: Table, inputs: Inputs | None = None, *, one_partition: bool = False
    ) -> list[str]:
        """Runs a query and writes its rows as Parquet files of a table."""
        check_columns(query, table)
        folder = self._lake.folder(table.name)
        ids = self._lake.field_ids(table.name)
        with _translated(query.name), staging(folder) as place:
            frame = self._typed(self._frame(query, inputs or {}, {}), table, ids)
            target = f"file://{place / 'rows'}"
            if table.partition is Partition.NONE or one_partition:
                frame.write.parquet(target)
            else:
                frame = self._cut(frame, table)
                frame.repartition(_PARTITION).write.partitionBy(_PARTITION).parquet(target)
            return publish(with_rows(place), folder)

    def start(self) -> None:
        """Starts Spark now rather than with the first query."""
        self._started()

    def close(self) -> None:
        """Lets go of Spark; with the last engine that used it its Java machine stops."""
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.leave()

    def _typed(self, frame: Any, table: Table, ids: Mapping[str, tuple[int, ...]]) -> Any:
        from pyspark.sql import functions  # noqa: PLC0415 - heavy and optional

        given = {name.lower() for name in frame.columns}
        return frame.select(
            *(
                (functions.col(column.name) if column.name in given else functions.lit(None))
                .cast(_TYPES[column.type])
                .alias(column.name, metadata={_FIELD_ID: ids[column.name][0]})
                for column in table.columns
            )
        )

    @staticmethod
    def _cut(frame: Any, table: Table) -> Any:
        from pyspark.sql import functions  # noqa: PLC0415 - heavy and optional

        form = "yyyy-MM" if table.partition is Partition.MONTH else "yyyy-MM-dd"
        return frame.withColumn(_PARTITION, functions.date_format(str(table.partition_column), form))

    def _frame(self, query: Query, inputs: Inputs, snapshots: Mapping[str, int]) -> Any:
        # Views live in a session of their own, so that queries at the same time do not see each other's.
        session = self._started().newSession()
        bounds = query.bounds()
        declared = {table.name: table for table in query.inputs}
        for name in query.tables:
            if name in inputs:
                frame = _given(session, inputs[name], declared.get(name) or self._lake.declared(name))
            else:
                scan = self._lake.scan(name, bounds.get(name), snapshots.get(name))
                frame = _read(session, self._lake.declared(name), scan)
            frame.createOrReplaceTempView(name)
        return session.sql(query.sql("spark", pretty=False))

    def _started(self) -> Any:
        if self._machine is None:
            self._machine = _Machine.join(self._settings(), self._spill / "spark.log")
        return self._machine.session

    def _settings(self) -> dict[str, str]:
        settings = {
            **_SETTINGS,
            "spark.master": self._master,
            "spark.local.dir": str(self._spill),
            "spark.sql.warehouse.dir": str(self._spill / "warehouse"),
            "spark.driver.memory": self._memory,
            "spark.executor.memory": self._memory,
            "spark.executor.extraJavaOptions": f"-Duser.timezone=UTC {self._java_options}".strip(),
            "spark.driver.extraJavaOptions": (
                f"-Duser.timezone=UTC -Dlog4j2.configurationFile={_LOG_SETTINGS.as_uri()} {self._java_options}".strip()
            ),
        }
        if self._partitions:
            settings["spark.sql.shuffle.partitions"] = str(self._partitions)
        host = urlparse(self._master).hostname if "://" in self._master else "localhost"
        if host in ("localhost", "127.0.0.1", "::1"):
            settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        return settings


class _Machine:
    """The one Java machine of this process with its Spark session, and how many engines use it."""

    _running: "_Machine | None" = None
    _lock = threading.Lock()

    def __init__(self, settings: Mapping[str, str], session: Any) -> None:
        self.settings = settings
        self.session = session
        self.users = 0

    @classmethod
    def join(cls, settings: Mapping[str, str], log: Path) -> "_Machine":
        with cls._lock:
            if cls._running is None:
                cls._running = cls(settings, _start(settings, log))
            elif cls._running.settings != settings:
                raise UsageError(
                    f"Spark already runs in this process on {cls._running.settings['spark.master']}",
                    next_step="close that engine first",
                )
            cls._running.users += 1
            return cls._running

    def leave(self) -> None:
        with self._lock:
            self.users -= 1
            if self.users == 0:
                _Machine._running = None
                _stop(self.session)


def _start(settings: Mapping[str, str], log: Path) -> Any:
    try:
        from py4j.protocol import Py4JError  # noqa: PLC0415 - heavy and optional, like the rest
        from pyspark import SparkConf, SparkContext  # noqa: PLC0415
        from pyspark.errors import PySparkException  # noqa: PLC0415
        from pyspark.java_gateway import launch_gateway  # noqa: PLC0415
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UnavailableError("Spark is not installed", next_step="pip install 'shopkeeper[spark]'") from error
    _need_java()
    _hush()
    # Else Spark takes whatever `python3` is on the path; a cluster with its own Python elsewhere sets the variable.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        # The settings go to the Java machine on its command line; what it says goes to the log.
        with log.open("ab") as messages:
            gateway = launch_gateway(conf, {"stdout": messages, "stderr": messages})  # type: ignore[no-untyped-call]
        context = SparkContext(gateway=gateway, conf=conf)
        context.setLogLevel("ERROR")
        return SparkSession(context)
    except (PySparkException, Py4JError, RuntimeError, OSError) as error:
        raise UnavailableError(
            f"Spark did not start on {settings['spark.master']}: {error}", place=str(log), next_step="shopkeeper doctor"
        ) from error


def _need_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if not (Path(home, "bin", "java").exists() if home else shutil.which("java")):
        raise UnavailableError(
            "Spark needs Java and found none",
            place=f"JAVA_HOME={home}" if home else "PATH",
            next_step="install a Java 17 runtime (Debian: apt install openjdk-17-jre-headless)",
        )


def _hush() -> None:
    """Keeps PySpark from writing warnings about pandas, and rows of data, to standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyspark.testing.utils  # noqa: F401, PLC0415 - PySpark imports it anyhow and warns then
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _stop(session: Any) -> None:
    from pyspark import SparkContext  # noqa: PLC0415 - heavy and optional

    gateway = session.sparkContext._gateway  # noqa: SLF001
    session.stop()
    SparkContext._gateway = None  # noqa: SLF001
    SparkContext._jvm = None  # noqa: SLF001
    gateway.shutdown()
    gateway.proc.stdin.close()
    try:
        gateway.proc.wait(timeout=20)
    except subprocess.TimeoutExpired:
        gateway.proc.kill()
        gateway.proc.wait()


def _given(session: Any, rows: pa.Table | Path, table: Table) -> Any:
    if isinstance(rows, Path):
        return session.read.parquet(str(rows))
    wanted = arrow_schema(table)
    known = [wanted.field(name) if name in wanted.names else rows.schema.field(name) for name in rows.column_names]
    # PySpark cannot take a table that has no chunk at all.
    return session.createDataFrame(rows.cast(pa.schema(known)) if rows.num_rows else pa.schema(known).empty_table())


def _read(session: Any, table: Table, scan: Scan) -> Any:
    from pyspark.sql import functions, types  # noqa: PLC0415 - heavy and optional

    kinds = {column.name: types._parse_datatype_string(_TYPES[column.type]) for column in table.columns}  # noqa: SLF001
    fields = [
        types.StructField(name, kinds[name], metadata={_FIELD_ID: identifier})
        for name, identifier in scan.field_ids.items()
        if name in kinds
    ]
    if scan.rows is not None:
        frame = _given(session, scan.rows, table)
    elif scan.files:
        frame = session.read.schema(types.StructType(fields)).parquet(*map(_literal_path, scan.files))
    else:
        frame = session.createDataFrame([], types.StructType(fields))
    present = set(frame.columns)
    return frame.select(
        *(
            # The empty metadata keep the field ids out of results.
            (functions.col(name) if name in present else functions.lit(None).cast(kind)).alias(name, metadata={})
            for name, kind in kinds.items()
        )
    )


def _literal_path(file: str) -> str:
    """A path whose signs Spark does not take for a pattern."""
    return "file://" + re.sub(r"([\\*?\[\]{}])", r"\\\1", file)


def _java_size(size: str) -> str:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT])i?B?", size.strip(), re.IGNORECASE)
    if not found:
        raise UsageError(f"'{size}' is no amount of memory", next_step="write it like 4GB or 512MB")
    return f"{int(float(found[1]) * 1024 ** 'MGT'.index(found[2].upper()))}m"


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """The one seam where Spark's errors become Shopkeeper's."""
    try:
        yield
    except ShopkeeperError:
        raise
    except pa.ArrowInvalid as error:
        raise DataError(f"{what} met a value it cannot take", foreign=error) from error
    except Exception as error:
        kind = _kind(error)
        if kind is None:
            raise
        text = str(error).partition("\n")[0]
        raise kind(f"{what} was refused by Spark", foreign=text) from error


def _kind(error: Exception) -> type[ShopkeeperError] | None:
    from py4j.protocol import Py4JError  # noqa: PLC0415 - heavy and optional
    from pyspark import errors  # noqa: PLC0415

    text = str(error)
    if "FAILED_READ_FILE.FILE_NOT_EXIST" in text or "PATH_NOT_FOUND" in text or "FileNotFoundException" in text:
        return LostFileError
    condition = error.getCondition() or "" if isinstance(error, errors.PySparkException) else text
    if any(word in condition for word in _DATA_ERRORS):
        return DataError
    if isinstance(error, errors.AnalysisException | errors.ParseException):
        return QueryError
    return StorageError if isinstance(error, errors.PySparkException | Py4JError) else None
