"""People as segments that run live see them: live state, and what the last run knew, each happening once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from shopkeeper.app.live_history import TRAITS_NOTE
from shopkeeper.base.clock import microseconds
from shopkeeper.profile.live import Line, LiveState, Touch, decode_live, join
from shopkeeper.profile.live_view import lines_of
from shopkeeper.schema.table import Type
from shopkeeper.schema.traits import TRAITS
from shopkeeper.segment.history import Happening, Permission, Person, Redemption, Scored, Stay
from shopkeeper.segment.need import DAY_TRAITS, Need
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.live_history import LiveHistory
from shopkeeper.storage.state.consents import Consents

__all__ = ["People"]

_LINES = msgspec.json.Decoder(list[Line])
_REDEMPTIONS = msgspec.json.Decoder(list[Redemption])
_EVENTS = msgspec.json.Decoder(list[tuple[int | None, Happening]])
_SCORES = msgspec.json.Decoder(list[Scored])
_STAYS = msgspec.json.Decoder(list[Stay])
_VALUES = msgspec.msgpack.Decoder(list[Any])
_FIRSTS = frozenset({"first_purchase_on", "first_visit_on", "registered_at"})
_READ: Mapping[Type, Callable[[Any], Any]] = {Type.DATE: date.fromisoformat, Type.MONEY: Decimal, Type.MAP: dict}

Part = Mapping[str, bytes | str]


class People:
    """Puts people together from what is known of their records.

    Args:
        live: Live state.
        history: What the last run knew; None before there is any.
        consents: The ledger.
        need: What is asked for; the rest is left out.
    """

    def __init__(self, live: LiveStore, history: LiveHistory | None, consents: Consents, need: Need) -> None:
        self._live = live
        self._history = history
        self._consents = consents
        self._need = need
        names: list[str] = (history.note(TRAITS_NOTE) if history else None) or []
        self._traits = [(name, _READ.get(TRAITS[name].type)) for name in names]

    def of(self, records: Mapping[str, Sequence[str]], failed: Callable[[str, Exception], None]) -> dict[str, Person]:
        """Gives people.

        Args:
            records: The records that each person is the fold of.
            failed: Told of each person who cannot be put together.
        """
        every = {record for own in records.values() for record in own} | set(records)
        blobs = self._live.read(every) if self._need.days else {}
        parts = {part: self._part(part, every) for part in ("profile", *dict(self._need.days), *self._others())}
        permissions = self._permissions(every)
        found = {}
        for who, own in records.items():
            try:
                found[who] = self._person(who, [who, *(each for each in own if each != who)], blobs, parts, permissions)
            except Exception as error:  # noqa: BLE001 - one person who cannot be read must not stop the others
                failed(who, error)
        return found

    def _others(self) -> list[str]:
        wanted = (("score", self._need.models), ("segment_member", self._need.segments))
        return [part for part, names in wanted if names]

    def _part(self, part: str, every: Collection[str]) -> Part:
        return self._history.read(part, every) if self._history is not None else {}

    def _permissions(self, every: Collection[str]) -> Mapping[str, list[Permission]]:
        found: dict[str, list[Permission]] = {}
        if self._need.consents:
            for each in self._consents.of_people(every):
                row = Permission(each.purpose, each.channel, each.granted, microseconds(each.occurred_at))
                found.setdefault(each.person_id, []).append(row)
        return found

    def _person(
        self,
        who: str,
        own: Sequence[str],
        blobs: Mapping[str, bytes],
        parts: Mapping[str, Part],
        permissions: Mapping[str, list[Permission]],
    ) -> Person:
        states = [decode_live(blobs[record]) for record in own if record in blobs]
        touches = _touches(states)
        read = partial(_rows, own=own)
        return Person(
            person_id=who,
            profile=self._profile(own, parts["profile"]),
            lines=_lines(touches, read(_LINES, parts.get("order_line"))) if self._need.days_of("order_line") else (),
            events=self._events(touches, read(_EVENTS, parts.get("event"))) if self._need.days_of("event") else (),
            redemptions=read(_REDEMPTIONS, parts.get("redemption")),
            scores=read(_SCORES, parts.get("score")),
            stays=read(_STAYS, parts.get("segment_member")),
            permissions=[each for record in own for each in permissions.get(record, ())],
        )

    def _profile(self, own: Sequence[str], part: Part) -> dict[str, Any]:
        """The row of the person; of one who was several at the last run, the earliest and latest days of all."""
        profile: dict[str, Any] = {}
        for record in own:
            body = part.get(record)
            if not isinstance(body, bytes):
                continue
            for (name, read), value in zip(self._traits, _VALUES.decode(body), strict=True):
                if value is None:
                    continue
                known = read(value) if read is not None else value
                before = profile.setdefault(name, known)
                if name in DAY_TRAITS and before != known:
                    profile[name] = min(before, known) if name in _FIRSTS else max(before, known)
        return profile

    def _events(self, touches: Sequence[Touch], older: Sequence[tuple[int | None, Happening]]) -> list[Happening]:
        names = self._need.events
        found = [
            Happening(
                each.at, each.type, each.name, each.product_id, each.store_id, each.channel, each.query, each.value
            )
            for each in touches
            if names is None or each.name in names
        ]
        if older:
            known = {each.offset for each in touches}
            found += [row for offset, row in older if offset is None or offset not in known]
        return found


def _touches(states: Sequence[LiveState]) -> list[Touch]:
    if not states:
        return []
    return (states[0] if len(states) == 1 else join(states)).touches()


def _lines(touches: Sequence[Touch], loaded: Sequence[Line]) -> list[Line]:
    """The lines of both, each once: an order that came as an event is in the lake too, as it was settled there."""
    found = {(line.source, line.order_id, line.line_no): line for line in lines_of(touches, known=loaded)}
    found |= {(line.source, line.order_id, line.line_no): line for line in loaded}
    return list(found.values())


def _rows(decoder: Any, part: Part | None, own: Sequence[str]) -> list[Any]:
    if not part:
        return []
    return [row for record in own if record in part for row in decoder.decode(part[record])]
