"""One person as the API gives them: the row of the serving set and live state as of now; no table of the lake."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.pages.person import Record
from shopkeeper.app.pages.personal import MASKED, Personal
from shopkeeper.app.pages.reading import AS_OF
from shopkeeper.app.pages.scores import Score
from shopkeeper.app.person_now import PersonNow, folded, live_document, record_parts
from shopkeeper.app.serving import SERVING_FILE, Served, traits_of
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError
from shopkeeper.base.money import MONEY_PLACES
from shopkeeper.collect.people import subject
from shopkeeper.privacy.reveal import masked_of
from shopkeeper.profile.now import Ever, Totals, live_baskets, totals_now
from shopkeeper.schema.traits import TRAITS
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.serving import ServingSet

__all__ = ["Persons", "now_document"]

_Opened = TypeVar("_Opened", ServingSet, LiveStore)
_DECODER = msgspec.json.Decoder(Served)


class Persons:
    """Reads persons of one shop, from any thread; each keeps its files open and looks whether they were replaced.

    Args:
        shop: The shop.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._held = threading.local()
        self._opened: set[ServingSet | LiveStore] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Closes what every thread opened; none may read any more."""
        with self._lock:
            while self._opened:
                self._opened.pop().close()

    def document(self, person_id: str, *, with_scores: bool) -> dict[str, Any] | None:
        """Gives what is known of a person, to somebody who sees the whole chain.

        Args:
            person_id: The person, or one that became part of another.
            with_scores: Whether what models foresee is told.

        Returns:
            The document; None where no run has made a serving set yet.

        Raises:
            MissingError: There is no such person.
        """
        serving = self._serving()
        if serving is None:
            return None
        who, records = self._shop.state.identifiers.fold(person_id)
        ids = tuple(dict.fromkeys((who, person_id, *records)))
        bodies = serving.read(ids)
        rows = [_DECODER.decode(bodies[each]) for each in ids if each in bodies]
        live = self._live(who, records)
        if not rows and live is None:
            raise MissingError("there is no such person", next_step="look for the id in the list of people")
        as_of = date.fromisoformat(serving.marks[AS_OF])
        known = [record for row in rows for record in row.records]
        told = tuple(Personal(kind, MASKED) for record in known for kind in record.kinds.split(",") if kind)
        held = masked_of(self._shop.vault, (subject(record.source, record.customer_id) for record in known))
        return {
            "person_id": who,
            "as_of": as_of if rows else None,
            "records": _records(rows, live),
            "traits": traits_of(rows[0]) if rows else {},
            "scores": _scores(rows[0]) if rows and with_scores else [],
            "personal": list(dict.fromkeys((*told, *held))),
            "now": now_document(self._totals(rows, live, as_of, serving), self._shop.today()),
            "live": None if live is None else live_document(live),
        }

    def _totals(self, rows: Sequence[Served], live: PersonNow | None, as_of: date, serving: ServingSet) -> Totals:
        return totals_now(
            [basket for row in rows for basket in row.baskets],
            live_baskets(() if live is None else live.lines, serving.uncounted),
            _ever(rows),
            as_of.toordinal() if rows else None,
            self._shop.today().toordinal(),
        )

    def _serving(self) -> ServingSet | None:
        found: ServingSet | None = getattr(self._held, "serving", None)
        if found is not None and found.is_current():
            return found
        if found is not None:
            self._let_go(found)
        self._held.serving = opened = None
        with suppress(MissingError):
            self._held.serving = opened = self._kept(ServingSet(self._shop.folder / SERVING_FILE))
        return opened

    def _live(self, who: str, records: Sequence[str]) -> PersonNow | None:
        held: tuple[int, LiveStore] | None = getattr(self._held, "live", None)
        file = self._shop.folder / LIVE_FILE
        number = _number(file)
        if held is None or held[0] != number:
            if held is not None:
                self._let_go(held[1])
            self._held.live = held = None
            if number is None:
                return None
            try:
                held = self._held.live = (number, self._kept(LiveStore(file, reads_only=True)))
            except MissingError:
                return None
        found = folded(self._shop, held[1], who, records)
        return None if found is None else found[0]

    def _kept(self, opened: _Opened) -> _Opened:
        with self._lock:
            self._opened.add(opened)
        return opened

    def _let_go(self, opened: ServingSet | LiveStore) -> None:
        with self._lock:
            self._opened.discard(opened)
        opened.close()


def now_document(totals: Totals, today: date) -> dict[str, Any]:
    """Totals as programs read them: days, amounts in the shop's currency, by window (`30d`, `ever`)."""
    first, last = totals.first_purchase_on, totals.last_purchase_on
    return {
        "as_of": today,
        "orders": _by_window(totals.orders),
        "monetary": {name: _amount(paid) for name, paid in _by_window(totals.monetary).items()},
        "first_purchase_on": None if first is None else date.fromordinal(first),
        "last_purchase_on": None if last is None else date.fromordinal(last),
        "recency_days": totals.recency_days,
    }


def _by_window(found: Mapping[int, int]) -> dict[str, int]:
    return {f"{days}d" if days else "ever": number for days, number in found.items()}


def _records(rows: Sequence[Served], live: PersonNow | None) -> list[Record]:
    found = sorted((each.source, each.customer_id, each.method) for row in rows for each in row.records)
    known = {(source, customer_id) for source, customer_id, _ in found}
    parts = [record_parts(record) for record in live.records] if live is not None else []
    return [*(Record(*each) for each in found), *(Record(*each, "live") for each in parts if each not in known)]


def _scores(row: Served) -> list[Score]:
    found = [
        Score(each.model, each.subject, each.as_of, each.value, each.decile, each.reasons or (), each.reasons_zh or ())
        for each in row.scores
        if each.value is not None
    ]
    return sorted(found, key=lambda score: (score.model, -score.value))


def _ever(rows: Sequence[Served]) -> Ever:
    found = [dict(zip(TRAITS, row.traits, strict=False)) for row in rows]
    firsts = [traits["first_purchase_on"] for traits in found if traits["first_purchase_on"]]
    lasts = [traits["last_purchase_on"] for traits in found if traits["last_purchase_on"]]
    return Ever(
        sum(traits["orders_ever"] for traits in found),
        sum(int(Decimal(traits["monetary_ever"]).scaleb(MONEY_PLACES)) for traits in found),
        date.fromisoformat(min(firsts)).toordinal() if firsts else None,
        date.fromisoformat(max(lasts)).toordinal() if lasts else None,
    )


def _amount(whole: int) -> Decimal:
    return Decimal(whole).scaleb(-MONEY_PLACES)


def _number(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return None
