"""Engines behind one small interface: DuckDB in the process, Spark when a chain outgrows one machine."""

from shopkeeper.storage.engine.contract import Engine, Inputs
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.engine.spark import SparkEngine

__all__ = ["DuckDBEngine", "Engine", "Inputs", "SparkEngine"]
