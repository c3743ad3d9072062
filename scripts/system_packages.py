"""Installs through apt what some tests need and the machine lacks; where apt may not, those tests skip and say why."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NEEDED = {  # program: Debian package
    "chromium": "chromium",
    "java": "openjdk-17-jre-headless",
    "mosquitto": "mosquitto",
    "node": "nodejs",
    "npm": "npm",
    "strace": "strace",
}
_CHINESE_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
_SDK = Path(__file__).parent.parent / "tests" / "sdk"


def main() -> int:
    """Installs the missing packages; never fails, since the tests say themselves what they miss."""
    _install_packages()
    _install_sdks()
    return 0


def _install_sdks() -> None:
    """The SDKs for Node and browsers, at the versions and hashes of their lock."""
    npm = shutil.which("npm")
    if npm is None:
        return
    words = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    if subprocess.run([npm, *words], cwd=_SDK, check=False).returncode:
        print("the SDKs for Node could not be installed: some tests will skip", file=sys.stderr)


def _install_packages() -> None:
    missing = [package for program, package in _NEEDED.items() if shutil.which(program) is None]
    if not _CHINESE_FONT.exists():
        missing.append("fonts-noto-cjk")
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"not installed, so some tests will skip: {', '.join(missing)}", file=sys.stderr)
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=False, env=environment, stdout=subprocess.DEVNULL)
    done = subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
        check=False,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    if done.returncode:
        print(f"apt could not install {', '.join(missing)}: some tests will skip", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
