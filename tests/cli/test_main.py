"""What every command keeps: exit codes, one JSON document, a next command, no traceback, help."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.cli.main import main, shopkeeper
from tests.cli.conftest import Says

WRONG = (
    ["nothere"],
    ["tabel", "list"],
    ["table"],
    ["table", "nothere"],
    ["table", "show"],
    ["table", "show", "profile", "-n", "0"],
    ["table", "show", "profile", "--nothere"],
    ["table", "describe"],
    ["table", "export", "profile"],
    ["table", "export", "profile", "rows.doc"],
    ["init"],
    ["demo", "--sample", "nothing"],
    ["demo", "--lang", "fr"],
    ["demo", "--port", "-1"],
    ["load"],
    ["load", "order_line"],
    ["load", "profile", __file__],
    ["run", "--as-of", "yesterday"],
    ["run", "--engine", "hive"],
    ["report", "--as-of", "2026-13-01"],
    ["report", "--lang", "fr"],
    ["segment", "count"],
    ["segment", "count", "recency_days >"],
    ["segment", "count", "nothing_like_this > 3"],
    ["segment", "export", "profile"],
    ["model", "show"],
    ["person", "show"],
    ["refused", "show", "-n", "x"],
    ["refused", "replay", "profile"],
    ["user", "add", "somebody", "--role", "king"],
    ["serve", "--port", "99999"],
    ["backup"],
    ["restore"],
    ["check", "everything"],
    ["doctor", "everything"],
)
FAILING = (
    ["table", "show", "nothere"],
    ["run", "nothere"],
    ["report", "--level", "nowhere"],
    ["model", "show", "nothere"],
    ["person", "show", "nobody"],
    ["load", "order_line", "no/such/file.csv"],
    ["restore", "no/such/backup"],
    ["doctor", "--shop", "no/such/shop"],
)
READING = (
    ["table", "list"],
    ["table", "list", "--all"],
    ["table", "describe", "order_line"],
    ["table", "show", "order_line"],
    ["table", "show", "event"],
    ["table", "show", "profile", "-n", "2"],
    ["report"],
    ["report", "--level", "s1", "--lang", "en"],
    ["check"],
    ["doctor"],
    ["model", "list"],
    ["segment", "list"],
    ["segment", "count", "recency_days <= 7"],
    ["segment", "members", "recency_days <= 7"],
    ["person", "show", "file:c1"],
    ["refused", "list"],
    ["refused", "show"],
    ["user", "list"],
    ["run"],
)


def _ids(command: list[str]) -> str:
    return " ".join(command).replace("/", "_")[:60]


def _commands(group: click.Command = shopkeeper, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(group, click.Group):
        return [path]
    context, found = click.Context(group), [path]
    for name in group.list_commands(context):
        child = group.get_command(context, name)
        assert child is not None
        found += _commands(child, (*path, name))
    return found


@pytest.mark.parametrize("command", WRONG, ids=_ids)
def test_a_command_typed_wrong_ends_with_2_and_says_what_next(command: list[str], says: Says) -> None:
    said = says(*command)
    assert (said.code, said.out) == (2, "")
    assert "next:" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", FAILING, ids=_ids)
def test_a_command_that_fails_ends_with_1_and_no_traceback(command: list[str], says: Says) -> None:
    said = says(*command)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("✗")
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", FAILING, ids=_ids)
def test_a_failure_with_json_is_one_document_on_standard_error(command: list[str], says: Says) -> None:
    said = says(*command, "--json")
    assert (said.code, said.out) == (1, "")
    assert set(json.loads(said.err)) == {"error", "place", "next"}


@pytest.mark.parametrize("command", READING, ids=_ids)
def test_with_json_standard_output_is_one_document_and_nothing_else(command: list[str], says: Says) -> None:
    said = says(*command, "--json")
    assert said.code == 0, said.err
    assert said.document() is not None
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", READING, ids=_ids)
def test_without_json_people_read_something(command: list[str], says: Says) -> None:
    said = says(*command)
    assert said.code == 0, said.err
    assert said.out.strip()
    assert not said.out.lstrip().startswith("{")


@pytest.mark.parametrize("command", _commands(), ids=_ids)
def test_every_command_has_help(command: tuple[str, ...], says: Says) -> None:
    said = says(*command, "--help")
    assert said.code == 0
    assert said.out.startswith("Usage: shopkeeper")
    sentences = [line for line in said.out.splitlines()[1:] if line.strip()]
    assert len(sentences) > 2


def test_a_long_message_is_not_broken_into_lines(says: Says) -> None:
    """The next command can be copied as it stands."""
    long = "a-folder-of-a-name-that-is-longer-than-a-line-of-eighty-signs" * 3
    said = says("doctor", "--shop", long)
    (following,) = (line for line in said.err.splitlines() if "next:" in line)
    assert f"{long}, or name one with --shop" in following


def test_an_error_nobody_expected_says_so_and_how_to_see_it(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("hole")

    monkeypatch.setattr("shopkeeper.cli.shop.diagnose", broken)
    said = says("doctor")
    assert (said.code, said.out) == (1, "")
    assert "KeyError: 'hole'" in said.err
    assert "--debug" in said.err
    assert "Traceback" not in said.err
    with pytest.raises(KeyError):
        says("doctor", "--debug")


def test_debug_shows_where_a_known_failure_came_from() -> None:
    with pytest.raises(ShopkeeperError):
        main(["doctor", "--shop", "no/such/shop", "--debug"])


def test_a_shop_that_is_named_wins_over_the_environment(says: Says, tmp_path: Path) -> None:
    assert str(tmp_path / "other") in says("doctor", "--shop", tmp_path / "other").err


def test_the_installed_command_runs_and_a_closed_pipe_is_no_failure(shop_folder: Path) -> None:
    program = Path(sys.executable).with_name("shopkeeper")
    assert program.exists()
    done = subprocess.run(
        ["bash", "-c", f"'{program}' table show order_line -n 500 --json --shop '{shop_folder}' | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_help_needs_no_learning_library() -> None:
    heavy = ("sklearn", "lightgbm", "pyspark", "uvicorn", "pandas")
    code = (
        "import sys; from shopkeeper.cli.main import main; main(['--help']); "
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: shopkeeper" in done.stdout
    assert done.stderr.strip() == "[]"


def test_square_brackets_are_shown_as_they_are(says: Says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no markup: a command to install an extra has them, and a folder may."""
    place = tmp_path / "shop [red]"
    assert "shop [red]" in says("init", place).out.replace("\n", "")
    monkeypatch.setattr("shopkeeper.app.doctor.find_spec", lambda _: None)
    said = says("doctor", "--shop", place).out
    assert "pip install 'shopkeeper[spark]'" in said
    assert "shop [red]" in said.replace("\n", "")
