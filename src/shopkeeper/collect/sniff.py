"""Finds out how a text file is written: its encoding, its delimiter, the line of its headers."""

import codecs
import csv
import gzip
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

from charset_normalizer import from_bytes

from shopkeeper.collect.headers import is_known
from shopkeeper.collect.reader import File

__all__ = ["HEAD_LINES", "find_delimiter", "find_encoding", "find_header_row", "open_bytes", "split_lines"]

HEAD_LINES = 50
_DELIMITERS = (",", "\t", ";", "|")
_CHUNK = 1 << 22
_LOOK = 1 << 18
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUMBER = re.compile(r"[-+(]?[¥￥$€]?[\d,.]+%?\)?|\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}.*")


def open_bytes(path: File) -> BinaryIO:
    """Opens a file for reading, through gzip where its name ends with `.gz`."""
    if path.suffix != ".gz":
        return path.open("rb")
    return cast("BinaryIO", gzip.open(path if isinstance(path, Path) else path.open("rb"), "rb"))


def find_encoding(path: File) -> str:
    """Finds the encoding of a text file.

    A byte order mark decides; else the first stretch that is not ASCII, wherever it is in the file: UTF-8 if it decodes
    as that, GB18030 if it decodes as that into mostly common Chinese characters, else the best guess of
    charset-normalizer.

    Returns:
        A Python codec name; `utf-8` for plain ASCII.
    """
    with open_bytes(path) as file:
        stretch = file.read(_CHUNK)
        for mark, name in _MARKS:
            if stretch.startswith(mark):
                return name
        while stretch and stretch.isascii():
            stretch = file.read(_CHUNK)
    first = next((place for place, byte in enumerate(stretch) if byte > 127), None)  # noqa: PLR2004 - ASCII ends there
    if first is None:
        return "utf-8"
    return _decide(stretch[max(0, first - 1) : first + _LOOK])


def _decide(stretch: bytes) -> str:
    if _decoded(stretch, "utf-8") is not None:
        return "utf-8"
    chinese = _decoded(stretch, "gb18030")
    if chinese is not None and _is_chinese(chinese):
        return "gb18030"
    best = from_bytes(stretch).best()
    return best.encoding if best is not None else "gb18030" if chinese is not None else "cp1252"


def _decoded(stretch: bytes, encoding: str) -> str | None:
    """The text, or None; a character cut at the end of the stretch is no fault."""
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(stretch)
    except UnicodeDecodeError:
        return None


def _is_chinese(text: str) -> bool:
    foreign = [sign for sign in text if not sign.isascii()]
    # Level 1 of GB 2312 is what people really write; other encodings read as GB18030 give rare characters.
    common = sum(
        sign.encode("gb2312", "ignore")[:1] < b"\xd8" and bool(sign.encode("gb2312", "ignore")) for sign in foreign
    )
    return common > 0.8 * len(foreign)


def split_lines(path: File, encoding: str, lines: int = HEAD_LINES) -> list[str]:
    """Gives the first lines of a text file."""
    with open_bytes(path) as file:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(file.read(_LOOK))
    found = text.splitlines()
    return found[: min(lines, max(1, len(found) - 1))] if len(text) > _LOOK // 4 else found[:lines]


def find_delimiter(lines: Sequence[str]) -> str:
    """Finds what separates values: what gives most lines the same, greatest number of them."""
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        if not widths:
            continue
        width, times = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))
        score = times / widths.total() * (width - 1)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def find_header_row(rows: Sequence[Sequence[str]]) -> int:
    """Finds the line of the headers: the first of those with the most names, a title or a blank line above it or not.

    Args:
        rows: The first lines, split.

    Returns:
        Its number from 1; 0 if no line holds names.
    """
    widths = Counter(sum(bool(cell.strip()) for cell in row) for row in rows)
    usual = max(widths, key=lambda width: (widths[width] * (width > 1), width), default=0)
    best, best_score = 0, 0.0
    for number, row in enumerate(rows[:20], start=1):
        cells = [unicodedata.normalize("NFKC", cell).strip() for cell in row if cell.strip()]
        if len(cells) < max(1, 0.5 * usual):
            continue
        names = [cell for cell in cells if not _NUMBER.fullmatch(cell)]
        score = len(set(names)) / len(cells) + 2 * sum(map(is_known, names)) / len(cells)
        if len(names) > 0.7 * len(cells) and score > best_score + 0.3:
            best, best_score = number, score
    return best
