"""The reader of the log that keeps live state: no doubling after a kill, rebuilt byte for byte, merges in between."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
import pytest

from shopkeeper.app.live import Lines, LiveReader, live_lines, rebuild
from shopkeeper.base.clock import microseconds
from shopkeeper.base.errors import StorageError
from shopkeeper.collect.orders import Days
from shopkeeper.identity.link import kind_of
from shopkeeper.profile.live import decode_live, join
from shopkeeper.profile.live_view import LiveView, live_view
from shopkeeper.schema.event import Event, Identifier
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.live_queue import set_aside
from shopkeeper.storage.log import Batch, Entry, Stored, offset_of
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_sqlite import SqliteLog
from shopkeeper.storage.state import State

START = datetime(2026, 3, 1, 4, tzinfo=UTC)
LINES = partial(live_lines, days=Days("Asia/Shanghai"))


def token(prefix: str, number: int) -> str:
    return f"{prefix}_{number:024}"


def entry(event: Event) -> Entry:
    return Entry(event.source, event.message_id, b"0" * 16, msgspec.json.encode(event))


def happened(number: int, name: str | None = "Product Viewed", **more: object) -> Event:
    at = START + timedelta(seconds=number)
    base: dict[str, object] = {
        "source": "web", "message_id": f"m{number}", "type": "track", "name": name, "occurred_at": at, "received_at": at
    }  # fmt: skip
    return Event(**{**base, **more})  # type: ignore[arg-type]


def put(log: SqliteLog, events: Sequence[Event], *, at_once: int = 50) -> None:
    for place in range(0, len(events), at_once):
        some = events[place : place + at_once]
        log.append([Batch("web", some[-1].received_at.timestamp(), tuple(entry(each) for each in some))])


def shopping(number: int, people: int, seed: int = 7) -> list[Event]:
    """Visits of some people: browsers, sign-ins, phones, orders."""
    chance = random.Random(seed)  # noqa: S311 - events of a test
    found = []
    for place in range(number):
        who = chance.randrange(people)
        browser, user = token("ck", who), token("us", who // 2)
        kind = chance.random()
        product = f"p{chance.randrange(50)}"
        if kind < 0.7:
            event = happened(place, anonymous_id=browser, product_id=product, channel="web")
        elif kind < 0.8:
            event = happened(place, "Product Added", anonymous_id=browser, properties={"product_id": product})
        elif kind < 0.9:
            phone = Identifier("phone", token("ph", who // 3))
            event = happened(
                place, None, type="identify", anonymous_id=browser, user_id=user, identifiers=(phone,),
                is_verified=chance.random() < 0.5, source=chance.choice(["web", "app"]),
            )  # fmt: skip
        else:
            paid = [{"product_id": product, "price": 3.5, "quantity": 2}]
            event = happened(
                place, "Order Completed", user_id=user, channel="web", is_verified=True,
                properties={"order_id": f"o{place}", "products": paid},
            )  # fmt: skip
        found.append(event)
    return found


@contextmanager
def reading(folder: Path, lines: Lines = LINES) -> Iterator[tuple[LiveReader, LogReader, LiveStore]]:
    with (
        LogReader(folder / "log.db") as log,
        State.open(f"sqlite:///{folder / 'state.db'}") as state,
        closing(LiveStore(folder / "live.db")) as store,
    ):
        state.upgrade()
        yield LiveReader(log, state.identifiers, store, lines), log, store


def contents(folder: Path) -> dict[str, bytes]:
    store = LiveStore(folder / "live.db", reads_only=True)
    try:
        return dict(store.records())
    finally:
        store.close()


def persons(folder: Path) -> dict[str, str]:
    with State.open(f"sqlite:///{folder / 'state.db'}") as state:
        names = [token(kind, number) for kind in ("ck", "us", "ph") for number in range(100)]
        return {each.token: each.person_id for each in state.identifiers.known(names)}


def caught_up(folder: Path) -> None:
    with reading(folder) as (reader, log, store):
        while store.position() < log.end():
            reader.step()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "one"
    made.mkdir()
    return made


def view_of(folder: Path, person: str) -> LiveView:
    with State.open(f"sqlite:///{folder / 'state.db'}") as state:
        store = LiveStore(folder / "live.db", reads_only=True)
        _, found = store.person(state.identifiers.records(state.identifiers.person(person)))
        store.close()
    now = microseconds(START + timedelta(hours=1))
    return live_view(
        join(decode_live(each) for each in found.values()), now, microseconds(START), START.date().toordinal()
    )


def test_browsing_a_sign_in_and_a_till_receipt_are_one_person(folder: Path) -> None:
    browser, user, phone = token("ck", 1), token("us", 1), Identifier("phone", token("ph", 1))
    log = SqliteLog(folder / "log.db")
    paid = {"order_id": "o1", "products": [{"product_id": "tea", "price": "9.90"}]}
    put(
        log,
        [
            happened(1, anonymous_id=browser, product_id="tea"),
            happened(2, "Product Added", anonymous_id=browser, properties={"product_id": "tea"}),
            happened(
                3, None, type="identify", anonymous_id=browser, user_id=user, is_verified=True, identifiers=(phone,)
            ),
            happened(4, "Product Added", user_id=user, properties={"product_id": "milk", "quantity": 2}),
            happened(5, "Coupon Redeemed", source="till", user_id=phone.token, properties={"coupon_id": "c1"}),
            happened(6, "Door Opened", source="door"),
        ],
        at_once=1,
    )
    log.close()
    caught_up(folder)
    found = view_of(folder, f"web:{user}")
    assert found == view_of(folder, f"web:{browser}") == view_of(folder, f"till:{phone.token}")
    assert found.today == {"Coupon Redeemed": 1, "Product Added": 2, "Product Viewed": 1, "identify": 1}
    assert [(each.product_id, each.quantity) for each in found.cart] == [("milk", 20_000), ("tea", 10_000)]
    log = SqliteLog(folder / "log.db")
    put(log, [happened(7, "Order Completed", source="till", user_id=phone.token, is_verified=True, properties=paid)])
    log.close()
    caught_up(folder)
    found = view_of(folder, f"web:{user}")
    assert found.cart == ()
    assert (found.rfm.orders[30], found.rfm.monetary[365]) == (1, 99_000)


def test_a_killed_reader_goes_on_and_doubles_nothing(folder: Path, tmp_path: Path) -> None:
    events = shopping(10_000, 60)
    for each in (folder, tmp_path / "control"):
        each.mkdir(exist_ok=True)
        log = SqliteLog(each / "log.db")
        put(log, events, at_once=400)
        log.close()
    caught_up(tmp_path / "control")
    chance = random.Random(3)  # noqa: S311 - events of a test
    killed = 0
    for _ in range(6):
        command = [sys.executable, "-m", "tests.app.live_writer", str(folder)]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ})
        assert running.stdout is not None
        began = running.stdout.readline()
        if began:
            try:
                running.wait(chance.random() * 0.15)
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                killed += 1
        running.wait()
        running.stdout.close()
        if not began:
            break
    assert killed
    caught_up(folder)
    assert contents(folder) == contents(tmp_path / "control")
    assert persons(folder) == persons(tmp_path / "control")


def test_rebuilt_from_the_log_it_is_the_same_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    log = SqliteLog(folder / "log.db")
    events = shopping(6_000, 40)
    for place in range(0, len(events), 1_000):
        put(log, events[place : place + 1_000])
        caught_up(folder)
    before, who = contents(folder), persons(folder)
    assert len(before) > 40
    with State.open(f"sqlite:///{folder / 'state.db'}") as state:
        assert rebuild(log, state.identifiers, folder / "live.db", LINES) == log.end()
    assert contents(folder) == before
    assert persons(folder) == who
    # The control: one event less is seen.
    other = tmp_path / "other"
    other.mkdir()
    less = SqliteLog(other / "log.db")
    put(less, events[:-1])
    less.close()
    caught_up(other)
    assert contents(other) != before
    log.close()


def test_batches_of_any_size_and_order_give_the_same_people(tmp_path: Path) -> None:
    events = shopping(2_000, 20)
    found = []
    for seed, at_once in ((1, 7), (2, 400), (3, 1_999)):
        place = tmp_path / f"order{seed}"
        place.mkdir()
        shuffled = list(events)
        random.Random(seed).shuffle(shuffled)  # noqa: S311 - events of a test
        log = SqliteLog(place / "log.db")
        for start in range(0, len(shuffled), 500):
            put(log, shuffled[start : start + 500], at_once=at_once)
            caught_up(place)
        log.close()
        who = persons(place)
        views = {person: view_of(place, person) for person in set(who.values())}
        found.append((who, views))
    assert found[0] == found[1] == found[2]
    assert len(found[0][1]) < len(found[0][0])


def test_who_is_behind_reads_each_batch_about_once(folder: Path) -> None:
    """Each step reads little more than it takes: what it read beyond, the next would read again."""

    class Counting(LogReader):
        batches = 0

        def read(self, after: int, most: int = 500) -> list[Stored]:
            found = super().read(after, most)
            Counting.batches += len(found)
            return found

    log = SqliteLog(folder / "log.db")
    put(log, [happened(number, anonymous_id=token("ck", number % 9)) for number in range(9_000)], at_once=100)
    with (
        Counting(folder / "log.db") as counting,
        State.open(f"sqlite:///{folder / 'state.db'}") as state,
        closing(LiveStore(folder / "live.db")) as store,
    ):
        state.upgrade()
        reader = LiveReader(counting, state.identifiers, store, LINES)
        while store.position() < log.end():
            reader.step()
    log.close()
    assert 90 <= Counting.batches < 150


def test_a_log_that_was_trimmed_too_far_is_said_not_skipped(folder: Path) -> None:
    with SqliteLog(folder / "log.db") as log:
        put(log, shopping(300, 5))
        log.trim(3)
    with reading(folder) as (reader, _, store):
        with pytest.raises(StorageError, match="begins at 4, live state ends at 0"):
            reader.step()
        assert store.position() == 0


@pytest.mark.parametrize("quantity", [1e20, "1e20", 2**62, -1e22, "Infinity", "sNaN", "1e19"])
def test_a_quantity_that_no_cart_holds_stops_nobody(folder: Path, quantity: object) -> None:
    said = {"product_id": "p1", "quantity": quantity}
    with SqliteLog(folder / "log.db") as log:
        put(log, [happened(1, "Product Added", anonymous_id=token("ck", 1), properties=said)])
        put(log, [happened(2, anonymous_id=token("ck", 2))])
    with reading(folder) as (reader, _, store):
        reader.step()
        assert (store.position(), set_aside(store.file)) == (2, [])
        (blob,) = store.read([f"web:{token('ck', 1)}"]).values()
        assert decode_live(blob).touches()[0].items == (("p1", 10_000),)


def test_what_no_state_can_keep_is_set_aside_and_the_rest_of_its_record_goes_on(folder: Path) -> None:
    def lines(event: Event) -> list[dict[str, object]]:
        sold = Decimal("1e20") if event.message_id == "m2" else Decimal(1)
        own = {"order_id": event.message_id, "line_no": 1, "product_id": "p", "store_id": "s", "customer_id": None}
        at = {"business_day": event.occurred_at.date(), "ordered_at": event.occurred_at}
        return [own | at | {"source": "web", "quantity": sold, "net_amount": sold}]

    with SqliteLog(folder / "log.db") as log:
        put(log, [happened(number, "Order Completed", anonymous_id=token("ck", 1)) for number in (1, 2, 3)])
    with reading(folder, lines) as (reader, _, store):
        assert not reader.step()
        (blob,) = store.read([f"web:{token('ck', 1)}"]).values()
        assert [touch.lines[0].order_id for touch in decode_live(blob).touches()] == ["m1", "m3"]
        (aside,) = set_aside(store.file)
        assert (aside.part, aside.place, aside.at) == ("event", str(offset_of(1, 1)), int(START.timestamp()) + 2)


def test_kinds_of_identifiers_are_told_by_their_tokens() -> None:
    assert [kind_of(token(prefix, 1)) for prefix in ("us", "ph", "ck")] == ["user", "phone", "cookie"]
