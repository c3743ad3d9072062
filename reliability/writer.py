"""A process that writes a log: `python -m reliability.writer FILE SOCKET KIND [WAITING_BYTES]`; it says `ready`."""

import sys
from pathlib import Path

from reliability.kinds import KINDS
from shopkeeper.storage.log_service import Limits, run_log


def main(file: str, place: str, kind: str, waiting_bytes: str = "67108864") -> None:
    """Writes until it is told to stop."""
    limits = Limits(waiting_bytes=int(waiting_bytes))
    run_log(Path(file), Path(place), limits=limits, ready=lambda: print("ready", flush=True), opened=KINDS[kind])


if __name__ == "__main__":
    main(*sys.argv[1:])
