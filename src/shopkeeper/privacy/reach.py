"""How an erasure or an access request reaches each table: by the columns that name a person, as the dictionary has it.

A table that is declared later is reached without being named here, as long as its columns bear the dictionary's names
and privacy classes; a test sees to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from shopkeeper.schema.table import Privacy, Table

__all__ = ["KEPT_FACTS", "Traces", "emptied", "where_of"]

KEPT_FACTS: Mapping[str, str] = MappingProxyType(
    {
        "order_line": "the books: sales stay, as a ticket without a member (散客)",
        "redemption": "the books: a coupon that was used stays used",
        "coupon": "the books: a coupon that was given out stays given out",
        "touch": "what a campaign cost stays known",
    }
)
"""Tables whose rows stay when a person is erased, without the person, and why."""

_BY_NAME = ("token", "left_token", "right_token", "anonymous_id", "user_id", "previous_id", "text_token")
_ELSEWHERE = frozenset({"refused", "staff"})  # refused rows are found by their bodies; staff are no customers


@dataclass(frozen=True, slots=True)
class Traces:
    """By what a person is known in the tables.

    Args:
        person_ids: Ids of the person.
        records: The customer records: source and customer id.
        tokens: The tokens that are the person's alone.
    """

    person_ids: tuple[str, ...]
    records: tuple[tuple[str, str], ...]
    tokens: tuple[str, ...]

    def given(self) -> dict[str, pa.Table]:
        """The tables that the conditions of `where_of` name."""
        ids = sorted({customer_id for _, customer_id in self.records})
        return {
            "traced_person": pa.table({"id": pa.array(self.person_ids, pa.string())}),
            "traced_record": pa.table(
                {
                    "source": pa.array([source for source, _ in self.records], pa.string()),
                    "id": pa.array([customer_id for _, customer_id in self.records], pa.string()),
                }
            ),
            "traced_customer": pa.table({"id": pa.array(ids, pa.string())}),
            "traced_token": pa.table({"id": pa.array(self.tokens, pa.string())}),
        }


def where_of(table: Table) -> str | None:
    """Gives the SQL of a table's rows that are a person's, None for a table that names nobody."""
    if table.name in _ELSEWHERE:
        return None
    parts = []
    if table.has("customer_id"):
        parts.append(_of_record(table))
    parts += [
        f"{name} IN (SELECT id FROM traced_person)" for name in ("person_id", "unit") if _names_person(table, name)
    ]
    parts += [
        f"{column.name} IN (SELECT id FROM traced_token)"
        for column in table.columns
        if column.privacy is Privacy.TOKEN and column.name in _BY_NAME
    ]
    return f"coalesce({' OR '.join(parts)}, false)" if parts else None


def emptied(table: Table) -> tuple[str, ...]:
    """Gives the columns that an erasure empties in a table whose rows stay; none where the rows go."""
    if table.name not in KEPT_FACTS:
        return ()
    return tuple(name for name in ("customer_id", "person_id") if table.has(name))


def _of_record(table: Table) -> str:
    by_id = "customer_id IN (SELECT id FROM traced_customer)"
    if not table.has("source"):
        return by_id
    return (
        "EXISTS (SELECT 1 FROM traced_record AS r WHERE r.id = customer_id AND r.source = "
        f"{table.name}.source) OR ({table.name}.source IS NULL AND {by_id})"
    )


def _names_person(table: Table, name: str) -> bool:
    return table.has(name) and table.column(name).privacy is Privacy.PERSON
