from datetime import UTC, date, datetime

from shopkeeper.identity.person import person
from shopkeeper.schema.tables import TABLES
from tests.profile.toy import arrow, ask


def _persons(*records: tuple[str, str], bought: tuple[tuple[str, str], ...] = ()) -> list[dict[str, object]]:
    customers = arrow(TABLES["customer"], [{"source": source, "customer_id": each} for source, each in records])
    baskets = arrow(
        TABLES["basket"],
        [{"source": source, "customer_id": each, "business_day": date(2024, 1, 1)} for source, each in bought],
    )
    found: list[dict[str, object]] = ask(person(), {"customer": customers, "basket": baskets}).to_pylist()
    return sorted(found, key=lambda row: str(row["person_id"]))


def test_a_record_is_a_person_for_ever() -> None:
    (only,) = _persons(("till", "007"))
    assert only == {
        "source": "till", "customer_id": "007", "person_id": "till:007", "method": "record", "confidence": 1.0,
        "valid_from": datetime(1970, 1, 1, tzinfo=UTC), "valid_to": None,
    }  # fmt: skip


def test_records_that_only_orders_know_are_persons_once() -> None:
    found = _persons(("till", "a"), bought=(("till", "a"), ("till", "b"), ("till", "b"), ("app", "a")))
    assert [row["person_id"] for row in found] == ["app:a", "till:a", "till:b"]


def test_no_two_records_share_an_id() -> None:
    found = _persons(("a:b", "c"), ("a", "b:c"), ("a%3Ab", "c"))
    assert len({row["person_id"] for row in found}) == 3
