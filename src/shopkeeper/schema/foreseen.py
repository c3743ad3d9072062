"""What is foreseen, planned and found: scores, offer plans, effects."""

from shopkeeper.schema.table import Table

__all__ = ["FORESEEN"]

FORESEEN: tuple[Table, ...] = ()
