"""Access: the file holds all that is held of the person, and nothing of anybody else."""

import json
import stat
import zipfile
from pathlib import Path

import pytest

from shopkeeper.app.forget import forget
from shopkeeper.app.person_export import export_person
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import AlreadyThereError, MissingError
from shopkeeper.cli.main import main
from tests.app.test_forget import CARD, EMAIL, NAME, NO_WAIT, OTHER_PHONE, PERSON, PHONE, everywhere, shop

__all__ = ["everywhere", "shop"]


def test_an_export_holds_everything_of_the_person_and_nobody_else(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "person.zip"
    done = export_person(shop, PERSON, file, by="ann")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    said = "".join(parts.values())
    for word in (f"+86{PHONE}", EMAIL, NAME, CARD, f"My number is {PHONE}", "my words", "because"):
        assert word in said
    for word in (OTHER_PHONE, "other-member", "张伟"):
        assert word not in said
    assert {"README.txt", "values.json", "meaning.json", "consents.json", "decisions.json"} <= parts.keys()
    assert "您" in parts["README.txt"]
    assert len(json.loads(parts["values.json"])) == done.values == 4
    for name, rows in done.tables.items():
        assert len(json.loads(parts[f"tables/{name}.json"])) == rows
    # What an erasure would take away, an access request shows.
    consents = json.loads(parts["consents.json"])
    assert len(consents["changes"]) == 2
    assert consents["automated decisions"] == "switched off"
    assert json.loads(parts["decisions.json"])["assignments"][0]["variant"] == "holdout"
    with pytest.raises(AlreadyThereError):
        export_person(shop, PERSON, file, by="ann")
    receipt = forget(shop, PERSON, by="ann", wait=NO_WAIT)
    shown = {name: rows for name, rows in done.tables.items() if name not in ("consent", "quality_check")}
    gone = receipt.removed["lake"]
    assert {name: gone[name] for name in shown if name != "customer"} == {
        name: rows + (name == "event") for name, rows in shown.items() if name != "customer"
    }
    with pytest.raises(MissingError, match="was erased"):
        export_person(shop, PERSON, tmp_path / "again.zip", by="ann")
    assert not (tmp_path / "again.zip").exists()


def test_the_commands_export_and_forget(
    shop: Shop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = ["--shop", str(shop.folder), "--json"]
    file = tmp_path / "p.zip"
    assert main(["person", "export", PERSON, str(file), *named]) == 0
    assert json.loads(capsys.readouterr().out)["values"] == 4
    assert main(["person", "forget", CARD, "--yes", "--wait", "0", *named]) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert receipt["removed"]["lake"]["order_line"] == 2
    assert main(["person", "forget", PERSON, "--yes", "--wait", "0", *named]) == 1
    assert "was erased" in capsys.readouterr().err
