"""`python -m benchmarks [NAME]`: measures, prints the previous figures beside the new, writes both pages of figures."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figure import Figures
from benchmarks.process import keep_to_two_cores
from benchmarks.report import LATEST, PAGE, beside, page

_BENCHMARKS = ("wheel", "profile", "increment", "segment", "effect", "collect", "loads", "live", "spark")


def main(arguments: list[str]) -> int:
    """Runs all benchmarks or the named one; gives 1 if a bar was missed or a benchmark failed."""
    unknown = [name for name in arguments if name not in _BENCHMARKS]
    if unknown:
        print(f"there is no benchmark '{unknown[0]}'; name one of {', '.join(_BENCHMARKS)}", file=sys.stderr)
        return 2
    before: Figures = json.loads(LATEST.read_text(encoding="utf-8")) if LATEST.exists() else {}
    keep_to_two_cores()
    latest, failed = dict(before), []
    new: Figures = {}
    for name in arguments or _BENCHMARKS:
        print(f"── {name}", file=sys.stderr, flush=True)
        found = _in_a_child(name)
        if found is None:
            failed.append(name)
            continue
        new |= found
        latest |= found
        # Kept after each, so that a later failure loses nothing that took long.
        LATEST.write_text(json.dumps(latest, indent=2) + "\n", encoding="utf-8")
        PAGE.write_text(page(latest), encoding="utf-8")
    print("\n".join(beside(new, before)))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or any(each["ok"] is False for each in new.values()) else 0


def _in_a_child(name: str) -> Figures | None:
    """The figures of a benchmark, measured in a process of its own so that no other's memory counts."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        done = subprocess.run([sys.executable, "-m", "benchmarks.child", name, str(file)], check=False)
        if done.returncode or not file.exists():
            return None
        found: Figures = json.loads(file.read_text(encoding="utf-8"))
        return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
