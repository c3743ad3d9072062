"""A shop whose segments run live in this process, under a clock that the test turns."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for
from shopkeeper.app.live_turns import LiveTurns
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.segment.document import to_document
from shopkeeper.segment.line import parse
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_sqlite import SqliteLog

_STEPS = ("person", "product_fact", "basket", "person_habit", "profile", "segments")


class LiveShop:
    """The parts of a worker that run segments live, each done when told."""

    def __init__(self, folder: Path, at: datetime) -> None:
        self.at = at
        self.shop = Shop.open(folder, clock=lambda: self.at)
        self.log = SqliteLog(folder / LOG_FILE)
        self.store = LiveStore(folder / LIVE_FILE)
        self.reader = LiveReader(self.log, self.shop.state.identifiers, self.store, lines_for(self.shop))
        self.turns = LiveTurns(self.shop, self.reader.keep_days)
        self._sent = 0

    def publish(self, **rules: str) -> None:
        for name, rule in rules.items():
            tree = to_document(parse(rule))
            labels = {"label_en": name, "label_zh": name}
            self.shop.state.segments.save(name, tree, **labels, by="t", now=self.at, published=True)

    def send(self, event: str, user: str | None = None, **more: Any) -> None:
        self._sent += 1
        message: Mapping[str, Any] = {"type": "track", "event": event, "messageId": f"m{self._sent}"}
        self.message({**message, **({"userId": user} if user else {}), **more})

    def message(self, message: Mapping[str, Any], *, is_live: bool = True) -> None:
        taken = accept([dict(message)], Door("app", self.shop.tokens, self.at, is_live=is_live))
        self.log.append([Batch("app", self.at.timestamp(), taken.entries)])

    def read(self) -> None:
        while self.reader.step():
            pass

    def look(self) -> None:
        """Goes on until there is nothing more to do."""
        self.turns.step()
        self.turns.wait()
        for _ in range(1000):
            if not self.turns.step() and self.turns.is_settled:
                return
            self.turns.wait()
        raise AssertionError("the segments do not come to rest")

    def turn(self, **later: float) -> None:
        self.at += timedelta(**later)
        self.read()
        self.look()

    def said(self, name: str | None = None) -> list[tuple[str, str, str]]:
        """Segment and kind of every change, with its cause."""
        return [(each.segment, each.kind, each.cause) for each in self.shop.state.live_segments.changes(name)]

    def run(self, as_of: date | None = None) -> None:
        """The steps of a run that segments rest on."""
        run(self.shop, _STEPS, as_of=as_of)

    def person(self, user: str) -> str:
        return self.shop.state.identifiers.person(f"app:{self.shop.tokens.token('user', user)}")

    def inside(self, name: str) -> set[str]:
        return set(self.shop.state.live_segments.in_segment(name))

    def close(self) -> None:
        self.turns.close()
        self.store.close()
        self.log.close()
        self.shop.close()


@contextmanager
def live_shop(folder: Path, at: datetime) -> Iterator[LiveShop]:
    """Makes a shop, or opens the one that is there."""
    if not folder.exists():
        init(folder, {"engine.memory_limit": "500MB", "chain.time_zone": "Asia/Shanghai"}).close()
    made = LiveShop(folder, at)
    try:
        yield made
    finally:
        made.close()
