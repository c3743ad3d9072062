"""Finding a person by an identifier such as a phone: only its token is looked up, and every look leaves a row."""

from shopkeeper.app.pages.seen import sees
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.traces import mark_of
from shopkeeper.app.visitor import Scope
from shopkeeper.base.errors import MissingError
from shopkeeper.schema.query import Query

__all__ = ["lookup"]

_LOADED = """
SELECT DISTINCT person.person_id
FROM identifier
JOIN person ON person.source = identifier.source AND person.customer_id = identifier.customer_id
WHERE identifier.kind = $kind AND identifier.token = $token AND person.valid_to IS NULL
ORDER BY person.person_id
"""


def lookup(shop: Shop, kind: str, value: str, *, by: str, scope: Scope | None = None) -> tuple[str, ...]:
    """Gives the persons that have an identifier: the one of the live map, else those of loaded records.

    Args:
        shop: The shop.
        kind: The kind of identifier, such as `phone`.
        value: The identifier as it was written; it goes no further than its token.
        by: Who asks.
        scope: The stores of who asks, to whom others' persons are nobody; the whole chain by default.

    Raises:
        DataError: It is no identifier of the kind.
        MissingError: Nobody has it.
        UsageError: The kind is unknown.
    """
    token = shop.tokens.token(kind, value)
    found = [one.person_id for one in shop.state.identifiers.known([token])]
    if not found:
        query = Query.from_sql(_LOADED, name="persons of an identifier", kind=kind, token=token)
        found = shop.duckdb.arrow(query)["person_id"].to_pylist()
    found = [person for person in found if sees(shop, person, scope)]
    detail = {"kind": kind, "found": len(found)}
    shop.state.audit.append(
        by, "person.lookup", mark_of(shop, found[0]) if found else "nobody", now=now(shop), detail=detail
    )
    if not found:
        raise MissingError(f"nobody has this {kind}", next_step="ask with another identifier")
    return tuple(found)
