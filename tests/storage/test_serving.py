"""The serving set's file: swapped in whole, seen by who had the old one open, and nothing left of who is taken out."""

import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from shopkeeper.base.errors import MissingError, StorageError
from shopkeeper.storage.serving import ServingSet, forget_served, write_serving, writing


def write(file: Path, people: Mapping[str, str], mark: str = "1") -> int:
    batch = pa.RecordBatch.from_pydict({"person_id": list(people), "body": list(people.values())})
    return write_serving(file, [batch], uncounted=["bag"], marks={"made_of": mark})


def test_who_has_the_old_set_open_sees_that_a_new_one_is_there(tmp_path: Path) -> None:
    file = tmp_path / "serving.db"
    with pytest.raises(MissingError, match="no serving set"):
        ServingSet(file)
    assert write(file, {"a": "[1]", "b": "[2]"}) == 2
    with closing(ServingSet(file)) as old:
        assert old.read(["a", "c", "b"]) == {"a": "[1]", "b": "[2]"}
        assert (old.uncounted, old.marks, old.is_current()) == ({"bag"}, {"made_of": "1"}, True)
        write(file, {"a": "[3]"}, "2")
        assert not old.is_current()
        assert old.read(["a"]) == {"a": "[1]"}, "what was opened stays whole"
    with closing(ServingSet(file)) as new:
        assert (new.read(["a", "b"]), new.marks["made_of"]) == ({"a": "[3]"}, "2")
    assert [path.name for path in tmp_path.iterdir()] == ["serving.db"]


def test_a_making_that_fails_leaves_the_old_set(tmp_path: Path) -> None:
    file = tmp_path / "serving.db"
    write(file, {"a": "[1]"})

    with pytest.raises(StorageError, match="could not be made"):
        write_serving(
            file,
            [pa.RecordBatch.from_pydict({"person_id": ["a", "a"], "body": ["[2]", "[3]"]})],
            uncounted=[],
            marks={},
        )
    with closing(ServingSet(file)) as found:
        assert found.read(["a"]) == {"a": "[1]"}
    assert [path.name for path in tmp_path.iterdir()] == ["serving.db"]


def test_who_is_taken_out_leaves_no_byte_and_waits_for_a_making(tmp_path: Path) -> None:
    file = tmp_path / "serving.db"
    write(file, {f"person-{number}": f"[{number}]" * 50 for number in range(200)})
    (tmp_path / "serving.db.new").write_bytes(b"person-7")
    gone: list[int] = []
    with closing(ServingSet(file)) as reader:
        with writing(file):
            thread = threading.Thread(target=lambda: gone.append(forget_served(file, ["person-7", "nobody"])))
            thread.start()
            thread.join(0.1)
            assert thread.is_alive()
        thread.join()
        assert gone == [1]
        assert reader.read(["person-7", "person-8"]).keys() == {"person-8"}
    assert not [path for path in tmp_path.iterdir() if b"person-7\x00" in path.read_bytes() + b"\x00"]
    assert b"[7][7]" not in file.read_bytes()
    assert b"[8][8]" in file.read_bytes()


def test_a_file_that_is_no_serving_set_is_missing_and_an_erasure_removes_it(tmp_path: Path) -> None:
    file = tmp_path / "serving.db"
    assert forget_served(file, ["a"]) == 0
    file.write_bytes(b"canary")
    with pytest.raises(MissingError):
        ServingSet(file)
    assert forget_served(file, ["a"]) == 0
    assert not file.exists()
