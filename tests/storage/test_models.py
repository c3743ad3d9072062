from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkeeper.base.errors import AlreadyThereError, MissingError, StorageError, UsageError
from shopkeeper.storage.models import Models


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path / "models")


def test_a_model_comes_back_as_it_was_put(models: Models) -> None:
    models.put("response", "2017-08-01", {"tree.txt": b"leaf", "scale.bin": b"\x00\xff"}, '{"metrics": {"auc": 0.83}}')
    found = models.get("response")
    assert found.files == {"tree.txt": b"leaf", "scale.bin": b"\x00\xff"}
    assert found.card == {"metrics": {"auc": 0.83}}
    assert (found.entry.version, found.entry.number) == ("2017-08-01", 1)


def test_the_newest_version_is_the_one_put_last(models: Models) -> None:
    models.put("response", "v10", {"a": b"1"}, {})
    models.put("response", "v9", {"a": b"2"}, {})
    models.put("churn", "v1", {"a": b"3"}, {})
    assert models.get("response").files == {"a": b"2"}
    assert models.get("response", "v10").files == {"a": b"1"}
    assert [(each.name, each.version) for each in models.list()] == [
        ("churn", "v1"),
        ("response", "v10"),
        ("response", "v9"),
    ]


def test_a_version_never_changes(models: Models) -> None:
    models.put("response", "v1", {"a": b"1"}, {})
    with pytest.raises(AlreadyThereError, match="v1"):
        models.put("response", "v1", {"a": b"2"}, {})
    assert models.get("response").files == {"a": b"1"}
    assert [path.name for path in models.folder.iterdir()] == ["response"]


def test_what_is_not_there_is_named(models: Models) -> None:
    assert models.list() == ()
    with pytest.raises(MissingError, match="no model response version v2"):
        models.get("response", "v2")


@pytest.mark.parametrize("bad", ["", "..", "a/b", ".hidden", "模型 1"])
def test_names_stay_inside_the_folder(models: Models, bad: str) -> None:
    with pytest.raises(UsageError):
        models.put(bad, "v1", {"a": b""}, {})
    with pytest.raises(UsageError):
        models.put("m", "v1", {bad: b""}, {})


@pytest.mark.parametrize("card", ["nonsense", "[1]", {"model": object()}])
def test_a_card_is_a_json_object(models: Models, card: str | dict[str, object]) -> None:
    with pytest.raises(UsageError, match="card"):
        models.put("m", "v1", {}, card)


def test_a_flipped_byte_is_noticed(models: Models) -> None:
    models.put("m", "v1", {"a": b"right"}, {})
    (models.folder / "m" / "v1" / "a").write_bytes(b"wrong")
    with pytest.raises(StorageError, match="damaged"):
        models.get("m")


def test_a_model_half_written_is_not_seen(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("shopkeeper.storage.models.sync_file", fail)
        with pytest.raises(OSError, match="no space"):
            models.put("m", "v1", {"a": b"1"}, {})
    assert models.list() == ()
    models.put("m", "v1", {"a": b"1"}, {})
    assert models.get("m").files == {"a": b"1"}


def test_what_was_there_when_somebody_was_erased_is_stale_and_what_is_fitted_since_is_not(models: Models) -> None:
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert models.mark_stale(at, "a person was erased") == 0
    models.put("response", "v1", {"a": b"1"}, {})
    assert models.stale_since("response", "v1") is None
    assert models.mark_stale(at, "a person was erased") == 1
    models.put("response", "v2", {"a": b"2"}, {})
    assert models.stale_since("response", "v1") == at
    assert models.stale_since("response", "v2") is None
    assert [entry.version for entry in models.list()] == ["v1", "v2"]
