"""A sealed file reads as what was written, from any place, and not at all once anything in it was changed."""

import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.errors import MissingError, ShopkeeperError, StorageError
from shopkeeper.storage import sealed as sealed_files
from shopkeeper.storage.keys import Key
from shopkeeper.storage.sealed import SealedFile, SealedWriter
from shopkeeper.storage.sealing import Sealing

SEALING = Sealing([Key(b"1" * 32)])
PIECE = 1 << 18


def written(path: Path, content: bytes, step: int = 100_000) -> SealedFile:
    with SealedWriter(path, SEALING) as writer:
        for start in range(0, len(content), step):
            writer.write(content[start : start + step])
    return SealedFile(path, SEALING, "a.csv")


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7])
def test_what_was_written_is_read_and_is_nowhere_in_the_file(tmp_path: Path, size: int) -> None:
    content = (b"13812345678," * (size // 12 + 1))[:size]
    file = written(tmp_path / "sealed", content)
    with file.open() as opened:
        assert opened.read() == content
    assert b"1381234" not in file.path.read_bytes()
    assert file.path.stat().st_mode & 0o777 == 0o600


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 300)), min_size=1, max_size=8))
def test_any_place_reads_as_in_the_clear(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[int, int]]
) -> None:
    content = os.urandom(800)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed_files, "_PIECE", 100)
        file = written(tmp_path_factory.mktemp("sealed") / "sealed", content)
        clear = io.BytesIO(content)
        with file.open() as opened:
            for place, size in reads:
                opened.seek(place)
                clear.seek(place)
                assert opened.read(size) == clear.read(size)
            assert opened.seek(-5, io.SEEK_END) == 795
            assert opened.read() == content[-5:]


def test_a_parquet_file_is_read_from_its_end(tmp_path: Path) -> None:
    rows = pa.table({"a": list(range(200_000))})
    plain = tmp_path / "plain.parquet"
    pq.write_table(rows, plain)
    assert pq.read_table(written(tmp_path / "sealed", plain.read_bytes()).open()) == rows


def _cut(content: bytes) -> bytes:
    return content[: -(PIECE // 2)]


def _without_last(content: bytes) -> bytes:
    return content[: -(10 + 28)]


def _flipped(content: bytes) -> bytes:
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


def _swapped(content: bytes) -> bytes:
    whole = PIECE + 28
    head = len(content) - 2 * whole - 38
    return content[:head] + content[head + whole : head + 2 * whole] + content[head : head + whole] + content[-38:]


@pytest.mark.parametrize("change", [_cut, _without_last, _flipped, _swapped, lambda _: b"plain,text\n"])
def test_what_was_changed_does_not_open(tmp_path: Path, change: object) -> None:
    assert callable(change)
    file = written(tmp_path / "sealed", os.urandom(2 * PIECE) + b"0123456789")
    file.path.write_bytes(change(file.path.read_bytes()))
    with pytest.raises(StorageError, match="upload it again"):
        file.open().read()


def test_what_was_not_closed_does_not_open(tmp_path: Path) -> None:
    writer = SealedWriter(tmp_path / "sealed", SEALING)
    writer.write(b"x" * (PIECE + 1))
    writer.abandon()
    with pytest.raises(StorageError):
        SealedFile(tmp_path / "sealed", SEALING, "a.csv").open().read()


def test_another_shops_key_does_not_open_it(tmp_path: Path) -> None:
    file = written(tmp_path / "sealed", b"secret")
    with pytest.raises(MissingError, match="vault key"):
        SealedFile(file.path, Sealing([Key(b"2" * 32)]), "a.csv").open()
    with pytest.raises(ShopkeeperError, match="vault"):
        SealedFile(file.path, Sealing([Key(b"2" * 32)]), "a.csv").open()
