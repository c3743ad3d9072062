"""The personal fields of one person, of the sources and of the vault: masked, or revealed for a reason."""

from datetime import datetime

from shopkeeper.app.pages.reading import rows
from shopkeeper.app.pages.seen import must_see
from shopkeeper.app.person_now import record_parts
from shopkeeper.app.said import without_identifiers
from shopkeeper.app.shop import Shop
from shopkeeper.app.traces import mark_of
from shopkeeper.app.visitor import Scope
from shopkeeper.collect.people import subject
from shopkeeper.privacy.reveal import Personal, masked_of, revealed_of
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Privacy
from shopkeeper.schema.tables import table as declared_table

__all__ = ["MASKED", "Personal", "masked_fields", "revealed_fields"]

MASKED = "****"
"""What stands for a personal value that has no form worth showing."""

_HANDLES = ("customer_id", "referrer_customer_id")
_FIELDS = tuple(
    column.name
    for column in declared_table("customer").columns
    if column.privacy is Privacy.PERSON and column.name not in _HANDLES
)


def masked_fields(shop: Shop, person_id: str, scope: Scope | None = None) -> tuple[Personal, ...]:
    """Gives the personal fields of a person, masked.

    Raises:
        MissingError: There is no such person, or it is none of the visitor's stores.
    """
    must_see(shop, person_id, scope)
    said = tuple(Personal(each.kind, MASKED) for each in _said(shop, person_id))
    return tuple(dict.fromkeys((*said, *masked_of(shop.vault, _subjects(shop, person_id)))))


def revealed_fields(
    shop: Shop, person_id: str, scope: Scope | None, *, reason: str, by: str, now: datetime, origin: str | None
) -> tuple[Personal, ...]:
    """Gives the personal fields of a person as they are, after an audit row with the reason.

    Raises:
        MissingError: There is no such person, or it is none of the visitor's stores.
        UsageError: There is no reason.
    """
    must_see(shop, person_id, scope)
    held = revealed_of(
        shop.vault,
        shop.state.audit,
        _subjects(shop, person_id),
        mark=mark_of(shop, person_id),
        reason=without_identifiers(shop, reason),
        by=by,
        now=now,
        origin=origin,
    )
    return (*_said(shop, person_id), *held)


def _subjects(shop: Shop, person_id: str) -> list[str]:
    query = Query.from_sql(
        "SELECT source, customer_id FROM person WHERE person_id = $person AND valid_to IS NULL "
        "ORDER BY source, customer_id",
        name="records",
        person=person_id,
    )
    loaded = {(row["source"], row["customer_id"]) for row in rows(shop, query)}
    seen = {record_parts(record) for record in shop.state.identifiers.records(person_id)}
    return [subject(*record) for record in sorted(loaded | seen)]


def _said(shop: Shop, person_id: str) -> tuple[Personal, ...]:
    """What the sources say of the person in the open tables, each once."""
    columns = ", ".join(f"c.{name}" for name in _FIELDS)
    query = Query.from_sql(
        f"SELECT {columns} FROM customer AS c "
        "JOIN person AS p ON p.source = c.source AND p.customer_id = c.customer_id AND p.valid_to IS NULL "
        "WHERE p.person_id = $person ORDER BY c.source, c.customer_id",
        name="personal fields",
        person=person_id,
    )
    known = [(name, row[name]) for row in rows(shop, query) for name in _FIELDS]
    found = [Personal(name, _text(value)) for name, value in known if value not in (None, "", [])]
    return tuple(dict.fromkeys(found))


def _text(value: object) -> str:
    if isinstance(value, list):  # a map, which Arrow gives as pairs
        return ", ".join(f"{name}: {said}" for name, said in value)
    return str(value)
