"""What a trait is: one thing known of each person, with its type, unit and sentence in both languages."""

from dataclasses import dataclass
from enum import StrEnum

from shopkeeper.schema.table import Column, Privacy, Type

__all__ = ["Liveness", "Trait"]


class Liveness(StrEnum):
    """How fresh a trait is: as the last `run` found it, or worked out from it and what has happened since."""

    BATCH = "batch"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Trait:
    """One trait of a person.

    Args:
        name: Its name, which is its column in `table`.
        type: Its type.
        group: The group it is shown in, such as `recency` or `favourites`.
        english: Its sentence in English.
        chinese: Its sentence in Chinese.
        label_english: Two or three words for a heading.
        label_chinese: The same in Chinese.
        unit: What its numbers count: `currency`, `days`, `orders`, `units`, `share` (0 to 1) …
        values: The only values it may have, if it is a choice.
        liveness: How fresh it is.
        live_days: The days of order lines that a live one needs beside the last profile.
        table: The derived table whose column it is.
    """

    name: str
    type: Type
    group: str
    english: str
    chinese: str
    label_english: str
    label_chinese: str
    unit: str | None = None
    values: tuple[str, ...] = ()
    liveness: Liveness = Liveness.BATCH
    live_days: int = 0
    table: str = "profile"

    def column(self) -> Column:
        """The column that holds the trait."""
        return Column(self.name, self.type, self.english, unit=self.unit, values=self.values, privacy=Privacy.PERSON)
