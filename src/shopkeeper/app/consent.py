"""Consent: the shop's ledger and gate, what the sample says, and the ledger's snapshot for audiences."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from shopkeeper.app.said import without_identifiers
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.traces import barred_person, mark_of, records_of
from shopkeeper.base.errors import UsageError
from shopkeeper.collect.people import subject
from shopkeeper.identity.link import record_id
from shopkeeper.privacy.consent import Ledger, Standing
from shopkeeper.privacy.gate import Gate, Recipient
from shopkeeper.schema.consent import SAMPLE_SOURCE
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.iceberg import arrow_schema
from shopkeeper.storage.state.consents import ConsentChange, ConsentText

__all__ = [
    "ConsentPage",
    "add_sample_consents",
    "change_consent",
    "consent_page",
    "gate_of",
    "ledger_of",
    "make_consents",
    "recipient_of",
    "set_automated_decisions",
]

_SAMPLE_TEXT = "sample-1"
_CONSOLE_TEXT = "console-1"
_TEXTS = {
    ("en", _SAMPLE_TEXT): "Sample data: I agree to receive offers and news.",
    ("zh", _SAMPLE_TEXT): "示例数据：我同意接收营销信息。",
    ("en", _CONSOLE_TEXT): "The person said so to a member of staff, who noted it in the console.",
    ("zh", _CONSOLE_TEXT): "会员当面或致电向员工表示，由员工在控制台记录。",
}
_GIVEN, _TAKEN_BACK = 60, 6  # of a hundred people and channel, in the sample
_SAMPLE_CHANNELS = ("sms", "email", "wechat")


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """What is shown of a person's consent.

    Args:
        standings: How the person stands to each purpose on each channel.
        history: All changes with their evidence, the newest first.
        may_decide: Whether machines may decide about the person.
        is_sample: Whether any of it was made up by a sample.
    """

    standings: tuple[Standing, ...]
    history: tuple[ConsentChange, ...]
    may_decide: bool
    is_sample: bool


def ledger_of(shop: Shop) -> Ledger:
    """The consent ledger."""
    return Ledger(
        shop.state.consents,
        shop.state.flags,
        lambda person_id: bool(shop.vault.tombstoned(subjects=[barred_person(person_id)])),
    )


def gate_of(shop: Shop) -> Gate:
    """The one gate of what may be sent."""
    return Gate(ledger_of(shop), shop.vault)


def recipient_of(shop: Shop, person_id: str) -> Recipient:
    """A person as the gate wants them: with all their records.

    Raises:
        MissingError: There is no such person.
    """
    return Recipient(person_id, tuple(subject(*record) for record in records_of(shop, person_id)))


def consent_page(shop: Shop, person_id: str) -> ConsentPage:
    """Gives how a person stands, and why."""
    ledger = ledger_of(shop)
    history = tuple(ledger.history(person_id))
    return ConsentPage(
        tuple(ledger.standings(person_id, now=now(shop))),
        history,
        ledger.may_decide(person_id),
        any(change.source == SAMPLE_SOURCE for change in history),
    )


def change_consent(
    shop: Shop,
    person_id: str,
    purpose: str,
    channel: str,
    *,
    granted: bool,
    by: str,
    source: str = "console",
    text_version: str | None = None,
    text_language: str | None = None,
    occurred_at: datetime | None = None,
    evidence: dict[str, str] | None = None,
    message_id: str | None = None,
) -> ConsentChange:
    """Gives or withdraws consent for a person and leaves an audit row.

    Args:
        shop: The shop.
        person_id: Who.
        purpose: For what.
        channel: By which channel.
        granted: Whether it is given.
        by: Who notes it.
        source: Where it was said.
        text_version: Version of the text shown; from the console that of what staff may note.
        text_language: Its language.
        occurred_at: When it was said; now by default.
        evidence: What else proves it.
        message_id: Id of the message that brought it.

    Raises:
        ForbiddenError: The person was erased.
        MissingError: There is no such person.
        UsageError: The purpose or channel is not declared, or the instant lies ahead.
    """
    records_of(shop, person_id)
    at = now(shop)
    if occurred_at is not None and granted and occurred_at > at + timedelta(minutes=5):
        raise UsageError(f"{occurred_at.isoformat()} is not yet", next_step="give the instant at which it was said")
    version = text_version
    if version is None and source == "console":
        version = _CONSOLE_TEXT
        _keep_texts(shop, _CONSOLE_TEXT)
    ledger = ledger_of(shop)
    call = ledger.give if granted else ledger.withdraw
    change = call(
        person_id,
        purpose,
        channel,
        source=source,
        who=by,
        occurred_at=occurred_at or at,
        now=at,
        text_version=version,
        text_language=text_language or shop.settings.chain.language,
        evidence={name: without_identifiers(shop, said) for name, said in (evidence or {}).items()},
        message_id=message_id,
    )
    what = "consent.give" if granted else "consent.withdraw"
    shop.state.audit.append(by, what, mark_of(shop, person_id), now=at, detail={"purpose": purpose, "channel": channel})
    return change


def set_automated_decisions(shop: Shop, person_id: str, *, allowed: bool, by: str, source: str = "console") -> None:
    """Notes whether machines may decide about a person, and leaves an audit row.

    Raises:
        ForbiddenError: The person was erased.
        MissingError: There is no such person.
    """
    records_of(shop, person_id)
    at, ledger = now(shop), ledger_of(shop)
    call = ledger.allow_automated_decisions if allowed else ledger.stop_automated_decisions
    call(person_id, source=source, who=by, occurred_at=at, now=at)
    what = "decisions.allow" if allowed else "decisions.stop"
    shop.state.audit.append(by, what, mark_of(shop, person_id), now=at)


def make_consents(shop: Shop, as_of: date) -> pa.Table:
    """Gives the ledger as the table `consent`, for audiences; the gate always asks the ledger itself."""
    del as_of  # an audience at an instant looks at what was said up to it
    schema = arrow_schema(declared_table("consent"))
    names = ("person_id", "purpose", "channel", "occurred_at", "refused", "text_version", "source")
    parts = []
    for rows in shop.state.consents.batches():
        columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        columns["granted"] = [not refused for refused in columns.pop("refused")]
        parts.append(
            pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema)
        )
    return pa.concat_tables(parts) if parts else schema.empty_table()


def add_sample_consents(shop: Shop) -> int:
    """Makes up what a sample's people agreed to, marked as sample data, and says how many changes; twice adds none."""
    _keep_texts(shop, _SAMPLE_TEXT)
    query = Query.from_sql("SELECT source, customer_id FROM customer ORDER BY source, customer_id", name="records")
    rows = zip(*(shop.arrow(query)[name].to_pylist() for name in ("source", "customer_id")), strict=True)
    return shop.state.consents.add(_sample_changes(shop, rows))


def _sample_changes(shop: Shop, records: Iterator[tuple[str, str]]) -> Iterator[ConsentChange]:
    at, language = now(shop), shop.settings.chain.language
    begun = datetime(2017, 1, 1, tzinfo=UTC)
    for source, customer_id in records:
        person = record_id(source, customer_id)
        for channel in _SAMPLE_CHANNELS:
            drawn = hashlib.sha256(f"{person} {channel}".encode()).digest()
            if drawn[0] % 100 >= _GIVEN:
                continue
            said = begun + timedelta(minutes=int.from_bytes(drawn[1:3]))
            for granted in (True, False) if drawn[3] % 100 < _TAKEN_BACK else (True,):
                yield ConsentChange(
                    person,
                    "marketing",
                    channel,
                    granted=granted,
                    source=SAMPLE_SOURCE,
                    who=SAMPLE_SOURCE,
                    occurred_at=said if granted else said + timedelta(days=30),
                    recorded_at=at,
                    text_version=_SAMPLE_TEXT,
                    text_language=language,
                    evidence={"sample": "made up"},
                    message_id=f"sample {person} {channel} {granted}",
                )


def _keep_texts(shop: Shop, version: str) -> None:
    for (language, name), body in _TEXTS.items():
        if name == version:
            shop.state.consents.put_text(ConsentText(version, language, "marketing", body, "shopkeeper", now(shop)))
