"""The person behind each customer record."""

from shopkeeper.schema.query import Query
from shopkeeper.schema.step import Refresh, step

__all__ = ["person"]


@step(writes="person", reads=("customer", "basket"), refresh=Refresh.RECORDS)
def person() -> Query:
    """Gives each customer record its person: for now every record is a person of its own.

    Records that only orders know are persons too. The id is the source and the record's id, so it stays the same for
    ever; a colon in a source is written `%3A`, so that no two records share one.

    Returns:
        A query of the columns of `person`; `method` is `record`, `confidence` 1, `valid_from` the epoch (ever since).
    """
    return Query.from_file(__file__, "person.sql")
