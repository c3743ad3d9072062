"""The tracking plan is followed while the service runs."""

from pathlib import Path

import pytest

from shopkeeper.app.doctor import diagnose
from shopkeeper.app.plan_file import PlanFile
from shopkeeper.app.shop import init
from shopkeeper.base.errors import FaultsError

_ALLOWS, _REFUSES = 'unknown_events = "allow"\n', 'unknown_events = "refuse"\n'


class _Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_changed_plan_holds_a_second_later_at_most(tmp_path: Path) -> None:
    seconds, file = _Seconds(), tmp_path / "tracking.toml"
    plans = PlanFile(tmp_path, seconds=seconds)
    assert plans.plan().allows_all
    file.write_text(_REFUSES)
    seconds.now = 0.9
    assert plans.plan().allows_all  # not looked at so soon
    seconds.now = 1.1
    assert not plans.plan().allows_all
    file.unlink()
    seconds.now = 3
    assert plans.plan().allows_all


def test_of_a_wrong_plan_the_one_before_stays_and_the_log_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds, file = _Seconds(), tmp_path / "tracking.toml"
    file.write_text(_REFUSES)
    plans = PlanFile(tmp_path, seconds=seconds)
    kept = plans.plan()
    for number, wrong in enumerate(("unknown_events = 7\n", "not toml", "\udcff"), 1):
        file.write_bytes(wrong.encode("utf-8", "surrogateescape"))
        seconds.now = 2.0 * number
        assert plans.plan() is kept
        seconds.now += 1.5
        plans.plan()
        assert "".join(capsys.readouterr()).count("the one before it stays") == 1
    file.write_text(_ALLOWS)
    seconds.now = 20
    assert plans.plan().allows_all


def test_a_service_that_begins_with_a_wrong_plan_takes_nothing_until_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "tracking.toml"
    file.write_text("unknown_events = 7\n")
    plans = PlanFile(tmp_path)
    with pytest.raises(FaultsError):
        plans.plan()
    file.write_text(_REFUSES)
    assert not plans.plan().allows_all


def test_the_doctor_says_what_is_wrong_with_a_plan(tmp_path: Path) -> None:
    with init(tmp_path / "shop") as shop:
        found = {finding.what: finding for finding in diagnose(shop)}["tracking plan"]
        assert found.ok
        (shop.folder / "tracking.toml").write_text("unknown_events = 7\n")
        found = {finding.what: finding for finding in diagnose(shop)}["tracking plan"]
        assert not found.ok
        assert "unknown_events" in found.found
