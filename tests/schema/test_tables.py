from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.errors import MissingError
from shopkeeper.schema.table import Column, Partition, Table, TableKind, Type
from shopkeeper.schema.tables import TABLES, table

RESERVED = {"at", "order", "end", "start", "select", "from", "where", "group", "user", "table", "desc", "asc", "limit"}


@pytest.mark.parametrize("declared", TABLES.values(), ids=lambda declared: declared.name)
def test_names_are_plain_and_no_reserved_word(declared: Table) -> None:
    for name in (declared.name, *declared.column_names):
        assert name.isidentifier()
        assert name == name.lower()
        assert name not in RESERVED


@pytest.mark.parametrize("declared", TABLES.values(), ids=lambda declared: declared.name)
def test_every_table_and_column_says_what_it_means(declared: Table) -> None:
    assert declared.meaning
    assert declared.key
    for column in declared.columns:
        assert column.meaning.strip()
        if column.type is Type.NUMBER:
            assert column.unit, f"{declared.name}.{column.name} has no unit"


@pytest.mark.parametrize("declared", TABLES.values(), ids=lambda declared: declared.name)
def test_a_fact_is_known_by_required_columns(declared: Table) -> None:
    if declared.kind is TableKind.FACT and declared.name != "promotion":
        assert all(declared.column(name).required for name in declared.key if name != "campaign_id")


def test_an_unknown_table_or_column_names_the_next_command() -> None:
    with pytest.raises(MissingError, match="shopkeeper table list"):
        table("nothere")
    with pytest.raises(MissingError, match="shopkeeper table describe store"):
        table("store").column("nothere")


def test_a_wrong_table_cannot_be_declared() -> None:
    column = Column("a", Type.STRING, "a")
    with pytest.raises(ValueError, match="twice"):
        Table("t", "t", (column, column), ("a",))
    with pytest.raises(ValueError, match="no column b"):
        Table("t", "t", (column,), ("b",))
    with pytest.raises(ValueError, match="go together"):
        Table("t", "t", (column,), ("a",), partition=Partition.DAY)


@given(st.dates(date(1950, 1, 1), date(2100, 12, 31)), st.sampled_from([Partition.DAY, Partition.MONTH]))
def test_a_day_lies_in_the_part_of_its_number(day: date, partition: Partition) -> None:
    number = partition.number(day)
    assert partition.first_day(number) <= day < partition.first_day(number + 1)
    assert Partition.MONTH.number(date(1970, 1, 31)) == Partition.DAY.number(date(1970, 1, 1)) == 0
