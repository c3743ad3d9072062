"""What is known of people and goods: derived tables of the rooms `identity` and `profile`."""

from shopkeeper.schema.table import Column, Privacy, Table, TableKind, Type

__all__ = ["KNOWN"]

KNOWN = (
    Table(
        "person",
        "one customer record and the person it belongs to, with history",
        (
            Column("source", Type.STRING, "The source of the record", required=True),
            Column("customer_id", Type.STRING, "The record", required=True, privacy=Privacy.PERSON),
            Column("person_id", Type.STRING, "The person", required=True, privacy=Privacy.PERSON),
            Column("method", Type.STRING, "How the record was given to the person", required=True),
            Column("confidence", Type.NUMBER, "How sure that is", unit="share"),
            Column("valid_from", Type.INSTANT, "From when the record belongs to the person"),
            Column("valid_to", Type.INSTANT, "Until when; empty while it lasts"),
        ),
        key=("source", "customer_id", "valid_from"),
        kind=TableKind.DERIVED,
    ),
)
