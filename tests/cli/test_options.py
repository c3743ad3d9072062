"""Progress is shown to a person at a terminal, on standard error, and to nobody else."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Says

RUN = "from shopkeeper.cli.main import entry; entry()"
LONG = [
    ["check"],
    ["report"],
    ["backup", "{place}/copy.tar"],
    ["table", "export", "order_line", "{place}/lines.parquet"],
    ["segment", "count", "rising"],
]


@pytest.mark.parametrize("command", LONG, ids=lambda command: command[0])
def test_what_may_take_long_shows_a_bar_at_a_terminal(command: list[str], shop_folder: Path, tmp_path: Path) -> None:
    given = [word.format(place=tmp_path) for word in command]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *given, "--shop", str(shop_folder)],
        stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(theirs)
        said = b""
        while chunk := _read(ours):
            said += chunk
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert b"0:00:0" in said
    assert b"0:00:0" not in out


def _read(end: int) -> bytes:
    try:
        return os.read(end, 65536)
    except OSError:  # the other end is closed
        return b""


def test_no_bar_where_nobody_looks(says: Says, tmp_path: Path) -> None:
    said = says("table", "export", "order_line", str(tmp_path / "lines.csv"), "--json")
    assert (said.code, said.err) == (0, "")
