"""Starting and stopping the writer processes of the tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shopkeeper.storage.lake import Lake

ROOT = Path(__file__).parents[2]
WRITER = Path(__file__).with_name("writer.py")


@contextmanager
def writers(
    lake: Lake, *commands: tuple[str, ...], before: tuple[str, ...] = ()
) -> Iterator[list[subprocess.Popen[str]]]:
    """Starts writers, waits until all are ready, and kills what is left of them at the end."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    started = [
        subprocess.Popen(
            [*before, sys.executable, str(WRITER), str(lake.location), *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
        )
        for command in commands
    ]  # fmt: skip
    try:
        for process in started:
            assert line(process) == "ready"
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def go(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def output(process: subprocess.Popen[str]) -> list[str]:
    """What a process that ends by itself still says."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return said.split()
