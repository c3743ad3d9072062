"""By what a person is known: their records, and the tokens that are theirs alone."""

from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError
from shopkeeper.collect.people import subject
from shopkeeper.identity.link import record_id
from shopkeeper.privacy.reach import Traces
from shopkeeper.schema.query import Query

__all__ = ["barred_person", "mark_of", "records_of", "tokens_of", "traces_of"]

_TOKEN_LENGTH = 27
_TABLES_OF_RECORDS = ("person", "customer", "identifier", "order_line")


def barred_person(person_id: str) -> str:
    """What the tombstones call a person, as against a customer record."""
    return f"\x1fperson|{person_id}"


def mark_of(shop: Shop, person_id: str) -> str:
    """What the audit log and receipts call a person: a keyed hash, so that an erasure need not rewrite the chain."""
    return shop.tokens.mark(person_id)


def records_of(shop: Shop, person_id: str) -> tuple[tuple[str, str], ...]:
    """Gives the source and customer id of each record of a person, one that no run has seen yet too.

    Raises:
        MissingError: There is no such person.
    """
    identifiers = shop.state.identifiers
    who = identifiers.person(person_id)
    query = Query.from_sql(
        "SELECT DISTINCT source, customer_id FROM person WHERE person_id = $person AND valid_to IS NULL",
        name="records",
        person=who,
    )
    known = {(row["source"], row["customer_id"]) for row in shop.arrow(query).to_pylist()}
    # The last run may have seen them with somebody else than the map does by now.
    moved = identifiers.persons([record_id(*record) for record in known])
    known = {record for record in known if moved.get(record_id(*record), who) == who}
    linked = identifiers.records(who)
    if linked != [who] or identifiers.of(who):
        known |= {_record(record) for record in linked}
    if known:
        return tuple(sorted(known))
    separator, record = ":" in person_id, _record(person_id)
    customer_id = record[1]
    if separator and customer_id and (shop.vault.of(subject(*record)) or _is_known(shop, *record)):
        return (record,)
    was_erased = bool(shop.vault.tombstoned(subjects=[barred_person(person_id)]))
    raise MissingError(
        "the person was erased" if was_erased else f"there is no person '{person_id}'",
        next_step="look for the id in the list of people",
    )


def traces_of(shop: Shop, person_id: str) -> Traces:
    """Gives everything that a person is known by.

    Raises:
        MissingError: There is no such person.
    """
    records = records_of(shop, person_id)
    who = shop.state.identifiers.person(person_id)
    live = {one.token for one in shop.state.identifiers.of(who)}
    # What a person was called before they were linked names them still.
    ids = {person_id, who, *(record_id(*record) for record in records)}
    return Traces(tuple(sorted(ids)), records, tuple(sorted({*tokens_of(shop, records), *live})))


def tokens_of(shop: Shop, records: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Gives the tokens of some records that no other record has: a family's phone stays the others'."""
    held = {token for record in records for _, token, _ in shop.vault.of(subject(*record))}
    seen = Query.from_sql(
        "SELECT DISTINCT token FROM identifier WHERE customer_id IN $ids",
        name="tokens",
        ids=sorted({customer_id for _, customer_id in records}),
    )
    held |= set(shop.arrow(seen)["token"].to_pylist())
    holders = Query.from_sql(
        "SELECT token, source, customer_id FROM identifier WHERE token IN $tokens",
        name="holders",
        tokens=sorted(held) or [""],
    )
    mine = set(records)
    shared = {
        row["token"] for row in shop.arrow(holders).to_pylist() if (row["source"], row["customer_id"]) not in mine
    }
    # Where a source has no ids of its own, the record's id is a token itself.
    named = {customer_id for _, customer_id in records if _is_token(customer_id)}
    return tuple(sorted((held - shared) | named))


def _record(record_id: str) -> tuple[str, str]:
    """The source and customer id of a record by its id."""
    source, _, customer_id = record_id.partition(":")
    return source.replace("%3A", ":").replace("%25", "%"), customer_id


def _is_token(text: str) -> bool:
    return len(text) == _TOKEN_LENGTH and text[2] == "_"


def _is_known(shop: Shop, source: str, customer_id: str) -> bool:
    for table in _TABLES_OF_RECORDS:
        query = Query.from_sql(
            f"SELECT count(*) AS n FROM {table} WHERE source = $source AND customer_id = $customer",
            name="record",
            source=source,
            customer=customer_id,
        )
        if shop.arrow(query)["n"].to_pylist()[0]:
            return True
    return False
