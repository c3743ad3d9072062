"""What all tests share: Hypothesis profiles, which tests keep to one process, and no skip in CI that nobody allowed."""

import gc
import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("default", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

pytest_plugins = ["tests.spark_cluster", "tests.made_shops"]

_ALLOWED = Path(__file__).with_name("skips.txt")
_ROOT = Path(__file__).parents[1]
_COSTLY = {
    # What takes long to make is made in one process, and all files whose tests ask for it, in these words, run there.
    "chains": ("tests.spark_cluster", "journey: Shop", "little_chain: Shop", '"little_chain"'),
    "console": ("client: httpx.Client", "visitor: httpx.Client", "open_page: Opened"),
}


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps the tests of a file in one process, and those of all files that share something costly."""

    def _split_scope(self, nodeid: str) -> str:
        return _group_of(nodeid.partition("::")[0])


@cache
def _group_of(file: str) -> str:
    text = (_ROOT / file).read_text(encoding="utf-8")
    for group, words in _COSTLY.items():
        if any(word in text for word in words):
            return group
    return file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Sharing | None:
    """Spreads tests over processes by file, but for what is shared."""
    return Sharing(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Takes what is loaded by now for no garbage: looking through it over and over takes a twentieth of the time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fails a CI run in which a test skipped for a reason that `skips.txt` does not list."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None or exitstatus not in (0, None):
        return
    allowed = [line for line in _ALLOWED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    skipped = [report for report in reporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)]
    unlisted = [report for report in skipped if not any(reason in report.longrepr[2] for reason in allowed)]
    for report in unlisted:
        reporter.write_line(f"skipped without leave: {report.nodeid}: {report.longrepr[2]}", red=True)
    if unlisted:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
