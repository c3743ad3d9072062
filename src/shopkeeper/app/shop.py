"""A shop: a folder with settings, lake, state, vault, keys and models, opened once and handed around."""

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from shopkeeper.base.clock import Clock, business_day, system_clock
from shopkeeper.base.errors import AlreadyThereError, DataError, MissingError, StorageError
from shopkeeper.base.settings import FILE_NAME, Settings, commented_toml, read_settings
from shopkeeper.collect.plan import FILE_NAME as PLAN_FILE
from shopkeeper.collect.plan import commented_plan
from shopkeeper.collect.safe import Vault, open_vault
from shopkeeper.schema.query import Query, Value
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.backup import EMPTYING, is_unfinished
from shopkeeper.storage.engine import DuckDBEngine, Engine
from shopkeeper.storage.key_ring import KeyRing
from shopkeeper.storage.keys import make_keys, read_keys
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.models import Models
from shopkeeper.storage.rekeyed_file import check_rekeys
from shopkeeper.storage.sealing import Sealing
from shopkeeper.storage.shop_lock import ShopLock
from shopkeeper.storage.state import State
from shopkeeper.storage.token import Tokens

__all__ = ["REKEYING", "Shop", "init", "open_shop"]

REKEYING = ".rekeying"
"""The file that stands in a shop from the beginning to the end of a change of its token key."""


class Shop:
    """One chain's shop folder, opened.

    Args:
        folder: The folder that `init` made.
        settings: Its settings; read from the folder by `open_shop`.
        clock: Gives the present instant.
        engine_kind: `duckdb` or `spark`; what the settings say by default.
        lock: The right to use it, given back when the shop is closed.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        clock: Clock = system_clock,
        engine_kind: str | None = None,
        lock: ShopLock | None = None,
    ) -> None:
        self.folder = folder
        self._lock = lock
        self.settings = settings
        self.clock = clock
        self._engine_kind = engine_kind or settings.engine.kind

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        engine: str | None = None,
        clock: Clock = system_clock,
        rekeying: ShopLock | None = None,
    ) -> Self:
        """Opens a shop folder.

        Args:
            folder: The folder that `init` made.
            engine: `duckdb` or `spark`; what the settings say by default.
            clock: Gives the present instant.
            rekeying: The right to have it alone, for the one who changes the keys of its tokens.

        Raises:
            MissingError: There is no shop in it.
            SettingsError: Its settings are wrong.
            StorageError: A restore into it, or a change of its token key, was not finished.
            ConflictError: Its token key is being changed.
        """
        folder = Path(folder).absolute()
        if is_unfinished(folder):
            raise StorageError(
                "the restore of this shop was killed before its end",
                place=str(folder),
                next_step=(
                    f"remove {folder}, then shopkeeper restore FILE --shop {folder}; what is elsewhere must be emptied "
                    f"before: of storage.catalog_url {EMPTYING}; of storage.state_url the database"
                ),
            )
        if not (folder / FILE_NAME).exists():
            raise MissingError(
                f"there is no shop in {folder}", next_step=f"shopkeeper init {folder}, or name one with --shop"
            )
        settings = read_settings(folder)
        lock = rekeying or ShopLock(folder)
        if rekeying is None and (folder / REKEYING).exists():
            lock.release()
            raise StorageError(
                "the change of this shop's token key was stopped before its end",
                place=str(folder),
                next_step=f"shopkeeper token rekey --shop {folder} goes on with it",
            )
        return cls(folder, settings, clock=clock, engine_kind=engine, lock=lock)

    @cached_property
    def lake(self) -> Lake:
        """The Iceberg tables."""
        storage = self.settings.storage
        return Lake(self.folder / "lake", storage.catalog_url or None, catalog_options=storage.catalog_options)

    @cached_property
    def duckdb(self) -> DuckDBEngine:
        """DuckDB over the lake, which loads files and answers pages whatever runs the steps."""
        settings = self.settings.engine
        return DuckDBEngine(
            self.lake, spill=self.spill, memory_limit=settings.memory_limit, threads=settings.threads or None
        )

    @cached_property
    def engine(self) -> Engine:
        """What runs the steps."""
        if self._engine_kind == "duckdb":
            return self.duckdb
        # PySpark is an extra and starts a JVM: it is loaded only where it is asked for.
        from shopkeeper.storage.engine.spark import SparkEngine  # noqa: PLC0415

        settings = self.settings.engine
        return SparkEngine(
            self.lake, master=settings.spark_master, memory=settings.memory_limit, spill=self.spill / "spark"
        )

    @cached_property
    def state(self) -> State:
        """The operational state, at its newest form."""
        web = self.settings.web
        state = State.open(
            self.settings.storage.state_url or f"sqlite:///{self.folder / 'state.db'}",
            session_idle=timedelta(minutes=web.session_idle_minutes),
            session_absolute=timedelta(hours=web.session_hours),
        )
        state.upgrade()
        return state

    @cached_property
    def tokens(self) -> Tokens:
        """Makes tokens of raw identifiers.

        Raises:
            StorageError: The tokens of the shop are of other keys.
        """
        keys = read_keys(self.folder / "keys", os.environ)
        check_rekeys(self.folder / "vault.db", len(keys.rekeys))
        return Tokens(keys.token, self.settings.chain.country, keys.rekeys)

    @property
    def sealing(self) -> Sealing:
        """Seals what waits, with the vault's keys of the moment; hold on to it for one piece of work."""
        return self._ring.sealing()

    @cached_property
    def _ring(self) -> KeyRing:
        return KeyRing(self.folder / "keys", os.environ)

    @cached_property
    def vault(self) -> Vault:
        """Raw identifiers and personal text, encrypted."""
        return open_vault(self.folder, os.environ)

    @cached_property
    def models(self) -> Models:
        """Fitted models with their cards."""
        return Models(self.folder / "models")

    @property
    def spill(self) -> Path:
        """Folder for what does not fit into memory."""
        return Path(self.settings.engine.spill) if self.settings.engine.spill else self.folder / "spill"

    def today(self) -> date:
        """The present business day of the chain."""
        return business_day(self.clock(), self.settings.chain.time_zone, self.settings.chain.cutover_hour)

    def last_day(self) -> date:
        """The last business day with data, at most yesterday: the default of every as-of.

        Raises:
            MissingError: No order lines were loaded.
        """
        query = Query.from_sql(
            "SELECT max(business_day) AS last_day FROM order_line WHERE business_day <= $yesterday",
            name="last_day",
            yesterday=self.today() - timedelta(days=1),
        )
        (row,) = self.duckdb.arrow(query).to_pylist()
        if row["last_day"] is None:
            raise MissingError(
                "there are no order lines yet", place=str(self.folder), next_step="shopkeeper load order_line FILE"
            )
        return date.fromisoformat(str(row["last_day"]))

    def __repr__(self) -> str:
        return f"Shop({str(self.folder)!r}, chain={self.settings.chain.name!r}, engine={self._engine_kind!r})"

    def query(self, query: Query | str, **parameters: Value) -> Any:
        """Gives a DuckDB relation (or a Spark DataFrame) of a query, not executed.

        Args:
            query: A query, or the text of one SELECT in DuckDB's dialect over tables of the dictionary.
            **parameters: The value of each `$parameter` in the text.

        Raises:
            QueryError: It names a table or column that is not declared, or lacks a parameter.
        """
        if isinstance(query, str):
            query = Query.from_sql(query, name="query", inputs=(), **parameters)
        return self.engine.relation(query)

    def table(self, name: str) -> Any:
        """Gives a DuckDB relation (or a Spark DataFrame) of a whole table, not executed."""
        columns = ", ".join(declared_table(name).column_names)
        return self.query(Query.from_sql(f"SELECT {columns} FROM {name}", name=name))

    def arrow(self, query: Query, inputs: Mapping[str, pa.Table] | None = None) -> pa.Table:
        """Runs a query on DuckDB and gives its rows."""
        return self.duckdb.arrow(query, inputs)

    def close(self) -> None:
        """Gives back engines and connections."""
        for name in ("engine", "duckdb", "lake", "state", "vault"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def init(folder: Path, values: Mapping[str, Any] | None = None) -> Shop:
    """Makes a shop folder: settings, tracking plan, keys, empty lake and state.

    Args:
        folder: Where; it must not hold anything yet.
        values: Settings that differ from the default, by dotted name.

    Raises:
        AlreadyThereError: There is something in the folder.
    """
    if (folder / FILE_NAME).exists():
        raise AlreadyThereError(f"there is a shop in {folder}", next_step=f"shopkeeper doctor --shop {folder}")
    if folder.exists() and any(folder.iterdir()):
        raise AlreadyThereError(f"{folder} is not empty", next_step="name a folder that is empty or not there yet")
    text = commented_toml(values)
    folder.mkdir(parents=True, exist_ok=True)
    make_keys(folder / "keys")
    (folder / "models").mkdir()
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    (folder / PLAN_FILE).write_text(commented_plan(), encoding="utf-8")
    shop = open_shop(folder)
    _ = shop.lake, shop.state, shop.vault
    return shop


open_shop = Shop.open


def as_of_or_last(shop: Shop, as_of: date | None) -> date:
    """The day asked for, or the last with data.

    Raises:
        DataError: The day asked for is not over yet, or lies before all data.
        MissingError: No order lines were loaded.
    """
    if as_of is None:
        return shop.last_day()
    if as_of >= shop.today():
        raise DataError(f"{as_of} is not over yet", next_step="name a day up to yesterday")
    query = Query.from_sql("SELECT MIN(business_day) AS first_day FROM order_line", name="first_day")
    first = shop.duckdb.arrow(query)["first_day"].to_pylist()[0]
    if first is not None and as_of < first:
        last = shop.last_day()
        raise DataError(
            f"there are no data by {as_of}",
            place=f"order lines: {first} to {last}",
            next_step=f"name a day from {first} on",
        )
    return as_of


def now(shop: Shop) -> datetime:
    """The present instant in UTC."""
    return shop.clock().astimezone(UTC)
