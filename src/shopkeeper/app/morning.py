"""Makes the morning report and keeps it in the shop folder, for the worker."""

import json
from pathlib import Path

from shopkeeper.app.report import report
from shopkeeper.app.report_document import report_document
from shopkeeper.app.shop import Shop

__all__ = ["make_morning_report"]


def make_morning_report(shop: Shop) -> Path:
    """Writes the chain's report of the last day as JSON to `reports/DATE.json`."""
    found = report(shop)
    folder = shop.folder / "reports"
    folder.mkdir(exist_ok=True)
    target = folder / f"{found.morning.as_of}.json"
    beside = target.with_suffix(".part")
    beside.write_text(json.dumps(report_document(shop, found), default=str, ensure_ascii=False), encoding="utf-8")
    beside.replace(target)
    return target
