"""Assignments: which person has which variant of which campaign, the holdout being one of them, drawn once for ever."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import func, select

from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["GLOBAL_HOLDOUT", "HOLDOUT", "Assignment", "Assignments"]

HOLDOUT = "holdout"
GLOBAL_HOLDOUT = "*"
_ROWS_AT_ONCE = 2_000  # keeps a transaction well below a tenth of a second


@dataclass(frozen=True, slots=True)
class Assignment:
    """One person's variant in one campaign.

    Args:
        campaign_id: The campaign, or `*` for the holdout of all.
        person_id: The person.
        variant: The variant, `holdout` for those left alone.
        drawn_at: When it was drawn.
    """

    campaign_id: str
    person_id: str
    variant: str
    drawn_at: datetime


class Assignments:
    """The assignments of a shop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, campaign_id: str, drawn: Iterable[tuple[str, str]], *, now: datetime) -> int:
        """Keeps what was drawn; who has a variant already keeps the first.

        Args:
            campaign_id: The campaign.
            drawn: Person and variant, each.
            now: When it was drawn.

        Returns:
            How many are new.
        """
        rows = ((campaign_id, person, variant, now) for person, variant in drawn)
        return sum(self._keep_some(chunk) for chunk in _chunks(rows))

    def variants(self, campaign_id: str) -> dict[str, str]:
        """Gives the variant of every person of a campaign."""
        assignments = tables.assignments
        query = select(assignments.c.person_id, assignments.c.variant).where(assignments.c.campaign_id == campaign_id)
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def of(self, person_id: str, campaign_ids: Iterable[str]) -> list[Assignment]:
        """Gives a person's assignments in some campaigns."""
        assignments = tables.assignments
        query = (
            select(assignments)
            .where(assignments.c.person_id == person_id, assignments.c.campaign_id.in_(list(campaign_ids)))
            .order_by(assignments.c.campaign_id)
        )
        with self._database.read() as connection:
            return [Assignment(**row) for row in connection.execute(query).mappings()]

    def all_of(self, person_id: str) -> list[Assignment]:
        """Gives all assignments of a person, for an access request."""
        assignments = tables.assignments
        query = select(assignments).where(assignments.c.person_id == person_id).order_by(assignments.c.campaign_id)
        with self._database.read() as connection:
            return [Assignment(**row) for row in connection.execute(query).mappings()]

    def counts(self, campaign_id: str) -> dict[str, int]:
        """Gives how many persons each variant of a campaign has."""
        assignments = tables.assignments
        query = (
            select(assignments.c.variant, func.count())
            .where(assignments.c.campaign_id == campaign_id)
            .group_by(assignments.c.variant)
        )
        with self._database.read() as connection:
            return {variant: int(number) for variant, number in connection.execute(query)}

    def _keep_some(self, rows: list[tuple[str, str, str, datetime]]) -> int:
        names = tables.assignments.c.keys()
        values = [dict(zip(names, row, strict=True)) for row in rows]
        insert = self._database.insert(tables.assignments).on_conflict_do_nothing()
        with self._database.write() as connection:
            wanted = {person for _, person, _, _ in rows}
            campaign = rows[0][0]
            present = select(func.count()).where(
                tables.assignments.c.campaign_id == campaign, tables.assignments.c.person_id.in_(wanted)
            )
            before = connection.scalar(present) or 0
            connection.execute(insert, values)
            return (connection.scalar(present) or 0) - before


def _chunks(
    rows: Iterator[tuple[str, str, str, datetime]],
) -> Iterator[list[tuple[str, str, str, datetime]]]:
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        yield chunk
