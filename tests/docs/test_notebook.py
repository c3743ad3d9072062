"""The analyst's notebook runs as it stands, on a slice of Complete Journey."""

import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT
from tests.shop import journey_shop


def test_the_notebook_runs(tmp_path: Path) -> None:
    with journey_shop(tmp_path / "shop", one_in=40):
        pass
    command = [sys.executable, "-W", "error", str(ROOT / "docs" / "notebook.py"), str(tmp_path / "shop")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "People for whom" in done.stdout
    assert "FROM profile AS profile" in done.stdout
