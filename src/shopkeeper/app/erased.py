"""Who was erased since a copy was taken, told by the tombstones: a restore takes them out before it serves."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from shopkeeper.app.lake_erasure import drop_bodies, erase_from_lake
from shopkeeper.app.traces import barred_person
from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.collect.people import subject
from shopkeeper.collect.safe import Vault, open_vault
from shopkeeper.privacy.body import bodies_of_erased
from shopkeeper.privacy.reach import Traces
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Privacy
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.erase import remove_files
from shopkeeper.storage.keys import read_keys
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.token import Tokens

__all__ = ["Erased", "erase_again"]

_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Erased:
    """Who was erased, of those that a copy holds.

    Args:
        by_id: Those the lake held.
        folder: The shop, whose vault is asked about persons that only the state holds.
    """

    by_id: frozenset[str]
    folder: Path

    def tokens(self, known: Iterable[str]) -> list[str]:
        """Gives those of some identifiers that were erased."""
        with open_vault(self.folder, os.environ) as vault:
            return sorted(vault.tombstoned(tokens=known))

    def persons(self, known: Iterable[str]) -> list[str]:
        """Gives those of some persons that were erased."""
        names = {barred_person(person_id): person_id for person_id in known}
        with open_vault(self.folder, os.environ) as vault:
            barred = vault.tombstoned(subjects=names)
        return sorted({names[name] for name in barred} | (self.by_id & set(names.values())))


def erase_again(
    folder: Path, lake: Lake, engine: DuckDBEngine, *, country: str, environment: Mapping[str, str] = os.environ
) -> Erased:
    """Takes everybody who bears a tombstone out of a restored vault and lake.

    Args:
        folder: The restored shop; its tombstones are in place.
        lake: Its lake.
        engine: Writes files anew.
        country: The country of phones without a country code.
        environment: Where the keys may stand.

    Raises:
        UsageError: The keys are not there.
    """
    try:
        keys = read_keys(folder / "keys", environment)
    except MissingError as error:
        raise UsageError(
            "tombstones cannot be read without the shop's keys",
            next_step="put the keys into the environment (SHOPKEEPER_KEY_VAULT, SHOPKEEPER_KEY_TOKEN)",
        ) from error
    with open_vault(folder, environment) as vault:
        drop_bodies(lake, engine, vault, bodies_of_erased(vault, Tokens(keys.token, country, keys.rekeys)))
        traces = _traces(lake, engine, vault)
    _, gone = erase_from_lake(lake, engine, traces)
    remove_files(gone, wait=timedelta(0))
    return Erased(frozenset(traces.person_ids), folder)


def _traces(lake: Lake, engine: DuckDBEngine, vault: Vault) -> Traces:
    records: set[tuple[str, str]] = set()
    persons: set[str] = set()
    tokens: set[str] = set()
    for name in lake.tables():
        table = lake.declared(name)
        if table.has("customer_id") and table.has("source"):
            for source, customer_id in _distinct(engine, name, ("source", "customer_id")):
                records.add((source, customer_id))
        if table.has("person_id"):
            persons.update(person_id for (person_id,) in _distinct(engine, name, ("person_id",)))
        for column in table.columns:
            if column.privacy is Privacy.TOKEN and column.name not in ("body_key", "group_id"):
                tokens.update(token for (token,) in _distinct(engine, name, (column.name,)))
    barred = {barred_person(person_id): person_id for person_id in persons}
    named = {subject(*record): record for record in records}
    return Traces(
        tuple(sorted(barred[name] for name in vault.tombstoned(subjects=barred))),
        tuple(sorted(named[name] for name in vault.tombstoned(subjects=named))),
        tuple(sorted(vault.tombstoned(tokens=tokens))),
    )


def _distinct(engine: DuckDBEngine, table: str, columns: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    wanted = ", ".join(columns)
    query = Query.from_sql(
        f"SELECT DISTINCT {wanted} FROM {table} WHERE {' AND '.join(f'{name} IS NOT NULL' for name in columns)}",
        name=f"who is in {table}",
    )
    for batch in engine.batches(query, rows=_AT_ONCE):
        yield from zip(*(batch[name].to_pylist() for name in columns), strict=True)
