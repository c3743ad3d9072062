"""The worker: what reads the log, and the jobs of the schedule, until it is told to stop.

It has two halves, which may be two processes. The live half must never wait; the half that loads writes files, merges
them and runs what the schedule says, and takes a processor for seconds while it does.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from random import Random
from typing import Any

from shopkeeper.app.consent_log import ConsentKeeper
from shopkeeper.app.event_log import reader_of
from shopkeeper.app.heartbeat import Heartbeat
from shopkeeper.app.ingest import Loader, Pace
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for
from shopkeeper.app.live_rebuild import is_lost, rebuild_live
from shopkeeper.app.live_turns import LiveTurns
from shopkeeper.app.log import logger
from shopkeeper.app.map_seed import Seeder
from shopkeeper.app.readers import Reader, Readers
from shopkeeper.app.safe_keep import SafeKeeper
from shopkeeper.app.schedule import Worker
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.traces import barred_by
from shopkeeper.app.web_hooks import door_of, send_due
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.live_lock import live_lock
from shopkeeper.storage.log_reader import LogReader

__all__ = ["work"]

_LOOKS_EVERY = 0.5
_LIVE_RESTS = 0.1
_SEGMENTS_REST = 0.25
"""Long enough that a step under load has hundreds of events, since each waits for the disk, and far below a second."""
_HOOKS_REST = 0.25


def work(
    shop: Shop, told: threading.Event, *, is_live: bool = True, loads: bool = True, with_schedule: bool = True
) -> None:
    """Works until it is told to stop; ends after the work at hand.

    Args:
        shop: The shop.
        told: Set when it is to stop.
        is_live: Whether it keeps live state, live segments and what goes out of them.
        loads: Whether it takes the log into the lake and the vault.
        with_schedule: Whether it does the jobs of the schedule too, if it loads.

    Raises:
        MissingError: There is no log yet: the process that writes it is started first.
        ConflictError: Live state is being rebuilt.
    """
    with ExitStack() as stack:
        log = stack.enter_context(reader_of(shop))
        hearts = [stack.enter_context(_kept_live(shop, log))] if is_live else []
        if loads:
            hearts.append(stack.enter_context(_loading(shop, log)))
        if loads and with_schedule and shop.settings.schedule.enabled:
            stack.enter_context(_scheduled(shop))
        while not told.wait(_LOOKS_EVERY):
            for heart in hearts:
                heart.beat()


@contextmanager
def _kept_live(shop: Shop, log: LogReader) -> Iterator[Heartbeat]:
    file = shop.folder / LIVE_FILE
    if is_lost(shop):
        logger("worker").info("live state is made anew", **asdict(rebuild_live(shop)))
    with live_lock(file), closing(LiveStore(file)) as live, closing(Seeder(shop)) as seeder:
        live_reader = LiveReader(log, shop.state.identifiers, live, lines_for(shop), barred=barred_by(shop))
        with closing(LiveTurns(shop, live_reader.keep_days)) as turns:
            readers = [
                Reader("live", live_reader.step, rest=_LIVE_RESTS),
                Reader("map", seeder.look, rest=0.2),
                Reader("consent", ConsentKeeper(shop, log).step, rest=0.2),
                Reader("segments", turns.step, rest=_SEGMENTS_REST),
                Reader("hooks", _sending(shop), rest=_HOOKS_REST),
            ]
            with _running(shop, "worker", readers) as heart:
                yield heart


@contextmanager
def _loading(shop: Shop, log: LogReader) -> Iterator[Heartbeat]:
    with closing(Loader(shop, log, Pace(seconds=shop.settings.collect.load_seconds))) as loader:
        readers = [
            Reader("vault", SafeKeeper(shop, log).step, rest=0.5),
            Reader("loader", loader.step, rest=1.0),
        ]
        with _running(shop, "loader", readers, lambda: {"loaded": loader.passed}) as heart:
            yield heart


@contextmanager
def _scheduled(shop: Shop) -> Iterator[None]:
    schedule = Worker(shop)
    thread = threading.Thread(target=schedule.run, name="schedule")
    thread.start()
    try:
        yield
    finally:
        schedule.stop()
        thread.join()


@contextmanager
def _running(
    shop: Shop, part: str, given: Sequence[Reader], says: Callable[[], Mapping[str, Any]] = dict
) -> Iterator[Heartbeat]:
    """Runs readers, with the heart that speaks of them."""
    readers = Readers(given)
    heart = Heartbeat(shop, part, lambda: {**_said_of(readers), **says()})
    readers.start()
    heart.beat()
    try:
        yield heart
    finally:
        readers.stop()
        heart.end()


def _said_of(readers: Readers) -> Mapping[str, Any]:
    """What the heartbeat says of each reader: its failures in a row, and how long ago a step ended well."""
    at = time.monotonic()
    return {
        "readers": {
            name: {"failures": pulse.failures, "seconds": round(at - pulse.at, 1)}
            for name, pulse in readers.pulses().items()
        }
    }


def _sending(shop: Shop) -> Callable[[], bool]:
    door, random = door_of(shop), Random()  # noqa: S311 - spreads retries

    def step() -> bool:
        return send_due(shop.state, shop.sealing, door, now=now(shop), random=random) > 0

    return step
