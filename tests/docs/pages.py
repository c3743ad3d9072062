"""How-to pages as programs: fenced blocks that say `run` are run, `file=NAME` written, `output` compared."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"

_FENCE = re.compile(r"^```(\w+)([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOTE = re.compile(r"^<!-- (after|needs): (\S+) -->$", re.MULTILINE)
_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, what it says to do, its text and line."""

    language: str
    does: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page: what it follows, what it needs (postgres, spark), its blocks."""

    name: str
    after: str | None
    needs: str | None
    blocks: tuple[Block, ...]


def read_page(name: str) -> Page:
    text = (HOW_TO / name).read_text(encoding="utf-8")
    notes = dict(_NOTE.findall(text))
    blocks = tuple(
        Block(found[1], found[2].strip(), found[3], text[: found.start()].count("\n") + 1)
        for found in _FENCE.finditer(text)
    )
    return Page(name, notes.get("after"), notes.get("needs"), blocks)


def play(page: Page, folder: Path, **environment: str) -> None:
    """Does what the page says in a folder.

    Raises:
        AssertionError: A block ends with another exit code than it says (`exit=N`, else 0), or an expected line of
            output is missing. `…` in an expected line stands for anything.
    """
    said = ""
    for block in page.blocks:
        where = f"{page.name}:{block.line}"
        options = dict(word.split("=", 1) for word in block.does.split() if "=" in word)
        if "file" in options:
            (folder / options["file"]).write_text(block.text, encoding="utf-8")
        elif "run" in block.does.split():
            code, said = _run(block, folder, environment)
            assert code == int(options.get("exit", "0")), f"{where} ended with {code}:\n{said}"
        elif "output" in block.does.split():
            _compare(block.text, said, where)


def _run(block: Block, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    command = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}[block.language]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SHOPKEEPER_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, block.text],
        cwd=folder,
        env=inherited | {"PATH": path, "PYTHONIOENCODING": "utf-8"} | environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _compare(expected: str, said: str, where: str) -> None:
    place = 0
    for line in filter(None, (line.strip() for line in expected.splitlines())):
        pattern = ".*".join(r"\s+".join(map(re.escape, part.split(" "))) for part in line.split("…"))
        found = re.compile(pattern).search(said, place)
        assert found, f"{where} expects\n  {line}\nand after what came before it there is only\n{said[place:]}"
        place = found.end()
