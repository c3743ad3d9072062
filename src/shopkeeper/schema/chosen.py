"""Who was chosen: segment members."""

from shopkeeper.schema.table import Table

__all__ = ["CHOSEN"]

CHOSEN: tuple[Table, ...] = ()
