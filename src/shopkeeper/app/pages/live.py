"""How many people are in the segments that run live, and as of when that is known."""

from datetime import UTC, datetime
from typing import NamedTuple

from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.shop import Shop
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.document import from_document
from shopkeeper.segment.live_check import cannot_run_live
from shopkeeper.storage.live_queue import looked_at

__all__ = ["LiveSize", "live_sizes"]


class LiveSize(NamedTuple):
    """How many people are in a segment live, and as of when."""

    people: int
    at: datetime


def live_sizes(shop: Shop, catalogue: Catalogue) -> dict[str, LiveSize]:
    """Gives the sizes of the segments that run live, by name; nothing before the worker has looked at anybody."""
    at = looked_at(shop.folder / LIVE_FILE)
    if at is None:
        return {}
    sizes, moment = shop.state.live_segments.sizes(), datetime.fromtimestamp(at, UTC)
    return {
        saved.name: LiveSize(sizes.get(saved.name, 0), moment)
        for saved in shop.state.segments.all()
        if saved.published and not cannot_run_live(from_document(saved.tree), shop.today(), catalogue)
    }
