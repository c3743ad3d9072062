"""A worker that reads a log into live state, to be killed: `python -m tests.app.live_writer FOLDER`."""

import sys
from pathlib import Path

from tests.app.test_live import reading

if __name__ == "__main__":
    with reading(Path(sys.argv[1])) as (reader, log, store):
        while store.position() < log.end():
            reader.step()
            sys.stdout.write(f"{store.position()}\n")
            sys.stdout.flush()
