"""Persons leave the tables of the lake, and every older state of these with them."""

from collections import Counter
from datetime import timedelta

import pyarrow as pa

from shopkeeper.collect.event_table import ERASED
from shopkeeper.collect.safe import Vault
from shopkeeper.privacy.reach import Traces, emptied, where_of
from shopkeeper.schema.table import Table
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.erase import Erasing, erase_rows, forget_states, remove_files
from shopkeeper.storage.lake import Lake

__all__ = ["drop_bodies", "erase_from_lake"]

# By these tables a person is found again, as long as they stand.
_LAST = ("identifier", "customer", "person")
_TEXTS = {
    "event": ("traits", "context", "properties", "identifiers", "name", "category", "query", "session_id"),
    "interaction": ("text_redacted",),
}
_TOKENS_AT_ONCE = 50


def erase_from_lake(
    lake: Lake, engine: DuckDBEngine, traces: Traces, *, states_of_all: bool = True
) -> tuple[Counter[str], list[str]]:
    """Takes persons out of every table and forgets all older states.

    Args:
        lake: The lake.
        engine: Writes files anew.
        traces: By what they are known.
        states_of_all: Whether every table that names persons forgets its older states, or only where one was found.

    Returns:
        Rows touched by table, and the files that nothing names any more, which are still there.
    """
    given, counts, gone = traces.given(), Counter[str](), list[str]()
    names = sorted(lake.tables(), key=lambda name: (name in _LAST, _LAST.index(name) if name in _LAST else 0, name))
    for name in names:
        erasings = _erasings(lake.declared(name), traces)
        for erasing in erasings:
            counts[name] += erase_rows(lake, engine, erasing, given)
        if counts[name] or (states_of_all and erasings):
            gone += forget_states(lake, name)
    return +counts, gone


def _erasings(table: Table, traces: Traces) -> list[Erasing]:
    name, where, found = table.name, where_of(table), []
    if where is not None:
        found.append(Erasing(name, where, dict.fromkeys(emptied(table), "NULL")))
    if table.has("referrer_customer_id"):
        referred = "referrer_customer_id IN (SELECT id FROM traced_customer)"
        found.append(Erasing(name, f"coalesce({referred}, false)", {"referrer_customer_id": "NULL"}))
    if name == "quality_check":
        named = "EXISTS (SELECT 1 FROM traced_customer AS t WHERE contains(sample, t.id))"
        found.append(Erasing(name, f"coalesce({named}, false)", {"sample": "NULL"}))
    found += _mentions(name, traces.tokens)
    return found


def _mentions(name: str, tokens: tuple[str, ...]) -> list[Erasing]:
    """Another person's event may mention a token of the person."""
    columns, found = _TEXTS.get(name, ()), []
    plain = [token for token in tokens if token.replace("_", "").replace("-", "").isalnum()]
    for start in range(0, len(plain) if columns else 0, _TOKENS_AT_ONCE):
        some = plain[start : start + _TOKENS_AT_ONCE]
        listed = ", ".join(f"'{token}'" for token in some)
        said = " OR ".join(f"contains({column}, t.id)" for column in columns)
        where = f"EXISTS (SELECT 1 FROM traced_token AS t WHERE t.id IN ({listed}) AND ({said}))"
        changed = {}
        for column in columns:
            changed[column] = column
            for token in some:
                changed[column] = f"replace({changed[column]}, '{token}', '{ERASED}')"
        found.append(Erasing(name, where, changed))
    return found


def drop_bodies(lake: Lake, engine: DuckDBEngine, vault: Vault, ids: list[str]) -> None:
    """Destroys refused rows that were kept whole; of each stays that it was there, and that it was erased."""
    if not ids:
        return
    vault.drop_bodies(ids)
    given = {"erased_body": pa.table({"id": pa.array(ids, pa.string())})}
    empty = {"state": "'erased'", "masked_value": "NULL", "body_key": "NULL", "others": "NULL"}
    where = "refused_id IN (SELECT id FROM erased_body)"
    if lake.snapshot("refused") is not None:
        erase_rows(lake, engine, Erasing("refused", where, empty), given)
        remove_files(forget_states(lake, "refused"), wait=timedelta(0))
