"""What is reported: compact facts by store and day."""

from shopkeeper.schema.table import Table

__all__ = ["REPORTED"]

REPORTED: tuple[Table, ...] = ()
