"""A receipt: what became of every row that came in."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
        skipped: Rows that a watermark or a total line left out before they counted as received.
        watermark: The greatest value of the `--since` column, as text.
        identifiers: Identifiers newly noted.
        seconds: How long it took.

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

    def __post_init__(self) -> None:
        parts = self.stored + self.updated + self.duplicate + self.refused
        if self.received != parts or self.refused != sum(self.reasons.values()):
            raise DataError(
                f"{self.received} rows were received but {parts} accounted for, {self.refused} refused but "
                f"{sum(self.reasons.values())} with a reason",
                place=f"load of {self.table}",
            )

    def __add__(self, other: "Receipt") -> "Receipt":
        marks = [mark for mark in (self.watermark, other.watermark) if mark is not None]
        return Receipt(
            self.table,
            self.received + other.received,
            self.stored + other.stored,
            self.updated + other.updated,
            self.duplicate + other.duplicate,
            self.refused + other.refused,
            dict(Counter(self.reasons) + Counter(other.reasons)),
            self.skipped + other.skipped,
            max(marks, default=None),
            self.identifiers + other.identifiers,
            self.seconds + other.seconds,
        )

    def to_dict(self) -> dict[str, Any]:
        """Gives it as the JSON that `shopkeeper load --json` prints."""
        return {name: getattr(self, name) for name in Receipt.__slots__} | {
            "reasons": dict(sorted(self.reasons.items())),
            "seconds": round(self.seconds, 3),
        }
