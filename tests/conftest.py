"""What all tests share: Hypothesis profiles, and no skip in CI that nobody allowed."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

pytest_plugins = ["tests.spark_cluster"]

_ALLOWED = Path(__file__).with_name("skips.txt")


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
