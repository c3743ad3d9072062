"""The person behind each customer record."""

from shopkeeper.schema.query import Query
from shopkeeper.schema.step import Refresh, step

__all__ = ["person"]


@step(writes="person", reads=("customer", "basket", "person_merge"), refresh=Refresh.RECORDS)
def person() -> Query:
    """Gives each customer record its person, as the map of identifiers has it.

    A record that was never linked is a person of its own, and so is one that only orders know. The id is the source and
    the record's id, so it stays the same for ever; a colon in a source is written `%3A`, so that no two records share
    one. A record that was linked has a row for each stay: with itself first, then with the persons it belonged to. A
    record that only events know has rows while it belongs to a person with a record of another sort.

    Returns:
        A query of the columns of `person`; `method` is `record` or `link`, `confidence` 1, `valid_from` of the first
        stay the epoch (ever since).
    """
    return Query.from_file(__file__, "person.sql")
