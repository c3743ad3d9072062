"""Finding a person by what stands on a card or a list: the person's id, or the customer id of a source."""

from shopkeeper.app.pages.reading import rows
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.schema.query import Query

__all__ = ["find_person", "persons_of"]


def find_person(shop: Shop, text: str) -> str:
    """Gives the id of the person that an id means.

    Args:
        shop: The shop.
        text: The id of a person, or a customer id that only one person has.

    Raises:
        MissingError: Nobody has it.
        UsageError: Several persons have it, each in a source of its own.
    """
    wanted = text.strip()
    query = Query.from_sql("SELECT person_id FROM profile WHERE person_id = $wanted", name="person", wanted=wanted)
    if rows(shop, query):
        return wanted
    found = persons_of(shop, wanted)
    if not found:
        raise MissingError(
            f"there is no person '{wanted}'",
            next_step="give a customer id, or source:customer_id as the sources have it",
        )
    if len(found) > 1:
        places = ", ".join(source for sources in found.values() for source in sources)
        raise UsageError(
            f"customer id '{wanted}' is in {len(found)} sources: {places}",
            next_step=" or ".join(f"shopkeeper person show {person}" for person in found),
        )
    return next(iter(found))


def persons_of(shop: Shop, customer_id: str) -> dict[str, tuple[str, ...]]:
    """Gives the persons that have a customer id, each with the sources it is in."""
    query = Query.from_sql(
        "SELECT person_id, source FROM person WHERE customer_id = $wanted AND valid_to IS NULL "
        "ORDER BY person_id, source",
        name="persons of a customer id",
        wanted=customer_id.strip(),
    )
    found: dict[str, tuple[str, ...]] = {}
    for row in rows(shop, query):
        found[row["person_id"]] = (*found.get(row["person_id"], ()), row["source"])
    return found
