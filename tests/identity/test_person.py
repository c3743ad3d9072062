from datetime import UTC, date, datetime

from shopkeeper.identity.person import person
from shopkeeper.schema.tables import TABLES
from tests.profile.toy import arrow, ask


def _persons(
    *records: tuple[str, str],
    bought: tuple[tuple[str, str], ...] = (),
    moves: tuple[tuple[str, str, str, int, int | None], ...] = (),
) -> list[dict[str, object]]:
    customers = arrow(TABLES["customer"], [{"source": source, "customer_id": each} for source, each in records])
    baskets = arrow(
        TABLES["basket"],
        [{"source": source, "customer_id": each, "business_day": date(2024, 1, 1)} for source, each in bought],
    )
    merges = arrow(
        TABLES["person_merge"],
        [
            {"source": s, "customer_id": c, "person_id": p, "valid_from": _at(first), "valid_to": _at(last)}
            for s, c, p, first, last in moves
        ],
    )
    tables = {"customer": customers, "basket": baskets, "person_merge": merges}
    found: list[dict[str, object]] = ask(person(), tables).to_pylist()
    return sorted(found, key=lambda row: (str(row["person_id"]), str(row["source"]), str(row["valid_from"])))


def _at(hour: int | None) -> datetime | None:
    return None if hour is None else datetime(2026, 3, 1, hour, tzinfo=UTC)


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


def test_a_record_that_was_linked_has_a_row_for_each_stay() -> None:
    found = _persons(
        ("till", "7"), ("crm", "1"), moves=(("till", "7", "app:us_a", 8, 9), ("till", "7", "crm:1", 9, None))
    )
    stays = [(row["source"], row["person_id"], row["method"], row["valid_from"], row["valid_to"]) for row in found]
    ever = datetime(1970, 1, 1, tzinfo=UTC)
    assert stays == [
        ("till", "app:us_a", "link", _at(8), _at(9)),
        ("crm", "crm:1", "record", ever, None),
        ("till", "crm:1", "link", _at(9), None),
        ("till", "till:7", "record", ever, _at(8)),
    ]


def test_a_record_of_events_alone_is_there_while_it_belongs_to_somebody_known() -> None:
    moves = (("app", "us_a", "till:7", 8, None), ("web", "ck_b", "web:us_b", 8, None))
    found = _persons(bought=(("till", "7"),), moves=moves)
    assert [(row["source"], row["customer_id"], row["person_id"]) for row in found] == [
        ("app", "us_a", "till:7"),
        ("till", "7", "till:7"),
    ]
