"""Refused rows and events go when they are older than the settings allow, and no others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkeeper.app.retention import retain
from shopkeeper.app.shop import init, open_shop
from shopkeeper.app.upkeep import maintain_shop
from shopkeeper.schema.query import Query
from tests.shop import fill

AT = datetime(2026, 3, 1, tzinfo=UTC)
AGES = (1, 29, 31, 400)


@pytest.mark.parametrize(("days", "left"), [(0, 4), (30, 2), (1000, 4)])
def test_what_is_older_than_the_settings_allow_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, left: int
) -> None:
    for name in ("KEEP_REFUSED_DAYS", "KEEP_EVENT_DAYS"):
        monkeypatch.setenv(f"SHOPKEEPER_PRIVACY__{name}", str(days))
    init(tmp_path / "shop").close()
    with open_shop(tmp_path / "shop", clock=lambda: AT) as shop:
        event = {"source": "app", "type": "track", "received_at": AT}
        fill(shop, "event", [event | {"message_id": f"m{n}", "occurred_at": AT - timedelta(days=n)} for n in AGES])
        refused = {"table_name": "order_line", "source": "till", "reason": "required", "state": "open"}
        rows = [refused | {"refused_id": f"r{n}", "refused_at": AT - timedelta(days=n), "masked_value": "138****8000"}
                for n in AGES]  # fmt: skip
        fill(shop, "refused", rows)
        for n in AGES:
            shop.vault.keep_body(f"r{n}", b'{"cells": {}}', now=AT - timedelta(days=n))
        done = retain(shop, AT)
        assert sum(done.values()) == 2 * (4 - left)
        query = Query.from_sql("SELECT count(*) AS n FROM event", name="events")
        assert shop.arrow(query)["n"].to_pylist() == [left]
        query = Query.from_sql("SELECT count(*) AS n FROM refused WHERE masked_value IS NOT NULL", name="refused")
        assert shop.arrow(query)["n"].to_pylist() == [left]
        assert len([*shop.vault.bodies()]) == left
        maintain_shop(shop)
        assert len([*shop.vault.bodies()]) == left
