"""The demo over a shop that an earlier one made: nothing is loaded twice, the report comes whole; other shops are safe.

The whole demo, from an empty folder, is measured by `make bench ONLY=wheel`.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from shopkeeper.app.chain import fill_chain
from shopkeeper.app.demo import demo
from shopkeeper.app.log import logger
from shopkeeper.app.sample import COMPLETE_JOURNEY, SAMPLES, settings_of
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import AlreadyThereError, ShopkeeperError
from shopkeeper.cli.main import main
from shopkeeper.sample.complete_journey import TABLES_GIVEN
from shopkeeper.sample.size import SIZES
from shopkeeper.storage.parquet import STAGING_PREFIX


def test_a_second_demo_goes_on_where_the_first_ended(journey: Shop) -> None:
    before = {name: journey.lake.snapshot(name) for name in ("order_line", "profile")}
    told: list[str] = []
    again = demo(journey.folder, COMPLETE_JOURNEY, "en", lambda what, _place, _of: told.append(what))
    assert again.password is None
    assert again.document["people"] == again.report.people > 0
    assert not [what for what in told if what.startswith("load")]
    assert {name: journey.lake.snapshot(name) for name in before} == before


def test_the_command_prints_the_report_and_nothing_else(journey: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["demo", "--no-serve", "--shop", str(journey.folder)]
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"as_of", "seconds", "tables", "people", "lifecycle", "segments", "models"} <= set(document)
    assert document["as_of"] == "2017-12-31"
    assert main([*arguments, "--lang", "zh"]) == 0
    out = capsys.readouterr().out
    assert "早报" in out
    assert str(journey.folder) in out


def test_what_is_logged_on_the_way_stays_out_of_the_document(
    journey: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    structlog.reset_defaults()  # as in a new process

    def and_says(*arguments: Any, **named: Any) -> Any:
        logger("demo").warning("something to know")
        return demo(*arguments, **named)

    monkeypatch.setattr("shopkeeper.cli.demo.demo", and_says)
    assert main(["demo", "--no-serve", "--json", "--shop", str(journey.folder)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["people"]
    assert "something to know" in said.err


def test_a_chain_filled_again_holds_everything_once(tmp_path: Path) -> None:
    size = replace(SIZES["demo"], people=300, lines=3_000, days=60, stores=4, products=100)
    with init(tmp_path / "shop", settings_of("chain", "en")) as shop:
        left = shop.lake.location / f"{STAGING_PREFIX}killed"
        left.mkdir()
        first = fill_chain(shop, size=size)
        assert fill_chain(shop, size=size) == first
        assert first["order_line"] == shop.lake.snapshot("order_line").rows > 0  # type: ignore[union-attr]
        assert first["identifier"] > 0
        assert not left.exists()


def test_a_shop_whose_filling_was_broken_off_is_filled_again(tmp_path: Path) -> None:
    class Stopped(Exception):  # noqa: N818 - what a person does, not a fault
        pass

    def until(name: str) -> Any:
        def told(what: str, _place: int, _of: int) -> None:
            if what == name:
                raise Stopped(what)

        return told

    names = TABLES_GIVEN
    after_lines = f"load {names[names.index('order_line') + 1]}"
    with pytest.raises(Stopped, match=after_lines):
        demo(tmp_path / "shop", COMPLETE_JOURNEY, "en", until(after_lines))
    with pytest.raises(Stopped, match=f"load {names[0]}"):
        demo(tmp_path / "shop", COMPLETE_JOURNEY, "en", until(f"load {names[0]}"))


def test_the_demo_touches_no_other_shop(tmp_path: Path) -> None:
    init(tmp_path / "own", {"chain.name": "Corner"}).close()
    with pytest.raises(AlreadyThereError, match="data of its own"):
        demo(tmp_path / "own", COMPLETE_JOURNEY, "en")
    init(tmp_path / "chain", settings_of("chain", "zh")).close()
    with pytest.raises(AlreadyThereError, match="holds chain"):
        demo(tmp_path / "chain", COMPLETE_JOURNEY, "en")


def test_the_demo_fills_no_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(ShopkeeperError, match="not empty"):
        demo(tmp_path / "photos", COMPLETE_JOURNEY, "en")


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_sample_has_settings_in_both_languages(sample: str, language: str, tmp_path: Path) -> None:
    with init(tmp_path / "shop", settings_of(sample, language)) as shop:
        assert (shop.settings.chain.sample, shop.settings.chain.language) == (sample, language)
