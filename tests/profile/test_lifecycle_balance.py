from datetime import date, timedelta
from typing import Any

import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkeeper.profile.cuts import LifecycleCuts
from shopkeeper.profile.lifecycle_balance import SPANS, lifecycle_balance
from tests.profile.toy import AS_OF, STEPS, Row, ask, computed, line, shop

CUTS = LifecycleCuts(version="toy", new_days=3, sleeping_days=9, lapsed_days=20)
QUERY = lifecycle_balance(as_of=AS_OF, lifecycle=CUTS)


def _balance(*visits: tuple[str, int, str]) -> dict[tuple[str, int], Row]:
    lines = [
        line(who, AS_OF - timedelta(days=ago), store_id=store, order=f"{number}")
        for number, (who, ago, store) in enumerate(visits)
    ]
    rows = ask(QUERY, computed(shop(lines), STEPS[:4])).to_pylist()
    return {(row["store_id"], row["days"]): row for row in rows}


def _moves(row: Row) -> list[int]:
    return [row[name] for name in ("opening", "new", "recalled", "sleeping", "lapsed", "closing")]


def test_each_move_is_seen() -> None:
    stays, joins, wakes = ("stays", 8, "a"), ("joins", 1, "a"), ("wakes", 2, "a")
    found = _balance(stays, joins, wakes, ("wakes", 60, "a"), ("dozes", 15, "a"), ("gone", 30, "a"), ("goes", 10, "a"))
    assert _moves(found["a", 7]) == [3, 1, 1, 2, 0, 3], "stays, dozes and goes open; joins; wakes; dozes and goes sleep"
    assert _moves(found["a", 30]) == [1, 4, 1, 2, 1, 3], "only gone opens and lapses; dozes and goes come and sleep"
    assert found["a", 7]["lifecycle_version"] == "toy"


def test_the_home_store_is_that_of_the_last_visit() -> None:
    found = _balance(("p", 5, "a"), ("p", 1, "c"), ("p", 1, "b"))
    assert {store for store, _ in found} == {"b"}


def test_left_out_kinds_are_visits_and_returns_are_none() -> None:
    lines = [line("smoker", date(2024, 6, 29), "smoke"), line("returner", date(2024, 6, 29), quantity=-1)]
    rows = ask(QUERY, computed(shop(lines), STEPS[:4])).to_pylist()
    assert [(row["days"], row["closing"]) for row in sorted(rows, key=lambda row: row["days"])] == [
        (days, 1) for days in SPANS
    ]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("pqrstu"), st.integers(0, 400), st.sampled_from("ab")), max_size=30))
def test_the_balance_holds_and_nobody_is_lost(visits: list[Any]) -> None:
    found = _balance(*visits)
    for row in found.values():
        opening, new, recalled, sleeping, lapsed, closing = _moves(row)
        assert opening + new + recalled - sleeping - lapsed == closing
    last = {who: min(ago for each, ago, _ in visits if each == who) for who, _, _ in visits}
    for days in SPANS:
        closing = sum(row["closing"] for (_, span), row in found.items() if span == days)
        assert closing == sum(ago <= CUTS.sleeping_days for ago in last.values())


def test_its_columns_are_the_declared_ones() -> None:
    table = ask(QUERY, {})
    assert table.num_rows == 0
    assert pc.count(table["closing"]).as_py() == 0
