"""The analyst's notebook runs as it stands, on a slice of Complete Journey."""

import subprocess
import sys

from shopkeeper.app.shop import Shop
from tests.docs.pages import ROOT


def test_the_notebook_runs(journey: Shop) -> None:
    command = [sys.executable, "-W", "error", str(ROOT / "docs" / "notebook.py"), str(journey.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "People for whom" in done.stdout
    assert "FROM profile AS profile" in done.stdout
