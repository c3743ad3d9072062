"""A day's increment gives the rows of a full rebuild: late, corrected, withdrawn lines, a later day, dearer goods."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkeeper.identity.person import person
from shopkeeper.profile.basket import basket
from shopkeeper.profile.coverage import coverage
from shopkeeper.profile.person_habit import person_habit
from shopkeeper.profile.product_fact import product_fact
from shopkeeper.profile.profile import profile
from shopkeeper.schema.tables import TABLES
from tests.profile.toy import AS_OF, PRODUCTS, ZONE, Row, Tables, arrow, ask, ask_step, computed, line, shop

NEXT = AS_OF + timedelta(days=1)
DERIVED = ("product_fact", "basket", "person", "person_habit", "profile")


def _steps(as_of: date) -> Any:
    return (
        (product_fact, {"as_of": as_of}),
        (basket, {"time_zone": ZONE}),
        (person, {}),
        (person_habit, {"as_of": as_of}),
        (profile, {"as_of": as_of, "time_zone": ZONE}),
    )


def _line(drawn: tuple[str | None, int, str, int, int]) -> Row:
    who, ago, goods, amount, order = drawn
    quantity = Decimal(-1) if amount < 0 else Decimal(1)
    return line(who, NEXT - timedelta(days=ago), goods, amount, order=str(order), quantity=quantity)


lines = st.dictionaries(
    st.integers(0, 60),
    st.tuples(
        st.sampled_from(["a", "b", "c", "d", None]),
        st.integers(0, 100),
        st.sampled_from([*(row["product_id"] for row in PRODUCTS), "nobody knows"]),
        st.integers(-9, 99),
        st.integers(0, 15),
    ).map(_line),
    max_size=25,
)


def _numbered(drawn: dict[int, Row]) -> list[Row]:
    return [{**row, "line_no": number} for number, row in drawn.items()]


def _sorted(table: pa.Table, name: str) -> list[Row]:
    rows: list[Row] = table.to_pylist()
    return sorted(rows, key=lambda row: [str(row[key]) for key in TABLES[name].key])


def _changed_people(old: Tables, new: Tables, days: set[date], products: set[str]) -> list[str]:
    found = set()
    for tables, who in ((old, old["person"]), (new, new["person"])):
        names = {(row["source"], row["customer_id"]): row["person_id"] for row in who.to_pylist()}
        for row in tables["order_line"].to_pylist():
            if row["customer_id"] is not None and (row["business_day"] in days or row["product_id"] in products):
                found.add(names[row["source"], row["customer_id"]])
    return sorted(found)


def _increment(old: Tables, new: Tables, as_of: date, seen: set[date]) -> Tables:
    """What `app` does: facts of changed days and habits of changed people again, the rest as it was."""
    before, after = (_rows(table["order_line"]) for table in (old, new))
    days = {day for day, _ in before ^ after}
    goods = ask_step(product_fact, new, as_of=as_of)
    products = {dict(row)["product_id"] for row in _rows(old["product_fact"], None) ^ _rows(goods, None)}
    days |= {row["business_day"] for row in new["order_line"].to_pylist() if row["product_id"] in products}
    new = {**new, "product_fact": goods}
    again = ask(basket(time_zone=ZONE, days=sorted(days)), new) if days else old["basket"].slice(0, 0)
    kept = old["basket"].filter(pc.invert(pc.is_in(old["basket"]["business_day"], pa.array(sorted(days), pa.date32()))))
    new["basket"] = pa.concat_tables([kept, again.select(kept.column_names).cast(kept.schema)])
    new["person"] = ask_step(person, new)
    people = pa.array(_changed_people(old, new, days | seen, products), pa.string())
    chosen = {**new, "changed_person": pa.table({"person_id": people})}
    changed = ask_step(person_habit, chosen, as_of=as_of, changed=True)
    kept = old["person_habit"].filter(pc.invert(pc.is_in(old["person_habit"]["person_id"], people)))
    new["person_habit"] = pa.concat_tables([kept, changed.select(kept.column_names).cast(kept.schema)])
    new["profile"] = ask_step(profile, new, as_of=as_of, time_zone=ZONE)
    return new


def _rows(table: pa.Table, day: str | None = "business_day") -> set[Any]:
    """The rows of a table as a set, with the business day in front for lines."""
    rows = table.to_pylist()
    if day is None:
        return {tuple(row.items()) for row in rows}
    return {(row[day], tuple(str(value) for value in row.values())) for row in rows}


@settings(max_examples=15)
@given(lines, lines, st.sets(st.integers(0, 60)), st.booleans(), st.booleans())
def test_an_increment_is_a_full_rebuild(
    first: dict[int, Row], more: dict[int, Row], withdrawn: set[int], dearer: bool, later: bool
) -> None:
    old = computed(shop(_numbered(first), [{"customer_id": "a"}, {"customer_id": "z"}]), _steps(AS_OF))
    then = {number: row for number, row in {**first, **more}.items() if number not in withdrawn}
    goods = [{**row, "list_price": Decimal(99)} if dearer and row["product_id"] == "milk" else row for row in PRODUCTS]
    new = shop(_numbered(then), [{"customer_id": "a", "city": "杭州"}, {"customer_id": "z"}], goods)
    as_of = NEXT if later else AS_OF
    step_by_step, whole = _increment(old, new, as_of, {NEXT} if later else set()), computed(new, _steps(as_of))
    for name in DERIVED:
        assert _sorted(step_by_step[name], name) == _sorted(whole[name], name), name


@given(lines, st.sets(st.integers(0, 100), min_size=1, max_size=5))
def test_a_day_of_coverage_is_that_day_of_the_whole(drawn: dict[int, Row], ago: set[int]) -> None:
    tables = shop(_numbered(drawn))
    days = [NEXT - timedelta(days=each) for each in ago]
    whole = ask_step(coverage, tables, time_zone=ZONE)
    some = ask(coverage(time_zone=ZONE, days=days), tables)
    wanted = [row for row in _sorted(whole, "coverage") if row["business_day"] in days]
    assert _sorted(some, "coverage") == wanted
    assert arrow(TABLES["coverage"], wanted).num_rows == some.num_rows
