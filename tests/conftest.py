"""What all tests share: Hypothesis profiles, which tests keep to one process, and no skip in CI that nobody allowed."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

pytest_plugins = ["tests.spark_cluster", "tests.made_shops"]

_ALLOWED = Path(__file__).with_name("skips.txt")
_SHARED = (
    # What takes long to make is made in one process, and all tests that ask for it run there.
    ({"journey", "little_chain"}, "chains"),
    ({"spark_tests"}, "spark"),
    ({"address", "chromium"}, "console"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the tests of a file in one process, and those of all files that share something costly."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        group = next((name for fixtures, name in _SHARED if asked & fixtures), str(item.path))
        item.add_marker(pytest.mark.xdist_group(group))


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
