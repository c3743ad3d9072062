"""Rekeys a shop and kills itself on the way: `python killed_rekey.py FOLDER MODULE FUNCTION CALL`."""

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from shopkeeper.app.rekey import rekey


def main(folder: str, module: str, function: str, call: int) -> None:
    place = importlib.import_module(module)
    whole, calls = getattr(place, function), 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        done = whole(*arguments, **named)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(place, function, counted)
    rekey(Path(folder), by="killed")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
