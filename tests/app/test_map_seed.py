"""What files say of identifiers joins live events; batch and live say the same of who is who."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkeeper.app import map_seed
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.forget import forget
from shopkeeper.app.lake_erasure import erase_from_lake
from shopkeeper.app.live import LIVE_FILE, LiveReader, lines_for
from shopkeeper.app.load import load
from shopkeeper.app.map_seed import Seeder, seed
from shopkeeper.app.person_lookup import lookup
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import MissingError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.privacy.reach import Traces
from shopkeeper.schema.query import Query
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_sqlite import SqliteLog

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)


class World:
    """A shop with its log, whose clock goes on a minute with each thing that happens."""

    def __init__(self, folder: Path) -> None:
        self.minutes = count(1)
        self.at = NOW
        init(folder / "shop", {"chain.time_zone": "Asia/Shanghai", "engine.memory_limit": "500MB"}).close()
        self.shop = Shop.open(folder / "shop", clock=self._clock)
        self.folder = folder
        self.log = SqliteLog(self.shop.folder / LOG_FILE)

    def _clock(self) -> datetime:
        return self.at

    def file(self, *rows: tuple[str, str, str], source: str, table: str = "order_line", channel: str = "") -> None:
        """Loads a file of tickets: customer, phone, card."""
        self.at += timedelta(minutes=1)
        name = self.folder / f"{next(self.minutes)}.csv"
        mapping = self.folder / "m.toml"
        mapping.write_text(
            f'table = "order_line"\nsource = "{source}"\n[columns]\norder_id = "o"\ncustomer_id = "c"\n'
            'product_id = "p"\nstore_id = "s"\nordered_at = "t"\nquantity = "q"\nnet_amount = "n"\nchannel = "ch"\n'
            '[identifiers]\nphone = "phone"\ncard = "card"\n',
            encoding="utf-8",
        )
        lines = [
            f"{name.stem}-{place},{customer},p1,s1,2026-11-20 10:00,1,5,{channel or 'store'},{phone},{card}"
            for place, (customer, phone, card) in enumerate(rows)
        ]
        name.write_text("\n".join(["o,c,p,s,t,q,n,ch,phone,card", *lines]), encoding="utf-8")
        done = load(self.shop, table, [str(name)], source=source, mapping=mapping)
        assert done.refused == 0, done.reasons

    def events(self, *messages: dict[str, Any], source: str = "app", is_browser: bool = False) -> None:
        """Sends events and has live state read them."""
        self.at += timedelta(minutes=1)
        named = [{"messageId": f"m{next(self.minutes)}", **message} for message in messages]
        taken = accept(named, Door(source, self.shop.tokens, self.at, is_browser=is_browser))
        assert not taken.refusals, taken.refusals
        self.log.append([Batch(source, self.at.timestamp(), taken.entries)])
        with closing(LiveStore(self.shop.folder / LIVE_FILE)) as live:
            reader = LiveReader(
                self.log,
                self.shop.state.identifiers,
                live,
                lines_for(self.shop),
                barred=lambda tokens: self.shop.vault.tombstoned(tokens=tokens),
            )
            while reader.step():
                pass

    def people(self) -> dict[str, str]:
        """The person of each record now, as the batch has it."""
        query = Query.from_sql("SELECT source, customer_id, person_id FROM person WHERE valid_to IS NULL", name="who")
        return {f"{row['source']}:{row['customer_id']}": row["person_id"] for row in self.shop.arrow(query).to_pylist()}

    def stays(self) -> list[tuple[str, str, datetime, datetime | None]]:
        """Every stay of every record, by record and time."""
        query = Query.from_sql("SELECT source, customer_id, person_id, valid_from, valid_to FROM person", name="stays")
        rows = self.shop.arrow(query).to_pylist()
        found = [(f"{r['source']}:{r['customer_id']}", r["person_id"], r["valid_from"], r["valid_to"]) for r in rows]
        return sorted(found, key=lambda stay: (stay[0], stay[2]))

    def of(self, kind: str, raw: str) -> str | None:
        """Who has an identifier, by the map."""
        found = self.shop.state.identifiers.known([self.shop.tokens.token(kind, raw)])
        return found[0].person_id if found else None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.shop, made.log:
        yield made


def _identify(user: str, phone: str) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "traits": {"phone": phone}}


def test_a_phone_of_a_file_joins_the_event_that_carries_it_and_the_run_says_the_same(world: World) -> None:
    world.file(("007", "13812345678", "C7"), ("008", "13812345679", ""), source="till")
    assert world.of("phone", "13812345678") == world.of("card", "C7") == "till:007"
    world.events(_identify("ann", "13812345678"), {"type": "track", "event": "Cart Viewed", "userId": "ann"})
    ann = f"app:{world.shop.tokens.token('user', 'ann')}"
    assert world.shop.state.identifiers.person(ann) == "till:007"
    assert lookup(world.shop, "phone", "13812345678", by="test") == ("till:007",)
    run(world.shop, until="person")
    assert world.people() == {"till:007": "till:007", "till:008": "till:008", ann: "till:007"}


def test_two_files_are_one_person_with_history_and_counts_that_are_not_doubled(world: World) -> None:
    world.file(("007", "13812345678", "C7"), source="till")
    run(world.shop, until="person")
    first = world.at
    world.file(("M1", "13812345678", ""), ("M1", "", "C9"), source="crm")
    run(world.shop, until="profile")
    ever, linked = datetime(1970, 1, 1, tzinfo=UTC), first + timedelta(minutes=1)
    assert world.stays() == [
        ("crm:M1", "crm:M1", ever, None),
        ("till:007", "till:007", ever, linked),
        ("till:007", "crm:M1", linked, None),
    ]
    profiles = Query.from_sql("SELECT person_id, orders_ever FROM profile", name="profiles")
    assert world.shop.arrow(profiles).to_pylist() == [{"person_id": "crm:M1", "orders_ever": 3}]
    steps = {step.name: step.skipped for step in run(world.shop, until="profile").steps}
    assert (steps["person_merge"], steps["person"], steps["profile"]) == (True, True, True)


def test_only_what_came_is_read_and_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    whole = map_seed.link_loaded

    def counted(each: Any) -> Any:
        taken.append(each.customer_id)
        return whole(each)

    monkeypatch.setattr(map_seed, "link_loaded", counted)
    world.file(("1", "13800000001", ""), ("2", "13800000002", ""), source="till")
    world.file(("2", "13800000002", "C2"), ("3", "13800000003", ""), source="till")
    assert sorted(taken) == ["1", "2", "2", "3"]
    # What an erasure leaves of a state is no news.
    world.shop.vault.bar(tokens=[world.shop.tokens.token("phone", "13800000003")])
    erase_from_lake(world.shop.lake, world.shop.duckdb, Traces(("till:3",), (("till", "3"),), ()))
    before = world.shop.state.identifiers.version()
    seed(world.shop)
    assert (sorted(taken), world.shop.state.identifiers.version()) == (["1", "2", "2", "3"], before)
    # The state it was read up to may be gone: then all is read, and nothing changes.
    world.shop.state.identifiers.note_seeded(4711)
    seed(world.shop)
    assert sorted(taken) == ["1", "1", "2", "2", "2", "3"]
    assert world.shop.state.identifiers.version() == before


def test_a_seeder_that_dies_between_two_slices_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_seed, "_RECORDS_AT_ONCE", 1)
    monkeypatch.setattr("shopkeeper.app.load.seed", lambda _: None)
    world.file(*((str(n), f"1380000000{n}", f"C{n // 2}") for n in range(6)), source="till")
    dying = Seeder(world.shop)
    assert dying.step()
    assert dying.step()
    other = Seeder(world.shop)
    assert not other.step()  # one at a time
    dying.close()
    assert world.shop.state.identifiers.seeded() == 0
    seed(world.shop)
    assert {world.of("card", f"C{n}") for n in range(3)} == {"till:0", "till:2", "till:4"}
    assert world.of("phone", "13800000005") == "till:4"
    run(world.shop, until="person")
    assert world.people() == {f"till:{n}": f"till:{n - n % 2}" for n in range(6)}


def test_a_platforms_number_links_nobody(world: World) -> None:
    world.file(("7", "13812345678", ""), source="till")
    world.file(("A1", "13812345678", ""), source="platform", channel="marketplace")
    assert world.of("phone", "13812345678") == "till:7"
    run(world.shop, until="person")
    assert world.people() == {"till:7": "till:7", "platform:A1": "platform:A1"}


def test_what_a_browser_says_makes_no_loaded_person_its_own(world: World) -> None:
    world.file(("007", "13812345678", ""), source="till")
    world.events(_identify("eve", "13812345678"), source="web", is_browser=True)
    assert world.of("phone", "13812345678") == "till:007"
    assert world.of("user", "eve") != "till:007"


def test_who_was_erased_does_not_come_back_by_file_or_map(world: World) -> None:
    world.file(("007", "13812345678", "C7"), ("008", "13812345679", ""), source="till")
    world.file(("M1", "", "C7"), source="crm")
    run(world.shop, until="person")
    assert world.people()["till:007"] == "crm:M1"
    world.log.close()  # an erasure writes it, too
    # By either of the names the person ever had.
    receipt = forget(world.shop, "till:007", by="test", wait=timedelta(0))
    assert receipt.removed["lake"]["person"] == 3
    for kind, raw in (("phone", "13812345678"), ("card", "C7")):
        assert world.of(kind, raw) is None
    assert list(world.shop.state.identifiers.moves()) == []
    world.file(("007", "13812345678", "C7"), ("009", "13812345678", ""), source="till")
    run(world.shop, until="person")
    assert world.of("phone", "13812345678") is None
    assert world.people() == {"till:008": "till:008", "till:009": "till:009"}
    with pytest.raises(MissingError, match="erased"):
        forget(world.shop, "crm:M1", by="test", wait=timedelta(0))


PHONES = [f"1381234567{n}" for n in range(4)]
FILES = st.lists(
    st.tuples(st.sampled_from("123"), st.sampled_from(["", *PHONES]), st.sampled_from(["", "C1", "C2"])),
    min_size=1,
    max_size=3,
)
LINKS = st.lists(
    st.tuples(st.sampled_from(["ann", "bob"]), st.sampled_from(PHONES), st.booleans()), min_size=1, max_size=3
)
STEP = st.one_of(st.tuples(st.sampled_from(["till", "crm"]), FILES), st.tuples(st.just(""), LINKS))


@settings(max_examples=2)
@given(st.lists(STEP, min_size=2, max_size=4))
def test_batch_and_live_say_the_same_of_who_is_who(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[str, Any]]
) -> None:
    world = World(tmp_path_factory.mktemp("who"))
    with world.shop, world.log:
        for place, (source, rows) in enumerate(steps):
            if source:
                world.file(*rows, source=source)
            else:
                for user, phone, is_browser in rows:
                    world.events(_identify(user, phone), source="web", is_browser=is_browser)
            if place % 2 or place == len(steps) - 1:
                _agree(world)


def _agree(world: World) -> None:
    identifiers = world.shop.state.identifiers
    try:
        run(world.shop, until="person")
    except MissingError:
        return  # nothing was bought yet
    people = world.people()
    assert people == {record: identifiers.person(record) for record in people}
    known = set(people.values())
    moved = {move.record_id: move.into_id for move in identifiers.moves() if move.until is None}
    assert {record for record, person in moved.items() if person in known} <= set(people)
    stays = world.stays()
    for (record, _, _, ended), (following, _, began, _) in pairwise(stays):
        assert (ended == began) if record == following else (ended is None)
    assert stays[-1][3] is None
