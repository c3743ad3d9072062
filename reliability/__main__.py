"""`python -m reliability [SUITE]`: tries whether the log holds, prints the figures, writes both pages of them."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import Figures
from reliability.page import page
from reliability.suites import SUITES
from reliability.trace import can_trace

_ROOT = Path(__file__).parent.parent
_FIGURES = _ROOT / "benchmarks" / "reliability.json"
_PAGE = _ROOT / "docs" / "reliability.md"
_TRACED = ("cuts", "failing_sync")


def main(arguments: list[str]) -> int:
    """Runs all suites or the named one; gives 1 if a promise was broken or a control found nothing."""
    unknown = [name for name in arguments if name not in SUITES]
    if unknown:
        print(f"there is no suite '{unknown[0]}'; name one of {', '.join(SUITES)}", file=sys.stderr)
        return 2
    latest: Figures = json.loads(_FIGURES.read_text(encoding="utf-8")) if _FIGURES.exists() else {}
    kept = True
    for name in arguments or SUITES:
        if name in _TRACED and (reason := can_trace()):
            print(f"── {name}: not run, {reason}", file=sys.stderr)
            kept = False
            continue
        print(f"── {name}", file=sys.stderr, flush=True)
        found = SUITES[name]()
        latest = {each: figure for each, figure in latest.items() if not each.startswith(f"{name}_")} | found
        for each, figure in found.items():
            mark = {True: "✓", False: "✗ broken", None: ""}[figure["ok"]]
            print(f"{each:<32} {figure['value']:>12,.0f} {figure['unit']} {mark}".rstrip(), flush=True)
            kept = kept and figure["ok"] is not False
        _FIGURES.write_text(json.dumps(latest, indent=2) + "\n", encoding="utf-8")
        _PAGE.write_text(page(latest, on=datetime.now(UTC).date()), encoding="utf-8")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
