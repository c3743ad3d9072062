"""Locks exact versions with hashes into requirements/, naming no index. Needs `uv` (pip install uv)."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_COMMON = (
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
    "--no-annotate",
    "--quiet",
)
_EXTRAS = ("--extra", "spark", "--extra", "postgres", "--extra", "notebook", "--extra", "mqtt", "--group", "dev")


def main() -> int:
    """Writes requirements/test.txt, then requirements/demo.txt with the same versions."""
    compile_ = ["uv", "pip", "compile", "pyproject.toml", *_COMMON]
    subprocess.run([*compile_, *_EXTRAS, "-o", "requirements/test.txt"], cwd=_ROOT, check=True)
    subprocess.run([*compile_, "-c", "requirements/test.txt", "-o", "requirements/demo.txt"], cwd=_ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
