"""Every how-to page does what it says: its blocks are run against the installed command, most with it warm."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.pages import HOW_TO, Page, play, read_page
from tests.docs.warm import warm_command
from tests.postgres_server import postgres_server  # noqa: F401 - a fixture

_FAST = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # a Java machine that ends soon should not compile its best
_PAGES = {path.name: read_page(path.name) for path in sorted(HOW_TO.glob("*.md"))}
_PLAIN = [name for name, page in _PAGES.items() if page.needs is None and any("run" in b.does for b in page.blocks)]


@pytest.fixture(scope="module")
def warm_path() -> Iterator[str]:
    """A path on which `shopkeeper` stands with its libraries loaded."""
    with tempfile.TemporaryDirectory(prefix="sk-") as folder, warm_command(Path(folder)) as place:
        yield os.pathsep.join((str(place), str(Path(sys.executable).parent), os.environ["PATH"]))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, warm_path: str) -> Callable[[Page], Path]:
    """Plays a page once, after the page that it follows and in the same folder; gives the folder."""
    folders: dict[str, Path] = {}

    def once(page: Page) -> Path:
        if page.name not in folders:
            before = once(_PAGES[page.after]) if page.after else tmp_path_factory.mktemp(page.name.partition(".")[0])
            play(page, before, PATH=warm_path, SPARK_SUBMIT_OPTS=_FAST)
            folders[page.name] = before
        return folders[page.name]

    return once


@pytest.mark.parametrize("name", _PLAIN)
def test_a_page_does_what_it_says(name: str, played: Callable[[Page], Path]) -> None:
    played(_PAGES[name])


@pytest.mark.postgres
def test_state_in_postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server = request.getfixturevalue("postgres_server")
    play(_PAGES["postgresql.md"], tmp_path, DATABASE_URL=server.database())


@pytest.mark.spark
def test_steps_on_spark(played: Callable[[Page], Path]) -> None:
    if shutil.which("java") is None:
        pytest.skip("no Java: install a Java 17 runtime")
    played(_PAGES["spark.md"])


def test_every_page_is_tried() -> None:
    assert {name for name, page in _PAGES.items() if page.needs} == {"postgresql.md", "spark.md"}
