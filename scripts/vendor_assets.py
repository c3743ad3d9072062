"""Vendors the console's scripts again: installs the pinned npm packages, bundles, writes files and their lock.

Run it only to change a version: `python scripts/vendor_assets.py`. Installing and running Shopkeeper needs no node.
`--check` holds the files against the lock and needs no node either.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "scripts" / "vendor"
VENDOR = ROOT / "src" / "shopkeeper" / "web" / "static" / "vendor"
LOCK = VENDOR / "vendor.lock.json"
LICENCES = {"htmx.org": "0BSD", "echarts": "Apache-2.0", "zrender": "BSD-3-Clause", "tslib": "0BSD"}


def main() -> int:
    """Vendors, or checks with `--check`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only hold the files against the lock")
    if parser.parse_args().check:
        return _check()
    with tempfile.TemporaryDirectory() as folder:
        _vendor(Path(folder))
    return _check()


def _vendor(folder: Path) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc", "echarts.js"):
        if (RECIPE / name).exists():
            shutil.copy(RECIPE / name, folder / name)
    subprocess.run(["npm", "install", "--silent"], cwd=folder, check=True)
    shutil.copy(folder / "package-lock.json", RECIPE / "package-lock.json")
    VENDOR.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "node_modules" / "htmx.org" / "dist" / "htmx.min.js", VENDOR / "htmx.min.js")
    bundle = [
        "node_modules/.bin/esbuild", "echarts.js", "--bundle", "--minify", "--format=iife", "--global-name=echarts",
        "--target=es2020", "--legal-comments=eof", f"--outfile={VENDOR / 'echarts.min.js'}",
    ]  # fmt: skip
    subprocess.run(bundle, cwd=folder, check=True, capture_output=True)
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    lock = {"htmx.min.js": _entry("htmx.min.js", ["htmx.org"], packages)}
    lock["echarts.min.js"] = _entry("echarts.min.js", ["echarts", "zrender", "tslib"], packages)
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")


def _entry(file: str, names: list[str], packages: dict[str, dict[str, str]]) -> dict[str, object]:
    body = (VENDOR / file).read_bytes()
    made_of = {
        name: {
            "version": packages[f"node_modules/{name}"]["version"],
            "licence": LICENCES[name],
            "integrity": packages[f"node_modules/{name}"]["integrity"],
        }
        for name in names
    }
    return {"made_of": made_of, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def _check() -> int:
    lock = json.loads(LOCK.read_text())
    files = {path.name for path in VENDOR.iterdir() if path.name != LOCK.name}
    wrong = sorted(files ^ set(lock))
    wrong += [name for name in sorted(files & set(lock)) if _sha256(name) != lock[name]["sha256"]]
    for name in wrong:
        print(f"{name} is not what {LOCK.name} says: run scripts/vendor_assets.py", file=sys.stderr)
    return 1 if wrong else 0


def _sha256(name: str) -> str:
    return hashlib.sha256((VENDOR / name).read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
