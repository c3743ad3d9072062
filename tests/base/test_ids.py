from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.ids import derived_id, new_id


def test_new_ids_differ_and_sort_by_time() -> None:
    ids = [new_id("user") for _ in range(200)]
    assert len(set(ids)) == 200
    assert [each[:15] for each in ids] == sorted(each[:15] for each in ids)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=3), st.lists(st.text(max_size=8), min_size=1, max_size=3))
def test_derived_ids_are_equal_only_for_equal_parts(left: list[str], right: list[str]) -> None:
    same = "\x1f".join(left) == "\x1f".join(right)
    assert (derived_id("p", *left) == derived_id("p", *right)) == same
