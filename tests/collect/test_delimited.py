import gzip
from pathlib import Path

import pytest

from shopkeeper.base.errors import DataError, UsageError
from shopkeeper.collect import delimited
from shopkeeper.collect.delimited import DelimitedReader
from shopkeeper.collect.mapping import FileShape
from shopkeeper.collect.sniff import find_delimiter, find_encoding, find_header_row

CHINESE = "小票号,门店,金额\nA1,人民路店,5.5\nA2,解放路店,6\n"


def written(tmp_path: Path, content: bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def read(path: Path) -> list[tuple[int, dict[str, str]]]:
    found = []
    for batch in DelimitedReader(path, FileShape()).batches():
        found += list(zip(batch.numbers.to_pylist(), batch.rows.to_pylist(), strict=True))
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, CHINESE.encode(encoding))
    assert read(path)[1] == (3, {"小票号": "A2", "门店": "解放路店", "金额": "6"})


def test_the_first_word_that_is_not_ascii_decides_wherever_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\n" + b"1,2\n" * 2_000_000 + "3,人民路店\n".encode("gb18030"))
    assert find_encoding(path) == "gb18030"
    assert find_encoding(written(tmp_path, b"a,b\n1,2\n", "b.csv")) == "utf-8"
    assert (
        find_encoding(written(tmp_path, "name\nJosé Müller, façade, garçon, crème brûlée\n".encode("cp1252"), "c.csv"))
        != "gb18030"
    )


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiters_are_found(delimiter: str) -> None:
    assert (
        find_delimiter([delimiter.join("abc"), delimiter.join(["1,5", "2", "3"])][: 1 + (delimiter != ",")])
        == delimiter
    )


def test_the_header_may_stand_below_a_title() -> None:
    rows = [
        ["2024 门店销售明细", "", ""],
        ["", "", ""],
        ["小票号", "门店", "实收金额"],
        ["1", "2", "3"],
        ["4", "5", "6"],
    ]
    assert find_header_row(rows) == 3
    assert find_header_row([["1", "2"], ["3", "4"]]) == 0


def test_lines_of_the_wrong_width_are_set_aside_with_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, b'a,b\n1,x\n2\n3,"y\nz"\n4,w,5\n6,q\n')
    (batch,) = DelimitedReader(path, FileShape()).batches()
    assert batch.rows.to_pylist() == [{"a": "1", "b": "x"}, {"a": "3", "b": "y\nz"}, {"a": "6", "b": "q"}]
    assert batch.numbers.to_pylist() == [2, 4, 6]
    assert [(broken.number, broken.text) for broken in batch.broken] == [(3, "2"), (5, "4,w,5")]


def test_numbers_go_on_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK", 1_000)
    lines = [f"{number},{'x' if number % 7 else 'x,y'}" for number in range(2, 2_000)]
    path = written(tmp_path, ("a,b\n" + "\n".join(lines) + "\n").encode())
    assert all(int(row["a"]) == number for number, row in read(path))
    broken = [found for batch in DelimitedReader(path, FileShape()).batches() for found in batch.broken]
    assert [found.number for found in broken] == [number for number in range(2, 2_000) if not number % 7]


def test_gzip_is_read_through_and_headers_get_names_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(b"amount,amount,\n1,2,3\n"), "a.csv.gz")
    assert read(path) == [(2, {"amount": "1", "amount_2": "2", "column_3": "3"})]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is empty"):
        DelimitedReader(written(tmp_path, b""), FileShape())
    with pytest.raises(UsageError, match="'klingon' is no encoding"):
        DelimitedReader(written(tmp_path, b"a\n"), FileShape(encoding="klingon"))
    with pytest.raises(DataError, match="quotation mark"):
        read(written(tmp_path, b'a,b\n1,"x\n' + b"2,y\n" * 300))
