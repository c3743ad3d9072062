"""What models foresee of one person, with reasons."""

from dataclasses import dataclass
from datetime import date

from shopkeeper.app.pages.reading import rows
from shopkeeper.app.shop import Shop
from shopkeeper.schema.query import Query

__all__ = ["Score", "scores_of"]


@dataclass(frozen=True, slots=True)
class Score:
    """What one model says of one person on its latest day.

    Args:
        model: The model.
        subject: What was scored, such as a campaign, where the model scores several things.
        as_of: The day at whose end it holds.
        value: The score, a probability for models that foresee one.
        decile: Which tenth, 10 the highest.
        reasons: What raised or lowered it, in English.
        reasons_zh: The same in Chinese.
    """

    model: str
    subject: str | None
    as_of: date
    value: float
    decile: int | None
    reasons: tuple[str, ...]
    reasons_zh: tuple[str, ...]


def scores_of(shop: Shop, person_id: str) -> tuple[Score, ...]:
    """Gives the latest scores of a person by every model."""
    query = Query.from_sql(
        """
        SELECT s.model, s.subject, s.as_of, s.value, s.decile, s.reasons, s.reasons_zh
        FROM score AS s
        WHERE s.person_id = $person
        QUALIFY ROW_NUMBER() OVER (PARTITION BY s.model, s.subject ORDER BY s.as_of DESC, s.version DESC) = 1
        ORDER BY s.model, s.value DESC
        """,
        name="scores",
        person=person_id,
    )
    return tuple(
        Score(**{**row, "reasons": tuple(row["reasons"] or ()), "reasons_zh": tuple(row["reasons_zh"] or ())})
        for row in rows(shop, query)
    )
