"""What a person's own lines say: traits that stay as they are until those lines change."""

from datetime import date

from sqlglot import exp

from shopkeeper.schema.query import Query
from shopkeeper.schema.step import Refresh, step
from shopkeeper.schema.table import Column, Table, Type

__all__ = ["CHANGED_PERSON", "person_habit"]

CHANGED_PERSON = Table(
    "changed_person",
    "one person whose rows must be made again",
    (Column("person_id", Type.STRING, "The person", required=True),),
    key=("person_id",),
)


@step(writes="person_habit", reads=("order_line", "product_fact", "basket", "person"), refresh=Refresh.PEOPLE)
def person_habit(as_of: date, *, changed: bool = False, share: tuple[int, int] = (0, 1)) -> Query:
    """Gives each person with a basket their rhythm, favourites, variety, price and offer habits up to a day.

    No row depends on other people's lines except through `product_fact`, so only people whose lines, person or bought
    products changed need new rows; a changed person without a row any more has left the table.

    Args:
        as_of: Lines of business days up to and with this one count.
        changed: Only the people of the input `changed_person`.
        share: Which of how many equal shares of the people, from 0; the shares together give everybody once.
    """
    query = Query.from_file(__file__, "person_habit.sql", as_of=as_of)
    number, shares = share
    if not changed and shares == 1:
        return query
    tree = query.tree.copy()
    who = next(cte for cte in tree.find_all(exp.CTE) if cte.alias == "who")
    if changed:
        chosen = exp.select("person_id").from_("changed_person")
        who.this.where(exp.In(this=exp.column("person_id"), query=chosen.subquery()), copy=False)
    if shares > 1:
        place = exp.Mod(this=exp.func("hash", exp.column("person_id")), expression=exp.convert(shares))
        who.this.where(place.eq(number), copy=False)
    return Query(tree, {}, (CHANGED_PERSON,) if changed else (), query.name)
