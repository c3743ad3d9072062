"""A program run and measured whole: its wall time, its processor time and the most memory it held."""

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CORES", "Measured", "keep_to_two_cores", "measured"]

CORES = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process took.

    Args:
        seconds: From start to end, imports included.
        cpu_seconds: Processor time, in the program and in the system, its own children included.
        peak_gb: The most memory it held resident at a time, in GB (10^9 bytes).
        output: What it wrote to standard output.
    """

    seconds: float
    cpu_seconds: float
    peak_gb: float
    output: str


def keep_to_two_cores() -> None:
    """Keeps this process and its children on two cores, so that larger machines measure the same thing."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[:CORES])


def measured(command: Sequence[str]) -> Measured:
    """Runs a program to its end.

    The caller must be small itself: until a child has loaded its program the system counts the caller's memory as its.

    Raises:
        RuntimeError: It failed.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        return Measured(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9, output.read())
