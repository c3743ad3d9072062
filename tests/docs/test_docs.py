"""The docs tell the truth: everything has its heading, every link leads somewhere, every command exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from shopkeeper.base.settings import settings_table
from shopkeeper.cli.main import shopkeeper
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.traits import GROUPS, TRAITS
from tests.docs.pages import ROOT

_PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"^\s*shopkeeper ([^#\n|>&]+)", re.MULTILINE)


def _text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_every_command_has_its_heading() -> None:
    text = _text("commands.md")
    for name in shopkeeper.list_commands(
        shopkeeper.make_context("shopkeeper", ["load", "--help"], resilient_parsing=True)
    ):
        assert re.search(rf"^#+ `shopkeeper {name}`$", text, re.MULTILINE), name


def test_every_setting_has_its_row() -> None:
    text = _text("settings.md")
    assert [row.name for row in settings_table() if f"| `{row.name}` |" not in text] == []


def test_every_table_and_column_stands_in_the_dictionary() -> None:
    text = _text("dictionary.md")
    for table in TABLES.values():
        _, heading, rest = text.partition(f"\n### {table.name}\n")
        assert heading, table.name
        section = rest.partition("\n### ")[0]
        assert [column.name for column in table.columns if f"| `{column.name}` |" not in section] == []


def test_every_group_of_traits_has_its_heading_and_every_trait_its_row() -> None:
    text = _text("traits.md")
    assert [group for group, (english, chinese) in GROUPS.items() if f"\n## {english} · {chinese}\n" not in text] == []
    assert [name for name in TRAITS if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
        target, _, heading = link.partition("#")
        if "://" in target:
            continue
        file = (page.parent / target) if target else page
        if not file.exists() or (heading and heading not in _headings(file)):
            broken.append(link)
    assert broken == []


def _headings(file: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    blocks = re.findall(
        r"^```(?:sh|bash)?[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    for line in (found.strip() for block in blocks for found in _COMMAND.findall(block)):
        command = shopkeeper
        context = shopkeeper.make_context("shopkeeper", [], resilient_parsing=True)
        for word in shlex.split(line):
            found = command.get_command(context, word) if hasattr(command, "get_command") else None
            if found is None:
                break
            command = found  # type: ignore[assignment]
        assert command is not shopkeeper or line.startswith("-"), f"shopkeeper {line}"
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in shlex.split(line) if word.startswith("--")} <= options, f"shopkeeper {line}"


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_targets_of_make_that_exist(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"^make ([a-z]+)\b", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
    assert named - {"all"}
    assert [target for target in named if f"\n{target}:" not in makefile] == []


def test_both_readmes_show_the_same_pictures_and_links() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    links = [
        sorted(re.sub(r"\.zh-CN|-zh\b|-en\b", "", link) for link in _LINK.findall(text) if "README" not in link)
        for text in (english, chinese)
    ]
    assert links[0] == links[1]


def test_help_opens_no_engine() -> None:
    code = "import sys, shopkeeper.cli.main; sys.exit(bool({'duckdb', 'pyarrow', 'sqlalchemy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
