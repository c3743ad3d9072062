"""The house keeps its own rules: the room table, one sentence a room, no registry's address, a light dictionary."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "shopkeeper"
ROW = re.compile(r"^\| \d+ \| `(\w+)` \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def _table() -> dict[str, set[str]]:
    rows = ROW.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    rooms = [room for room, _ in rows]
    allowed = {}
    for place, (room, text) in enumerate(rows):
        if "everything below" in text:
            allowed[room] = set(rooms[:place])
        else:
            allowed[room] = set(re.findall(r"\w+", text)) & set(rooms)
    return allowed


def _imports(room: str) -> set[str]:
    found = set()
    for file in (SOURCE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shopkeeper."):
                found.add(str(node.module).split(".")[1])
            elif isinstance(node, ast.Import):
                found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("shopkeeper.")}
    return found - {room}


def test_the_room_table_names_every_room_and_no_other() -> None:
    rooms = {folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").exists()}
    assert set(_table()) == rooms


@pytest.mark.parametrize("room", sorted(_table()))
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    assert _imports(room) <= _table()[room]


@pytest.mark.parametrize("room", sorted(_table()))
def test_a_room_is_described_by_one_sentence(room: str) -> None:
    sentence = ast.get_docstring(ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8")))
    assert sentence
    assert sentence.count("\n") == 0
    assert sentence.endswith(".")


def _arrows() -> dict[str, set[str]]:
    """Which module imports which, wherever in the file the import stands."""
    files = {".".join(f.relative_to(ROOT / "src").with_suffix("").parts): f for f in SOURCE.rglob("*.py")}
    arrows = {}
    for module, file in files.items():
        named = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                named |= {f"{node.module}.{name.name}" for name in node.names} | {str(node.module)}
            elif isinstance(node, ast.Import):
                named |= {name.name for name in node.names}
        arrows[module] = named & files.keys()
    return arrows


def test_no_files_import_each_other_in_a_circle() -> None:
    """A late import that hides a circle counts too."""
    arrows = _arrows()
    assert len(arrows) > 200
    TopologicalSorter(arrows).prepare()
    shop, notebook = "shopkeeper.app.shop", "shopkeeper.app.notebook"
    with pytest.raises(CycleError):  # the positive control
        TopologicalSorter(arrows | {shop: arrows[shop] | {notebook}}).prepare()


def test_only_the_terminal_that_serves_starts_the_console() -> None:
    starting = {
        file.name for file in (SOURCE / "cli").glob("*.py") if "shopkeeper.web" in file.read_text(encoding="utf-8")
    }
    assert starting == {"web.py"}


def test_no_file_names_a_registry() -> None:
    hosts = [
        ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("maven", "org"))
    ]
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    naming = []
    for name in listed.stdout.splitlines():
        file = ROOT / name
        if file.is_file() and file.stat().st_size < 1_500_000:
            text = file.read_text(encoding="utf-8", errors="ignore")
            naming += [f"{name}: {host}" for host in hosts if host in text]
    assert naming == []


def test_locked_requirements_carry_hashes_and_name_no_index() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        text = file.read_text(encoding="utf-8")
        assert "--index-url" not in text
        assert "--find-links" not in text
        pinned = re.findall(r"^[a-z0-9._-]+(?:\[[a-z,]+\])?==", text, re.MULTILINE)
        assert len(pinned) > 50
        assert text.count("--hash=sha256:") >= len(pinned)


def test_the_dictionary_is_there_at_once() -> None:
    """The quickest of three, in computing time: other tests run beside this one."""
    code = "import time; began = time.process_time(); import {}; print(time.process_time() - began)"
    asked = [sys.executable, "-c", code.format("shopkeeper.schema.tables, shopkeeper.schema.traits")]
    took = [float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout) for _ in range(3)]
    assert min(took) <= 0.3


def test_the_dictionary_brings_in_no_heavy_library() -> None:
    heavy = ("duckdb", "pyiceberg", "lightgbm", "sklearn", "pyarrow", "pandas", "fastapi")
    code = f"import sys, shopkeeper.schema.tables; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
