"""JSON lines: one object a line, nested objects as `outer.inner`."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from shopkeeper.collect.reader import BATCH_ROWS, Batch, Broken, File, existing, text_batch
from shopkeeper.collect.sniff import open_bytes

__all__ = ["JsonLinesReader"]

_LOOK = 1_000
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class JsonLinesReader:
    """Reads JSON lines in constant memory.

    Args:
        path: The file; `.gz` is read through.
        wanted: Keys that are columns even if the first thousand lines do not have them.
    """

    def __init__(self, path: File, wanted: tuple[str, ...] = ()) -> None:
        self._path = existing(path)
        keys: dict[str, None] = {}
        with open_bytes(path) as file:
            for line in islice(file, _LOOK):
                row = _row(line)
                keys.update(dict.fromkeys(row if isinstance(row, dict) else ()))
        self.headers = tuple(dict.fromkeys([*keys, *(key for key in wanted if keys)]))

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    def batches(self) -> Iterator[Batch]:
        """Gives the rows; a line that is no JSON object is a broken row."""
        with open_bytes(self._path) as file:
            number = 0
            while chunk := list(islice(file, BATCH_ROWS)):
                yield self._batch(chunk, number)
                number += len(chunk)

    def _batch(self, lines: list[bytes], before: int) -> Batch:
        rows: list[list[str | None]] = []
        numbers: list[int] = []
        broken: list[Broken] = []
        for number, line in enumerate(lines, start=before + 1):
            row = _row(line)
            if isinstance(row, dict):
                rows.append([row.get(header) for header in self.headers])
                numbers.append(number)
            elif line.strip():
                broken.append(Broken(number, line.decode("utf-8", "replace").rstrip("\r\n"), "not_json"))
        made = text_batch(self.headers, rows, numbers)
        return Batch(made.rows, made.numbers, tuple(broken))


def _row(line: bytes) -> dict[str, str | None] | None:
    try:
        value = _DECODER.decode(line.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return dict(_flat(value, "")) if isinstance(value, dict) else None


def _flat(value: dict[str, Any], prefix: str) -> Iterator[tuple[str, str | None]]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{key}.")
        elif item is None or isinstance(item, str):
            yield prefix + key, item
        elif isinstance(item, Decimal):
            yield prefix + key, format(item, "f")
        else:
            yield prefix + key, msgspec.json.encode(item).decode()
