from decimal import Decimal

import pytest

from shopkeeper.base.money import money


@pytest.mark.parametrize(
    ("given", "amount"),
    [(0.1, "0.1000"), ("2.00005", "2.0000"), ("2.00015", "2.0002"), (3, "3.0000"), (Decimal("-1.5"), "-1.5000")],
)
def test_money_has_four_places_rounded_half_to_even(given: object, amount: str) -> None:
    assert money(given) == Decimal(amount)  # type: ignore[arg-type]
    assert str(money(given)) == amount  # type: ignore[arg-type]
