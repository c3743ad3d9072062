"""A receipt: what became of every row that came in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shopkeeper.base.errors import DataError

__all__ = ["Receipt"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the rows of a load.

    Args:
        table: The table.
        received: Rows read.
        stored: Rows whose key was new.
        updated: Rows that changed what was there.
        duplicate: Rows that were there already, or came twice.
        refused: Rows that were turned away, kept in the vault and listed in `refused`.
        reasons: Reason → number of refused rows.
        skipped: Rows older than the watermark, left out before they counted as received.
        watermark: The greatest value of the `--since` column, as text.
        identifiers: Identifiers newly noted.
        seconds: How long it took.
        left_out: Headers of the source that the mapping does not read.
        settled: Rows refused before, which this load brought in mended.
        net_amount: What the rows that were not refused add up to, for lines of orders: to be held against the file.

    Raises:
        DataError: The numbers do not add up.
    """

    table: str
    received: int = 0
    stored: int = 0
    updated: int = 0
    duplicate: int = 0
    refused: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0
    watermark: str | None = None
    identifiers: int = 0
    seconds: float = 0.0
    left_out: tuple[str, ...] = ()
    settled: int = 0
    net_amount: str | None = None

    def __post_init__(self) -> None:
        parts = self.stored + self.updated + self.duplicate + self.refused
        if self.received != parts or self.refused != sum(self.reasons.values()):
            raise DataError(
                f"{self.received} rows were received but {parts} accounted for, {self.refused} refused but "
                f"{sum(self.reasons.values())} with a reason",
                place=f"load of {self.table}",
            )
