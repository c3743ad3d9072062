"""Assignment: who is held out, drawn by hash, so that a person always falls the same way; whether it came so."""

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum

from shopkeeper.base.errors import UsageError

__all__ = ["MessageClass", "draw", "held_out", "sample_ratio_p"]

_RANGE = 2**64


class MessageClass(StrEnum):
    """The three classes of a message; only marketing is ever withheld."""

    SERVICE = "service"
    ENTITLEMENT = "entitlement"
    MARKETING = "marketing"


def draw(unit: str, experiment: str, seed: int) -> float:
    """Gives a number from 0 to below 1 that depends on nothing but its arguments (SHA-256)."""
    digest = hashlib.sha256(f"{seed}\x1f{experiment}\x1f{unit}".encode()).digest()
    return int.from_bytes(digest[:8]) / _RANGE


def held_out(
    units: Sequence[str],
    experiment: str,
    share: float,
    seed: int,
    message_class: MessageClass = MessageClass.MARKETING,
) -> list[bool]:
    """Says who is held out.

    Args:
        units: The persons.
        experiment: The name of what they are held out of; another name, another draw.
        share: Share held out, from 0 to below 1.
        seed: Of the shop.
        message_class: Service messages and entitlements are never withheld.

    Raises:
        UsageError: The share is no share.
    """
    if not 0 <= share < 1:
        raise UsageError(f"a holdout is a share from 0 to below 1, not {share}")
    if message_class is not MessageClass.MARKETING:
        return [False] * len(units)
    return [draw(unit, experiment, seed) < share for unit in units]


def sample_ratio_p(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Chance of counts as uneven as these if the draw was as planned (chi-squared); below 0.001 something is broken.

    Args:
        counts: How many units each variant has.
        shares: The planned share of each variant, sum 1.

    Raises:
        UsageError: The variants differ, a share is not positive, or there is nothing to count.
    """
    from scipy.stats import chisquare  # noqa: PLC0415 - slow to import, and assignment itself must not wait for it

    if counts.keys() != shares.keys() or min(shares.values()) <= 0 or not sum(counts.values()):
        raise UsageError(f"counts of {sorted(counts)} cannot be held against shares of {sorted(shares)}")
    names, total = sorted(counts), sum(counts.values())
    whole = sum(shares.values())
    expected = [total * shares[name] / whole for name in names]
    return float(chisquare([counts[name] for name in names], expected).pvalue)
