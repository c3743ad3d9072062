"""A worker that reads a log into live state, to be killed: `python -m tests.app.live_writer FOLDER`."""

import sys
from pathlib import Path

from tests.app.test_live import reader_of

if __name__ == "__main__":
    reader, log, store = reader_of(Path(sys.argv[1]))
    while store.position() < log.end():
        reader.step()
        sys.stdout.write(f"{store.position()}\n")
        sys.stdout.flush()
