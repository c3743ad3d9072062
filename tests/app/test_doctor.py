"""The doctor finds what is wrong with a shop and says what to do."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopkeeper.app.doctor import Finding, diagnose
from shopkeeper.app.shop import Shop, init, open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with init(tmp_path / "shop") as made:
        yield made


def _found(shop: Shop) -> dict[str, Finding]:
    return {finding.what: finding for finding in diagnose(shop)}


def test_a_new_shop_is_well(shop: Shop) -> None:
    found = _found(shop)
    assert [finding.what for finding in found.values() if finding.ok is False] == []
    assert found["lake"].next_step == "shopkeeper load TABLE FILE"


def test_keys_that_others_may_read_are_named_with_the_cure(shop: Shop) -> None:
    key = next(file for file in (shop.folder / "keys").iterdir())
    key.chmod(0o644)
    finding = _found(shop)["keys"]
    assert finding.ok is False
    assert key.name in finding.found
    assert finding.next_step is not None
    assert finding.next_step.startswith("chmod 600")


def test_lost_keys_are_a_finding_not_a_crash(shop: Shop) -> None:
    shop.close()
    shutil.rmtree(shop.folder / "keys")
    with open_shop(shop.folder) as again:
        found = _found(again)
    assert found["keys"].ok is False
    assert found["vault"].ok is False
    assert found["lake"].ok is True


def test_a_broken_state_is_a_finding_and_the_rest_is_still_looked_at(shop: Shop) -> None:
    shop.close()
    (shop.folder / "state.db").write_bytes(b"this is no database, " * 200)
    for beside in shop.folder.glob("state.db-*"):
        beside.unlink()
    with open_shop(shop.folder) as again:
        found = _found(again)
    assert found["state"].ok is False
    assert found["duckdb"].ok is True


def test_spark_without_java_matters_only_where_it_is_the_engine(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert _found(shop)["spark"].ok is None
    monkeypatch.setenv("SHOPKEEPER_ENGINE__KIND", "spark")
    with open_shop(shop.folder) as again:
        finding = _found(again)["spark"]
    assert finding.ok is False
    assert finding.next_step is not None
    assert "Java" in finding.next_step
