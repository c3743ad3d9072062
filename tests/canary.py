"""Planted phones, e-mails and names, and where they turn up."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pyarrow.parquet as pq

PHONES = ["13812345678", "13987654321", "18600001111", "15011112222"]
EMAILS = ["canary.one@example.com", "kanarie@vogel.cn"]
NAMES = ["欧阳金丝雀", "慕容知更鸟", "司徒画眉"]


def planted() -> list[bytes]:
    words = [*PHONES, *EMAILS, *NAMES]
    return [word.encode(encoding) for word in words for encoding in ("utf-8", "utf-16-le", "gb18030")]


def found_in(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for path in folder.rglob("*"):
        if not path.is_file() or folder / "in" in path.parents:
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += repr(pq.ParquetFile(path).read().to_pylist()).encode()
        found += [(str(path.relative_to(folder)), word) for word in planted() if word in content]
    return found


CONTROL = "control.plain"
LOOKED_FOR = 30.0
"""Seconds."""


@contextmanager
def watched(folder: Path) -> Iterator[set[tuple[str, bytes]]]:
    """Looks into every temporary file while something runs; at its end it must find one that is planted there."""
    seen: set[tuple[str, bytes]] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            for root, _, names in os.walk(folder):
                for name in names:
                    try:
                        content = (Path(root) / name).read_bytes()
                    except OSError:
                        continue
                    seen.update((name, word) for word in planted() if word in content)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
        _find_control(folder, seen)
    finally:
        stop.set()
        thread.join()
        seen.difference_update({found for found in seen if found[0] == CONTROL})


def _find_control(folder: Path, seen: set[tuple[str, bytes]]) -> None:
    control, was_there = folder / CONTROL, folder.is_dir()
    control.parent.mkdir(parents=True, exist_ok=True)
    control.write_text(PHONES[0], encoding="utf-8")
    end = monotonic() + LOOKED_FOR
    while (CONTROL, PHONES[0].encode()) not in seen:
        assert monotonic() < end, f"nothing planted in {folder} is found"
        sleep(0.005)
    control.unlink()
    if not was_there:
        folder.rmdir()
