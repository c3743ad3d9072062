"""Live evaluation gives for every person what the SQL gives for all, on random histories."""

from bisect import bisect_left
from datetime import timedelta
from decimal import Decimal
from operator import ge

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from shopkeeper.base.clock import end_of_day, microseconds
from shopkeeper.segment import live_act
from shopkeeper.segment.compile import members
from shopkeeper.segment.line import parse
from shopkeeper.segment.live import live_audience
from shopkeeper.segment.live_act import _span
from shopkeeper.segment.live_trait import LIVE_TRAITS
from shopkeeper.segment.tree import Node
from shopkeeper.segment.view import View
from tests.segment import strategies
from tests.segment.conftest import Shop
from tests.segment.live_world import (
    LIVE,
    Lived,
    ground_of,
    last_profile,
    live_trees,
    lived,
    of_batch_traits,
    person_of,
    profiled,
    trait_trees,
)
from tests.segment.oracle import Row, World
from tests.segment.strategies import AS_OF, shared_trees


def _settings(examples: int) -> settings:
    # Nothing is shrunk: a world is some hundred values, each a round through the database.
    phases = [Phase.explicit, Phase.generate]
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), phases=phases)


def _agree(shop: Shop, found: Lived, before: dict[str, Row], trees: list[Node]) -> None:
    """Holds live answers at the last microsecond of the day against the SQL over what the shop was filled with."""
    world, ground = found.world, ground_of(found.world)
    now = microseconds(end_of_day(AS_OF, world.time_zone)) - 1
    views = {who: View(person_of(world, who, known), now, ground) for who, known in before.items()}
    for tree in trees:
        batch = {who for (who,) in shop.rows(members(tree, AS_OF, ground.catalogue).sql(pretty=False))}
        audience = live_audience(tree, ground)
        for who, asked in views.items():
            assert audience.holds(asked) is (who in batch), (who, tree)


def _without_live_traits(shop: Shop, found: Lived, trees: list[Node]) -> None:
    shop.fill(found.world)
    _agree(shop, found, {row["person_id"]: row for row in found.world.of("profile")}, trees)


_behaving = (live_trees | shared_trees).filter(of_batch_traits)


@_settings(45)
@given(found=lived(), trees=st.lists(_behaving, min_size=3, max_size=6))
def test_live_and_batch_agree(shop: Shop, found: Lived, trees: list[Node]) -> None:
    _without_live_traits(shop, found, trees)


@_settings(6)
@given(found=lived(), trees=st.lists(trait_trees, min_size=20, max_size=30))
def test_traits_since_the_last_run_are_those_of_the_next(shop: Shop, found: Lived, trees: list[Node]) -> None:
    before = last_profile(shop, found)
    after = profiled(shop, found.world, AS_OF)
    _agree(shop, found, {who: row for who, row in before.items() if who in after}, trees)


_sequels = st.lists(strategies._sequels, min_size=8, max_size=12)
_counts = st.lists(strategies.behaviours, min_size=8, max_size=12)


@pytest.mark.parametrize(
    ("name", "planted", "trees"),
    [
        ("bisect_right", bisect_left, _sequels),  # what happens at the same instant follows
        ("_span", lambda window, today: _span(window, today - 1), _counts),  # today is not seen
        ("_OPERATORS", {**live_act._OPERATORS, ">": ge}, _counts),  # more than is at least
    ],
    ids=["same instant", "window", "operator"],
)
def test_planted_faults_are_found(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str, planted: object, trees: st.SearchStrategy[list[Node]]
) -> None:
    """The control: the comparison above does not hold for an evaluator with one thing wrong."""
    monkeypatch.setattr(live_act, name, planted)

    # Of ten seeds this one finds all three soonest; others take up to a hundred worlds.
    @seed(8)
    @settings(_settings(200))
    @given(found=lived(), several=trees)
    def compare(found: Lived, several: list[Node]) -> None:
        _without_live_traits(shop, found, several)

    with pytest.raises((AssertionError, BaseExceptionGroup)):
        compare()


def test_what_follows_after_midnight_may_be_of_the_business_day_before(shop: Shop) -> None:
    """Viewed at ten past midnight, bought at half past: with a cut-over the line is of yesterday's business day."""
    midnight = end_of_day(AS_OF - timedelta(days=1), "UTC")
    line = {
        "line_no": 1, "source": "till", "customer_id": "1", "order_id": "a", "store_id": "s1", "channel": None,
        "product_id": "g1", "ordered_at": midnight + timedelta(minutes=30), "business_day": AS_OF - timedelta(days=1),
        "quantity": Decimal(1), "net_amount": Decimal(1), "coupon_discount": None,
    }  # fmt: skip
    event = {
        "source": "web", "message_id": "1", "type": "track", "name": "view", "user_id": "t1", "anonymous_id": None,
        "occurred_at": midnight + timedelta(minutes=10), "received_at": midnight, "product_id": None, "value": None,
    }  # fmt: skip
    person = {"source": "till", "customer_id": "1", "person_id": "p1", "method": "own", "valid_to": None}
    token = {"kind": "cookie", "token": "t1", "source": "till", "customer_id": "1"}
    rows = {"profile": [{"person_id": "p1"}], "order_line": [line], "event": [event]}
    world = World(AS_OF, rows={**rows, "person": [person], "identifier": [token]})
    trees = [parse(f'did event "view" in last 1 days then {word} within 1 days') for word in ("bought", "not bought")]
    _without_live_traits(shop, Lived(world, AS_OF, frozenset()), trees)
    ground = ground_of(world)
    view = View(person_of(world, "p1", {}), microseconds(world.end) - 1, ground)
    assert live_audience(trees[0], ground).holds(view)


def test_every_live_trait_is_worked_out() -> None:
    assert set(LIVE_TRAITS) == set(LIVE)
