"""Money: decimal amounts with four places in the shop's currency."""

from decimal import ROUND_HALF_EVEN, Decimal

__all__ = ["MONEY_PLACES", "MONEY_PRECISION", "MOST_AMOUNT", "money"]

MONEY_PRECISION = 18
MONEY_PLACES = 4
MOST_AMOUNT = 10**11
"""No amount or quantity of a line reaches it: a thousand such of one person still have a sum in `decimal(18,4)`."""

_QUANTUM = Decimal(1).scaleb(-MONEY_PLACES)


def money(value: Decimal | str | float) -> Decimal:
    """Gives an amount in the shop's currency, rounded half to even at four places.

    Args:
        value: An amount; a float goes through its shortest decimal form, so that 0.1 stays 0.1.

    Returns:
        The amount as `decimal(18,4)`.
    """
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return exact.quantize(_QUANTUM, rounding=ROUND_HALF_EVEN)
