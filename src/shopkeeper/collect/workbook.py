"""Excel workbooks, old (.xls) and new (.xlsx), and OpenDocument sheets (.ods)."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from shopkeeper.base.errors import DataError, MissingError
from shopkeeper.collect.mapping import FileShape
from shopkeeper.collect.reader import BATCH_ROWS, Batch, File, existing, text_batch, unique_headers
from shopkeeper.collect.sniff import HEAD_LINES, find_header_row

__all__ = ["WorkbookReader"]

Cell = int | float | str | bool | time | date | datetime | timedelta


class WorkbookReader:
    """Reads one sheet of a workbook, which is held in memory (a sheet has at most 1,048,576 rows).

    Args:
        path: The file.
        shape: `sheet` names the sheet, the first one with rows by default; `header_row` its line of headers.

    Raises:
        MissingError: There is no such file or sheet.
        DataError: It is no workbook, or it is locked by a password.
    """

    def __init__(self, path: File, shape: FileShape) -> None:
        self._path = existing(path)
        try:
            with path.open("rb") as file:
                book = CalamineWorkbook.from_filelike(file)
            self.sheets = tuple(book.sheet_names)
            if shape.sheet is not None and shape.sheet not in self.sheets:
                raise MissingError(f"there is no sheet '{shape.sheet}'", place=f"{path.name}: {', '.join(self.sheets)}")
            wanted = (shape.sheet,) if shape.sheet is not None else self.sheets
            self._rows: list[list[Cell]] = []
            for self.sheet in wanted:
                self._rows = book.get_sheet_by_name(self.sheet).to_python(skip_empty_area=False)
                if self._rows:
                    break
        except PasswordError as error:
            raise DataError(f"{path.name} is locked by a password", next_step="save it without one") from error
        except CalamineError as error:
            raise DataError(f"{path.name} is no workbook that can be read", foreign=error) from error
        head = [[_text(cell) or "" for cell in row] for row in self._rows[:HEAD_LINES]]
        self.header_row = find_header_row(head) if shape.header_row is None else shape.header_row
        width = max((len(row) for row in self._rows), default=0)
        cells = head[self.header_row - 1] if 0 < self.header_row <= len(head) else [""] * width
        self.headers = unique_headers(cells)

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    def batches(self) -> Iterator[Batch]:
        """Gives the rows; empty rows are passed over."""
        width = len(self.headers)
        for start in range(self.header_row, len(self._rows), BATCH_ROWS):
            rows, numbers = [], []
            for number, row in enumerate(self._rows[start : start + BATCH_ROWS], start=start + 1):
                texts = [_text(cell) for cell in row]
                if any(texts):
                    rows.append((texts + [None] * width)[:width])
                    numbers.append(number)
            yield text_batch(self.headers, rows, numbers)


def _text(cell: Cell) -> str | None:
    """A cell as text: whole numbers without a fraction, dates in ISO form."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)  # noqa: PLR2004 - exact below
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
