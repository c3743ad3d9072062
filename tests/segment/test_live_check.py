"""What can run live, how much history it needs, and what it hears of."""

from dataclasses import replace
from datetime import date

import pytest

from shopkeeper.schema.trait import Liveness
from shopkeeper.schema.traits import TRAITS
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.line import parse
from shopkeeper.segment.live_check import cannot_run_live, history_days, reads

_DAY = date(2026, 3, 10)


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("recency_days > 60 and bought in last 400 days", []),
        ('city = "Bern" and consents to "marketing" by "sms" and decile "response" >= 9', []),
        ("bought ever", ["window"]),
        ("bought until 2026-01-01", ["window"]),
        ("bought in last 401 days", ["window"]),
        ("bought since 2025-02-04", []),
        ("bought since 2025-02-03", ["window"]),
        ('recency_days > 1 and (not did event "view" or bought)', ["all[1].any[0].not.window", "all[1].any[1].window"]),
        ('did event "view" then not bought within 7 days', ["first.window"]),
        ('did event "view" in last 30 days then not bought within 7 days', []),
    ],
)  # fmt: skip
def test_what_cannot_run_live_is_named_by_its_path(line: str, paths: list[str]) -> None:
    faults = cannot_run_live(parse(line), _DAY)
    assert [fault.path for fault in faults] == paths
    assert all(fault.said("zh") != fault.said("en") and "400" in fault.said("zh") for fault in faults)


def test_a_trait_of_another_table_cannot_run_live() -> None:
    elsewhere = replace(TRAITS["city"], table="score")
    (fault,) = cannot_run_live(parse('not city = "Bern"'), _DAY, Catalogue(traits={"city": elsewhere}))
    assert fault.path == "not.trait"
    assert "'score'" in fault.message


def test_a_segment_that_means_its_rule_is_looked_into() -> None:
    catalogue = Catalogue(by_rule={"old": parse("bought ever")})
    assert [
        fault.path for fault in cannot_run_live(parse('recency_days > 1 or in segment "old"'), _DAY, catalogue)
    ] == ["any[1].window"]
    assert reads(parse('in segment "old"'), catalogue) == {"order_line"}
    assert reads(parse('in segment "old"')) == {"segment:old"}


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ('city = "Bern"', 1),
        ("orders_90d > 1 and bought in last 30 days", 90),
        ("rfm_class = 'champions'", 365),
        ("bought since 2026-03-01", 10),
        ('did event "view" in last 7 days then bought within 3 days', 7),
    ],
)
def test_history_is_as_long_as_the_longest_window(line: str, days: int) -> None:
    assert history_days(parse(line), _DAY) == days


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('city = "Bern"', {"profile"}),
        ("recency_days > 1", {"profile", "order_line"}),
        ('did event "view" in last 7 days', {"event:view"}),
        ('did event in ("view", "cart") store "1" in last 7 days', {"event:view", "event:cart"}),
        ("did event != 'view' in last 7 days", {"event"}),
        ("did store '1' in last 7 days then not bought within 1 days", {"event", "order_line"}),
        ('redeemed at least 1 times in last 9 days or consents to "a" by "sms"', {"redemption", "consent"}),
        ('score "churn" > 0.5 and within 5 km of store "1"', {"score", "profile"}),
    ],
)
def test_an_audience_hears_of_what_it_reads(line: str, words: set[str]) -> None:
    assert reads(parse(line)) == words


def test_the_catalogue_says_what_live_traits_need() -> None:
    assert all((found.live_days > 0) is (found.liveness is Liveness.LIVE) for found in TRAITS.values())
