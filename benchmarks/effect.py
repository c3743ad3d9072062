"""Whether the effect of a confounded campaign is found, and a hidden confounder noticed, on ten made-up chains each."""

import sys
import tempfile
from pathlib import Path

from benchmarks.figure import Figures, figure
from shopkeeper.experiment.effect import DO_NOT_BELIEVE, effect
from tests.experiment.planted import CAMPAIGN, planted

__all__ = ["run"]

_SEEDS = range(1, 11)
_LEAST = 8


def run() -> Figures:
    """Counts seeds: 95 % intervals that cover the planted effect, and placebos that fail when they must."""
    balanced = naive = doubted = noticed = 0
    for seed in _SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            rows, truth = planted(Path(folder), seed, targeting="confounded")
        found = effect(rows, CAMPAIGN)
        balanced += found.value.low <= truth <= found.value.high
        naive += found.naive.low <= truth <= found.naive.high
        doubted += found.verdict == DO_NOT_BELIEVE
        with tempfile.TemporaryDirectory() as folder:
            rows, _ = planted(Path(folder), seed, targeting="confounded", hidden=True)
        noticed += effect(rows, CAMPAIGN).verdict == DO_NOT_BELIEVE
        print(f"effect: seed {seed}: planted {truth:.2f}, found {found.value}", file=sys.stderr)
    return {
        "effect_covered": figure(balanced, "seeds of 10", against=naive or None, bar=_LEAST, at_least=True),
        "effect_covered_naive": figure(naive, "seeds of 10"),
        "effect_doubted_wrongly": figure(doubted, "seeds of 10"),
        "effect_hidden_confounder_noticed": figure(noticed, "seeds of 10", bar=_LEAST, at_least=True),
    }
