"""The whole wheel on Complete Journey, load to report, as `make demo ARGS=--no-serve` turns it."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.figure import Figures, figure
from benchmarks.process import measured

__all__ = ["CARDS", "run"]

CARDS = Path(__file__).with_name("cards.json")
"""The cards of the models that the wheel fitted, for the page of figures."""

_PROGRAM = Path(sys.executable).with_name("shopkeeper")
_SECONDS, _GIGABYTES = 90.0, 4.0
_FLOORS = {"auc": 0.82, "average_precision": 0.50, "top_tenth_rate": 0.55}
_UNITS = {"auc": "AUC", "average_precision": "average precision", "top_tenth_rate": "share who redeemed"}


def run() -> Figures:
    """Measures the process whole (imports included) and takes the response model's card from its report."""
    with tempfile.TemporaryDirectory(prefix="shopkeeper-wheel-") as folder:
        shop = str(Path(folder) / "shop")
        found = measured([str(_PROGRAM), "demo", "--no-serve", "--json", "--shop", shop])
    document = json.loads(found.output)
    print(f"wheel: {found.cpu_seconds:.0f} s of processor, {document['people']:,} people", file=sys.stderr)
    figures = {
        "wheel_seconds": figure(found.seconds, "s", bar=_SECONDS),
        "wheel_memory": figure(found.peak_gb, "GB", bar=_GIGABYTES),
    }
    CARDS.write_text(json.dumps(document["models"], indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if "response" in document["models"]:
        figures |= _of_response(document["models"]["response"])
    return figures


def _of_response(card: dict[str, Any]) -> Figures:
    """The model's figures beside the best of its baselines."""
    found = {}
    for name, floor in _FLOORS.items():
        best = max(baseline[name] for baseline in card["baselines"].values())
        found[f"response_{name}"] = figure(card["metrics"][name], _UNITS[name], against=best, bar=floor, at_least=True)
    return found
