"""Delimited text (CSV, TSV): any encoding, any usual delimiter, a header line that need not be the first."""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from shopkeeper.base.errors import DataError, UsageError
from shopkeeper.collect.mapping import FileShape
from shopkeeper.collect.reader import Batch, Broken, File, existing, unique_headers
from shopkeeper.collect.sniff import find_delimiter, find_encoding, find_header_row, open_bytes, split_lines

__all__ = ["DelimitedReader"]

_BLOCK = 8 << 20
_LINES_IN_A_VALUE = 100


class DelimitedReader:
    """Reads delimited text in constant memory.

    Args:
        path: The file; `.gz` is read through.
        shape: What is known of its form; the rest is found out.

    Raises:
        MissingError: There is no such file.
        UsageError: The encoding is not known, or the file is empty.
    """

    def __init__(self, path: File, shape: FileShape) -> None:
        self._path = existing(path)
        self.encoding = shape.encoding or find_encoding(path)
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise UsageError(
                f"'{self.encoding}' is no encoding", next_step="use one such as utf-8 or gb18030"
            ) from error
        lines = split_lines(path, self.encoding)
        if not lines:
            raise UsageError(f"{path.name} is empty", place=path.name)
        self.delimiter = shape.delimiter or find_delimiter(lines)
        head = list(csv.reader(lines, delimiter=self.delimiter))
        self.header_row = find_header_row(head) if shape.header_row is None else shape.header_row
        width = max(len(row) for row in head)
        cells = head[self.header_row - 1] if 0 < self.header_row <= len(head) else [""] * width
        self.headers = unique_headers(cells)

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    def batches(self) -> Iterator[Batch]:
        """Gives the rows; a line with too few or too many values is a broken row.

        Raises:
            DataError: A quote is opened and never closed.
        """
        waiting: deque[Broken] = deque()

        def keep(row: Any) -> str:
            waiting.append(Broken(row.number or 0, row.text, "number_of_values"))
            return "skip"

        count = self.header_row
        with open_bytes(self._path) as file:
            try:
                for block in self._open(file, keep):
                    # The parser reads ahead: broken lines behind this block wait for theirs.
                    numbers = _numbers(count, block.num_rows, [row.number for row in tuple(waiting)])
                    self._check_quotes(block, numbers)
                    count = int(numbers[-1]) if len(numbers) else count
                    passed: list[Broken] = []
                    while waiting and waiting[0].number < count:
                        passed.append(waiting.popleft())
                    yield Batch(block, pa.array(numbers), tuple(passed))
            except pa.ArrowInvalid as error:
                if "Empty CSV" not in str(error):
                    raise self._unclosed(count) from None  # the parser's words quote the line
        if waiting:
            nothing = [pa.array([], pa.string())] * len(self.headers)
            empty = pa.RecordBatch.from_arrays(nothing, names=list(self.headers))
            yield Batch(empty, pa.array([], pa.int64()), tuple(waiting))

    def _check_quotes(self, block: pa.RecordBatch, numbers: Any) -> None:
        """A value of very many lines is a quote that swallowed what follows it, not a value."""
        for column in block.columns:
            lines = pc.count_substring(column, "\n")
            if (pc.max(lines).as_py() or 0) > _LINES_IN_A_VALUE:
                raise self._unclosed(int(numbers[pc.index(pc.greater(lines, _LINES_IN_A_VALUE), True).as_py()]))

    def _unclosed(self, number: int) -> DataError:
        return DataError(
            f"a quotation mark is opened and not closed in or after row {number}",
            place=self.name,
            next_step="mend that line, or export the file again",
        )

    def _open(self, file: BinaryIO, keep: Any) -> Iterator[pa.RecordBatch]:
        names = list(self.headers)
        reader = arrow_csv.open_csv(
            io.BufferedReader(_Transcoded(file, self.encoding), _BLOCK),
            read_options=arrow_csv.ReadOptions(
                column_names=names, skip_rows=self.header_row, block_size=_BLOCK, use_threads=False
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=keep
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
        yield from reader


class _Transcoded(io.RawIOBase):
    """The bytes of a file as UTF-8; what does not decode becomes U+FFFD, which the judge refuses."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            data = self._file.read(_BLOCK)
            self._left = self._decoder.decode(data, final=not data).encode("utf-8", "replace")
            if not data and not self._left:
                return 0
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _numbers(count: int, rows: int, broken: list[int]) -> Any:
    """The numbers of `rows` good rows after row `count`, the broken ones left out."""
    candidates = np.arange(count + 1, count + rows + len(broken) + 1, dtype=np.int64)
    return candidates[~np.isin(candidates, broken)][:rows]
