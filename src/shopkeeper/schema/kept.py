"""What is kept of coming in: refused rows and quality checks."""

from shopkeeper.schema.table import Table

__all__ = ["KEPT"]

KEPT: tuple[Table, ...] = ()
