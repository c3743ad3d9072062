"""The demo: a sample into a new shop, every step, the report."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopkeeper.app.report import Report, report
from shopkeeper.app.report_document import report_document
from shopkeeper.app.run import Progress, run
from shopkeeper.app.sample import fill, settings_of
from shopkeeper.app.segment import add_starters
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.app.user import first_user
from shopkeeper.base.errors import AlreadyThereError
from shopkeeper.base.settings import FILE_NAME

__all__ = ["Demo", "demo"]

_USER = "admin"
_FILLING = ".filling"


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made.

    Args:
        report: The morning report.
        document: The report as one document, with the seconds it all took.
        currency: The sample's currency.
        user: Who may sign in.
        password: The password, when the shop was made just now.
    """

    report: Report
    document: Mapping[str, Any]
    currency: str
    user: str
    password: str | None


def demo(folder: Path, sample: str, language: str, progress: Progress | None = None) -> Demo:
    """Loads a sample into a new shop (or takes the one an earlier demo made), runs every step and reports.

    Raises:
        AlreadyThereError: There is another shop in the folder.
    """
    began = time.perf_counter()
    shop, password = _shop(folder, sample, language)
    with shop:
        if (folder / _FILLING).exists() or not shop.lake.snapshot("order_line"):
            _fill(shop, sample, progress)
        add_starters(shop)
        run(shop, progress=progress, by="demo")
        found = report(shop, language=language)
        document = report_document(shop, found, seconds=round(time.perf_counter() - began, 1))
        return Demo(found, document, shop.settings.chain.currency, _USER, password)


def _shop(folder: Path, sample: str, language: str) -> tuple[Shop, str | None]:
    """The shop, and where it is new the password of its first user."""
    if not (folder / FILE_NAME).exists():
        shop = init(folder, settings_of(sample, language))
        return shop, first_user(shop, _USER)
    shop = open_shop(folder)
    if shop.settings.chain.sample != sample:
        held = shop.settings.chain.sample or "data of its own"
        shop.close()
        raise AlreadyThereError(
            f"the shop in {folder} holds {held}, not {sample}", next_step="name another folder with --shop"
        )
    return shop, None


def _fill(shop: Shop, sample: str, progress: Progress | None) -> None:
    """Fills the shop; one that was killed meanwhile is filled again, from the start."""
    mark = shop.folder / _FILLING
    mark.touch()
    fill(shop, sample, progress)
    mark.unlink()
