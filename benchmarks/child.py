"""Runs one benchmark in this process and writes its figures: `python -m benchmarks.child NAME FILE`."""

import json
import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    _, name, file = sys.argv
    Path(file).write_text(json.dumps(import_module(f"benchmarks.{name}").run()), encoding="utf-8")
