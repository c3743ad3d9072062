"""The state store under a new token key: every table in one transaction that notes the key."""

import pickle
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any, Final

from sqlalchemy import JSON, Connection, Table, Text, and_, bindparam, delete, select, text, update

from shopkeeper.storage.renaming import Renaming
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.audit import Audit, AuditRow
from shopkeeper.storage.state.consents import ConsentChange
from shopkeeper.storage.state.database import Database
from shopkeeper.storage.state.flags import FlagChange

__all__ = ["rekey_state", "tokens_in_map"]

_NOTE: Final = "token_key"
_ROWS_AT_ONCE: Final = 5_000
_ASKED_AT_ONCE: Final = 500
_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "users": frozenset({"email_token"}),
    "identifiers": frozenset({"token", "person_id", "claimed_by"}),
    "person_merges": frozenset({"record_id", "token", "into_id"}),
}
_ELSEWHERE: Final = frozenset({"audit", "audit_head", "asked_counts", "alembic_version"})
_PERSON: Final = "person_id"
_RECEIPT: Final = "receipt"  # names the erased by a keyed hash

_Row = dict[str, Any]


def tokens_in_map(database: Database, texts: Collection[str]) -> list[str]:
    """Gives those of some texts that are identifiers of the map."""
    given, found = list(texts), list[str]()
    token = tables.identifiers.c.token
    with database.read() as connection:
        for start in range(0, len(given), _ASKED_AT_ONCE):
            found += connection.scalars(select(token).where(token.in_(given[start : start + _ASKED_AT_ONCE])))
    return found


def rekey_state(database: Database, rekeys: int, renaming: Renaming) -> tuple[Counter[str], tuple[int, str] | None]:
    """Renames what every table holds, unless the store notes that it was done.

    The sketches of audiences that were counted go: they are of persons under their old names.

    Args:
        database: The store; nobody else has it.
        rekeys: How many rekeys its tokens are of afterwards.
        renaming: Gives the new names.

    Returns:
        Rows changed by table; and the head of the audit log before, None where it had been done.

    Raises:
        StorageError: The chain of the audit log was broken before.
    """
    counts, head = Counter[str](), None
    with database.write() as connection:
        if _noted(connection) < rekeys:
            with _without_guards(connection, is_sqlite=database.is_sqlite):
                for table in tables.METADATA.sorted_tables:
                    if table.name not in _ELSEWHERE:
                        counts[table.name] = _rename(connection, table, renaming)
                connection.execute(delete(tables.asked_counts))
                head = Audit(database).rewrite(connection, lambda rows: _audited(rows, renaming))
            note = database.insert(tables.map_marks).values(name=_NOTE, number=rekeys)
            connection.execute(note.on_conflict_do_update(index_elements=["name"], set_={"number": rekeys}))
    database.empty_pages(tables.METADATA.sorted_tables, anew=True)
    return +counts, head


def _noted(connection: Connection) -> int:
    marks = tables.map_marks
    return connection.scalar(select(marks.c.number).where(marks.c.name == _NOTE)) or 0


@contextmanager
def _without_guards(connection: Connection, *, is_sqlite: bool) -> Iterator[None]:
    """Lifts the triggers that let nobody change a ledger or the audit log, within the transaction that changes them."""
    if is_sqlite:
        guards = connection.execute(text("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")).all()
        lifted = [f"DROP TRIGGER {name}" for name, _ in guards]
        back = [made for _, made in guards]
    else:
        found = connection.execute(
            text("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
        )
        names = found.scalars().all()
        lifted = [f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in names]
        back = [f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in names]
    for statement in lifted:
        connection.exec_driver_sql(statement)
    yield
    for statement in back:
        connection.exec_driver_sql(statement)


def _rename(connection: Connection, table: Table, renaming: Renaming) -> int:
    """Changes wait in a file of their own: a key that is changed while rows are read might be met again."""
    keys = [column.name for column in table.primary_key]
    changed = 0
    with tempfile.TemporaryFile() as waiting:
        reading = connection.execute(select(table).execution_options(yield_per=_ROWS_AT_ONCE))
        for part in reading.mappings().partitions():
            rows = [dict(row) for row in part]
            new = _renamed(rows, table, renaming)
            moved = [(row, after) for row, after in zip(rows, new, strict=True) if row != after]
            pickle.dump([({f"old_{key}": row[key] for key in keys}, after) for row, after in moved], waiting)
            changed += len(moved)
        waiting.seek(0)
        where = and_(*(table.c[key] == bindparam(f"old_{key}") for key in keys))
        values: dict[str, Any] = {column.name: bindparam(f"new_{column.name}") for column in table.columns}
        for some in _waiting(waiting):
            statement = update(table).where(where).values(values)
            given = [old | {f"new_{name}": value for name, value in after.items()} for old, after in some]
            connection.execute(statement, given)
    return changed


def _waiting(file: IO[bytes]) -> Iterator[list[tuple[_Row, _Row]]]:
    while True:
        try:
            some = pickle.load(file)  # noqa: S301 - written by this process a moment ago
        except EOFError:
            return
        if some:
            yield some


def _renamed(rows: list[_Row], table: Table, renaming: Renaming) -> list[_Row]:
    columns = dict[str, list[Any]]()
    for column in table.columns:
        values = [row[column.name] for row in rows]
        if isinstance(column.type, JSON):
            columns[column.name] = renaming.trees(values, with_names=column.name == _RECEIPT)
        elif isinstance(column.type, Text) and column.name == "message_id":
            columns[column.name] = renaming.messages(values)
        elif isinstance(column.type, Text):
            is_name = column.name in _NAMES.get(table.name, frozenset({_PERSON}))
            columns[column.name] = renaming.names(values) if is_name else renaming.texts(values)
    new = [row | {name: columns[name][place] for name in columns} for place, row in enumerate(rows)]
    made = {"consents": ConsentChange, "person_flags": FlagChange}.get(table.name)
    if made is not None:
        for row, after in zip(rows, new, strict=True):
            # Told by its words, so that the same file again or the same message adds nothing.
            if row["id"] == _id_of(made, row):
                after["id"] = _id_of(made, after)
    return new


def _id_of(made: type[ConsentChange] | type[FlagChange], row: _Row) -> str:
    return made(**{name: row[name] for name in made.__slots__}).id


def _audited(rows: Sequence[AuditRow], renaming: Renaming) -> list[AuditRow]:
    targets = renaming.names(row.target for row in rows)
    details = renaming.trees([dict(row.detail) for row in rows], with_names=True)
    whos = renaming.texts(row.who for row in rows)
    return [
        replace(row, who=str(who), target=str(target), detail=detail)
        for row, who, target, detail in zip(rows, whos, targets, details, strict=True)
    ]
