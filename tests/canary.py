"""Planted phones, e-mails and names, and where they turn up."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def watched(folder: Path) -> Iterator[set[tuple[str, bytes]]]:
    """Looks into every temporary file while something runs."""
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
    finally:
        stop.set()
        thread.join()
