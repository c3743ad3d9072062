"""What a process did to its files, and when it acknowledged, as strace recorded it."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Did", "can_trace", "did", "tracing"]

_CALLS = "openat,open,creat,pwrite64,write,ftruncate,fsync,fdatasync,unlink,unlinkat"
_LONGEST = 1_000_000
_LINE = re.compile(r"^(\d+) +(.*)$")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)", re.DOTALL)
_FD = re.compile(r"^\d+<([^>]*)>")


@dataclass(frozen=True, slots=True)
class Did:
    """One thing done.

    Args:
        what: `create`, `write`, `truncate`, `unlink`, `sync` or `failed sync` (of folders too), or `said` (to standard
            output).
        path: The file or folder.
        at: Where it was written; the size for `truncate`.
        data: What was written or said.
    """

    what: str
    path: str
    at: int = 0
    data: bytes = b""


def can_trace() -> str | None:
    """Why processes cannot be traced here; None if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else "strace may not trace here"


def tracing(output: Path, *, failing_from: int | None = None) -> Sequence[str]:
    """What stands before a command to have it traced.

    Args:
        output: The file of the trace.
        failing_from: From so many syncs of a thread on, each fails with EIO.
    """
    inject = [] if failing_from is None else ["-e", f"inject=fsync,fdatasync:error=EIO:when={failing_from}+"]
    return [
        "strace",
        "-f",
        "-qq",
        "-y",
        "-xx",
        "-s",
        str(_LONGEST),
        "-e",
        f"trace={_CALLS}",
        *inject,
        "-o",
        str(output),
    ]


def did(trace: Path) -> Iterator[Did]:
    """Reads a trace: what was done, in the order in which it was done."""
    begun: dict[str, str] = {}
    with trace.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            found = _LINE.match(line)
            if found is None:
                continue
            thread, text = found.groups()
            if text.endswith("<unfinished ...>"):
                begun[thread] = text.removesuffix("<unfinished ...>").rstrip()
                continue
            if resumed := _RESUMED.match(text):
                text = begun.pop(thread, "") + resumed.group(1)
            if call := _CALL.match(text):
                yield from _done(call.group(1), call.group(2), int(call.group(3)))


def _done(call: str, arguments: str, result: int) -> Iterator[Did]:
    if call in ("fsync", "fdatasync"):
        yield Did("sync" if result == 0 else "failed sync", _fd(arguments))
    elif result < 0:
        return
    elif call == "pwrite64":
        start, end = arguments.index('"') + 1, arguments.rindex('"')
        at = int(arguments[end + 1 :].split(",")[2])
        yield Did("write", _fd(arguments), at, _bytes(arguments[start:end])[:result])
    elif call == "write" and arguments.startswith("1<"):
        start, end = arguments.index('"') + 1, arguments.rindex('"')
        yield Did("said", "", 0, _bytes(arguments[start:end])[:result])
    elif call == "ftruncate":
        yield Did("truncate", _fd(arguments), int(arguments.rsplit(",", 1)[1]))
    elif call in ("unlink", "unlinkat"):
        start, end = arguments.index('"') + 1, arguments.rindex('"')
        yield Did("unlink", _bytes(arguments[start:end]).decode())
    elif call in ("openat", "open", "creat") and ("O_CREAT" in arguments or call == "creat"):
        start, end = arguments.index('"') + 1, arguments.rindex('"')
        yield Did("create", _bytes(arguments[start:end]).decode())


def _fd(arguments: str) -> str:
    found = _FD.match(arguments)
    return _bytes(found.group(1)).decode(errors="replace") if found else ""


def _bytes(text: str) -> bytes:
    """The bytes that strace wrote each by its number; a name that it left in plain letters is taken as it is."""
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()
