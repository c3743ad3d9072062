"""Every table of the dictionary that names a person is reached, and only as far as the books allow."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from shopkeeper.privacy.reach import KEPT_FACTS, Traces, emptied, where_of
from shopkeeper.schema.table import Column, Privacy, Table, Type
from shopkeeper.schema.tables import TABLES
from tests.toy import Toy

MINE = Traces(("till:1", "app:9"), (("till", "1"), ("app", "9")), ("ph_mine",))
NAMES_NOBODY = {"refused", "staff", "quality_check"}
"""Refused rows are found by their bodies, samples of checks by their text; staff are no customers."""


def _personal(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.privacy is not Privacy.PUBLIC]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_that_names_persons_is_reached(name: str) -> None:
    table = TABLES[name]
    if not _personal(table) or name in NAMES_NOBODY:
        assert where_of(table) is None
        return
    assert where_of(table) is not None, f"nothing reaches {_personal(table)} of {name}"


@pytest.mark.parametrize("name", sorted(KEPT_FACTS))
def test_a_fact_that_stays_loses_the_person_and_no_key(name: str) -> None:
    table = TABLES[name]
    assert emptied(table)
    for column in emptied(table):
        assert not table.column(column).required
        assert column not in table.key
    left = set(_personal(table)) - set(emptied(table)) - {"cashier_id"}
    assert not left, f"{left} of {name} would still name the person"


def test_a_table_declared_later_is_reached_by_its_columns() -> None:
    table = Table("later", "x", (Column("person_id", Type.STRING, "It", privacy=Privacy.PERSON),), ("person_id",))
    assert where_of(table) is not None
    assert emptied(table) == ()


ROWS: list[tuple[str, Mapping[str, Any], bool]] = [
    ("order_line", {"source": "till", "customer_id": "1"}, True),
    ("order_line", {"source": "app", "customer_id": "1"}, False),  # another source's customer of the same id
    ("order_line", {"source": "till", "customer_id": None}, False),
    ("interaction", {"source": None, "customer_id": "9"}, True),
    ("interaction", {"source": "till", "customer_id": "9"}, False),
    ("touch", {"person_id": "app:9"}, True),
    ("touch", {"customer_id": "1"}, True),
    ("touch", {"person_id": "app:8"}, False),
    ("exposure", {"unit": "till:1"}, True),
    ("exposure", {"unit": "store 1"}, False),
    ("identity_edge", {"left_token": "ck_other", "right_token": "ph_mine"}, True),
    ("event", {"user_id": "ph_mine"}, True),
    ("event", {"anonymous_id": "ck_other", "group_id": "ph_mine"}, False),
    ("identifier", {"source": "till", "customer_id": "2", "token": "ph_theirs"}, False),
]


@pytest.mark.parametrize(("name", "row", "is_mine"), ROWS)
def test_the_person_s_rows_are_found_and_no_others(name: str, row: Mapping[str, Any], *, is_mine: bool) -> None:
    toy = Toy()
    schema = pa.schema([(column, pa.string()) for column in row])
    toy.fill(name, pa.Table.from_pylist([dict(row)], schema=schema))
    for given, rows in MINE.given().items():
        toy.con.register(given, rows)
    where = where_of(TABLES[name])
    assert toy.con.sql(f"SELECT count(*) FROM {name} WHERE {where}").fetchall() == [(int(is_mine),)]
