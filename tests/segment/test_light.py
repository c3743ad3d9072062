"""Parts of a rule that move few people are left out, in whatever form they are written."""

import numpy as np
import pytest

from shopkeeper.segment.light import Mask, leaves, spread, without_light
from shopkeeper.segment.tree import All, Comparison, Leaf, Node, Not, Some

PEOPLE = 100
FEW = 10


def _leaf(name: str) -> Comparison:
    return Comparison(name, ">=", 1)


def _mask(*people: int) -> Mask:
    found = np.zeros(PEOPLE, dtype=np.bool_)
    found[list(people)] = True
    return found


BIG, HALF, ONE, SAME_ONE, ODD = (_leaf(name) for name in ("big", "half", "one", "same_one", "odd"))
MASKS: dict[Leaf, Mask] = {
    BIG: _mask(*range(60)),
    HALF: _mask(*range(50)),
    ONE: _mask(77),
    SAME_ONE: _mask(77),
    ODD: _mask(*range(1, PEOPLE, 2)),
}
EVERYONE = np.ones(PEOPLE, dtype=np.bool_)


def _settled(tree: Node) -> tuple[Node, int]:
    rest, chosen = without_light(tree, MASKS, EVERYONE, lambda moved: int(moved.sum()) < FEW)
    return rest, int(chosen.sum())


@pytest.mark.parametrize(
    "tree",
    [
        Some((BIG, ONE)),
        Some((BIG, ONE, SAME_ONE)),  # each alone changes nothing, both together one person
        Some((BIG, All((ODD, ONE)))),
        Some((All((BIG,)), Not(Not(ONE)))),
        Not(All((Not(BIG), Not(ONE)))),
        All((Some((BIG, ODD, ONE)), Some((BIG, ONE)))),
        All((Some((BIG, ONE)), Not(All((ONE, ODD))))),
    ],
    ids=str,
)
def test_a_person_joined_to_a_large_group_or_taken_from_it_changes_nothing(tree: Node) -> None:
    without = {ONE: _mask(), SAME_ONE: _mask()}
    rest, chosen = _settled(tree)
    assert chosen == 60
    assert ONE not in leaves(rest)
    _, other = without_light(tree, MASKS | without, EVERYONE, lambda moved: int(moved.sum()) < FEW)
    assert int(other.sum()) == chosen


def test_parts_that_move_many_stay_as_they_are() -> None:
    for tree in (All((BIG, ODD)), Some((HALF, ODD)), Not(BIG), All((Some((BIG, ODD)), Not(All((HALF, ODD)))))):
        rest, _ = _settled(tree)
        assert rest == (tree if isinstance(tree, All | Some) else All((tree,)))


def test_many_single_persons_are_nobody() -> None:
    singles = {Comparison("n", "=", number): _mask(number) for number in range(30)}
    tree = spread(Comparison("n", "in", tuple(range(30))))
    assert set(leaves(tree)) == set(singles)
    _, chosen = without_light(tree, singles, EVERYONE, lambda moved: int(moved.sum()) < FEW)
    assert not chosen.any()


def test_a_list_is_spread_into_its_values_and_its_opposite_too() -> None:
    one, two = Comparison("n", "=", 1), Comparison("n", "=", 2)
    assert spread(Not(Comparison("n", "in", (1, 2)))) == Not(Some((one, two)))
    assert spread(Comparison("n", "not in", (1, 2))) == All((Comparison("n", "!=", 1), Comparison("n", "!=", 2)))
