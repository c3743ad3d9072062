"""Refused events come in after a fix of the tracking plan, once."""

import json
import os
import time
from pathlib import Path

import httpx
import pytest

from shopkeeper.app.api_key import create_key
from shopkeeper.app.shop import init, open_shop
from shopkeeper.cli.main import main
from tests.service import serving

STRICT = 'unknown_events = "refuse"\n'


def _replayed(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    capsys.readouterr()
    main(["refused", "replay", "event", "--source", "app", "--shop", str(folder), "--json"])
    found: dict[str, int] = json.loads(capsys.readouterr().out)
    return {name: found[name] for name in ("received", "stored", "duplicate", "refused")}


def _names(folder: Path) -> list[str]:
    with open_shop(folder) as shop:
        return [name for (name,) in shop.query("SELECT name FROM event ORDER BY name").fetchall()]


def test_a_refused_event_is_taken_in_after_the_plan_was_mended_and_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shop"
    with init(folder, {"engine.memory_limit": "500MB"}) as shop:
        _, key = create_key(shop, ["collect"], source="app", user_kind="member_no")
        member = shop.tokens.token("member_no", "u1")
    plan = folder / "tracking.toml"
    plan.write_text(STRICT)
    settings = {"SHOPKEEPER_COLLECT__LOAD_SECONDS": "0.5", "SHOPKEEPER_SCHEDULE__ENABLED": "false"}
    with serving(folder, os.environ | settings) as (_, url):
        message = {"event": "Wheel Spun", "userId": "u1", "messageId": "w1"}
        told = httpx.post(f"{url}/v1/track", json=message, auth=(key, "")).json()
        assert (told["refused"], told["results"][0]["reason"]) == (1, "unplanned_event")
        _wait_until(lambda: _refused(folder) == ["unplanned_event"])
        assert _replayed(folder, capsys) == {"received": 1, "stored": 0, "duplicate": 0, "refused": 1}
        plan.write_text(STRICT + '\n[events."Wheel Spun"]\n')
        assert _replayed(folder, capsys) == {"received": 1, "stored": 1, "duplicate": 0, "refused": 0}
        assert _replayed(folder, capsys) == {"received": 0, "stored": 0, "duplicate": 0, "refused": 0}
        _wait_until(lambda: _names(folder) == ["Wheel Spun"])
    with open_shop(folder) as shop:
        assert shop.query("SELECT user_id FROM event").fetchall() == [(member,)]


def _refused(folder: Path) -> list[str]:
    with open_shop(folder) as shop:
        return [reason for (reason,) in shop.query("SELECT reason FROM refused WHERE state = 'open'").fetchall()]


def _wait_until(holds: object, within: float = 30.0) -> None:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if holds():  # type: ignore[operator]
            return
        time.sleep(0.2)
    raise AssertionError("it did not come about in time")
