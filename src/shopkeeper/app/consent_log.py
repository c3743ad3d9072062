"""Changes of consent among events reach the ledger, each once; the gate asks the ledger alone."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from shopkeeper.app.log import logger
from shopkeeper.app.log_keeper import LogKeeper
from shopkeeper.app.shop import now
from shopkeeper.app.traces import barred_by, barred_person
from shopkeeper.collect.event_table import logged_events, without_erased
from shopkeeper.collect.orders import CONSENT_WORD, consents
from shopkeeper.identity.link import link, record_id
from shopkeeper.schema.consent import consent_fault
from shopkeeper.schema.event import Event
from shopkeeper.storage.log import Stored
from shopkeeper.storage.state.consents import ConsentChange

__all__ = ["READER", "ConsentKeeper"]

READER = "consent"
"""What its position is noted under."""


class ConsentKeeper(LogKeeper):
    """Reads the log for what people agreed to and withdrew.

    A change is noted under the record that it came with: whoever that record belongs to, now or later, it holds for.
    """

    reader = READER

    def _keep(self, batches: Sequence[Stored]) -> bool:
        said = [one for one in logged_events(batches, CONSENT_WORD) if consents(one.event)]
        if said:
            # Nobody is erased between the look at the tombstones and the note.
            with self._shop.state.identifiers.alone():
                known = without_erased(said, barred_by(self._shop))
                self._shop.state.consents.add(self._changes(one.event for one in known))
        return bool(said)

    def _changes(self, events: Iterable[Event]) -> Iterator[ConsentChange]:
        for event in events:
            record = link(event, {}).record
            if record is None or not event.is_verified:
                continue
            person = record_id(event.source, record)
            for row in consents(event):
                fault = consent_fault(row["purpose"], row["channel"], row["text_version"], granted=row["granted"])
                if fault is not None:
                    # The door refuses these by now; older ones stay in the log and the lake.
                    logger("consent").warning("a consent without proof is left out", field=fault[0], why=fault[1])
                elif not self._shop.vault.tombstoned(subjects=[barred_person(person)]):
                    yield _change(person, row, event, now(self._shop))


def _change(person_id: str, row: dict[str, object], event: Event, at: datetime) -> ConsentChange:
    language = event.properties.get("language")
    reason = event.properties.get("reason")
    version = row["text_version"]
    return ConsentChange(
        person_id,
        str(row["purpose"]),
        str(row["channel"]),
        granted=bool(row["granted"]),
        source=event.source,
        who=f"key of {event.source}",
        occurred_at=event.occurred_at,
        recorded_at=at,
        text_version=None if version is None else str(version),
        text_language=language if isinstance(language, str) else None,
        evidence={"event": event.name or ""} | ({"reason": reason} if isinstance(reason, str) else {}),
        message_id=event.message_id,
    )
