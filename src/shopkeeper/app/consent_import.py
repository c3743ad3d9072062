"""Consents of a file go into the ledger: each row with its proof, the others refused and kept."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from shopkeeper.app.person_now import record_parts
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.traces import barred_person
from shopkeeper.base.clock import zone
from shopkeeper.collect.consent_file import ConsentFault, ConsentRow, columns_of, read_row
from shopkeeper.collect.reader import Batch, Reader
from shopkeeper.collect.receipt import Receipt
from shopkeeper.collect.refused import Turned, Waiting, add_refused, open_refused, settle_refused, turned_rows
from shopkeeper.collect.source import open_source
from shopkeeper.identity.link import record_id
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Column, Table, Type
from shopkeeper.storage.state.consents import ConsentChange

__all__ = ["import_consents", "replay_consents"]

_TABLE = "consent"
_BY_ID = ("person_id", "customer_id")
_NAMED = Table(
    "named",
    "one customer record that a row names",
    (Column("source", Type.STRING, "Its source"), Column("customer_id", Type.STRING, "Its id")),
    (),
)
_KNOWN = " UNION ".join(
    f"SELECT n.source, n.customer_id FROM named AS n SEMI JOIN {table} AS t "
    "ON t.source = n.source AND t.customer_id = n.customer_id"
    for table in ("customer", "identifier", "person", "basket")
)


@dataclass
class _Counts:
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    turned: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)


def import_consents(shop: Shop, files: Sequence[str], *, source: str, by: str) -> Receipt:
    """Notes what the rows of files say: received = stored + duplicate + refused.

    A row needs a person that is known, what for, by which channel, whether they agree, and when they said so; one that
    agrees needs the version of the text that was shown. Notes of before stay: the last word by its time holds.

    Args:
        shop: The shop.
        files: Paths of CSV, Parquet, JSON lines or Excel files.
        source: Where it was said, for rows that do not say so.
        by: Who notes it.

    Raises:
        DataError: A file names nobody, or not what they said.
        MissingError: There is no such file.
    """
    began, counts = time.monotonic(), _Counts()
    readers = [open_source(name) for name in files]
    columns = [columns_of(reader.headers, reader.name) for reader in readers]
    for reader, chosen in zip(readers, columns, strict=True):
        _take(shop, reader, chosen, counts, source=source, by=by)
    receipt = _receipt(counts, time.monotonic() - began)
    told = {"source": source, "stored": receipt.stored, "refused": receipt.refused}
    shop.state.audit.append(by, "consent.import", ", ".join(each.name for each in readers), now=now(shop), detail=told)
    return receipt


def replay_consents(shop: Shop, *, source: str, ids: Sequence[str] = ()) -> Receipt:
    """Lets refused rows in again, such as those of persons who were not known then; the others keep waiting."""
    began, counts = time.monotonic(), _Counts()
    waiting = open_refused(shop.duckdb, shop.vault, table=_TABLE, source=source, ids=ids)
    if waiting:
        reader = Waiting(waiting, ())
        columns = columns_of(reader.headers, reader.name)
        _take(shop, reader, columns, counts, source=source, by="replay", kept=[dict(row.cells) for row in waiting])
    done = sorted({row.refused_id for row in waiting} - counts.turned)
    settle_refused(shop.lake, shop.duckdb, shop.vault, done, now(shop))
    return _receipt(counts, time.monotonic() - began)


def _receipt(counts: _Counts, seconds: float) -> Receipt:
    refused = counts.reasons.total()
    return Receipt(
        _TABLE, counts.received, counts.stored, 0, counts.duplicate, refused, dict(counts.reasons), seconds=seconds
    )


def _take(
    shop: Shop,
    reader: Reader | Waiting,
    columns: dict[str, str],
    counts: _Counts,
    *,
    source: str,
    by: str,
    kept: Sequence[dict[str, str | None]] = (),
) -> None:
    """Takes the rows of a reader; `kept` are those of a replay as the vault has them, so that they keep their ids."""
    for batch in reader.batches():
        turned = [Turned(one.number, [("", one.reason, "")], {"": one.text}) for one in batch.broken]
        counts.received += batch.rows.num_rows + len(turned)
        rows = _read(shop, batch, columns, source, turned)
        changes, erased = _Persons(shop, [row for _, _, row in rows]).changes(rows, turned, reader.name, by)
        new = shop.state.consents.add(changes)
        counts.stored += new
        counts.duplicate += len(changes) - new
        turned = [replace(each, cells=kept[each.number - 1]) for each in turned] if kept else turned
        counts.reasons.update(each.reason for each in turned)
        counts.reasons.update({"erased": erased} if erased else {})
        _keep_refused(shop, turned, counts, source, reader.name)


_Read = tuple[int, dict[str, str | None], ConsentRow]


def _read(shop: Shop, batch: Batch, columns: dict[str, str], source: str, turned: list[Turned]) -> list[_Read]:
    at, clock, found = now(shop), zone(shop.settings.chain.time_zone), []
    for number, cells in zip(batch.numbers.to_pylist(), batch.rows.to_pylist(), strict=True):
        try:
            found.append((number, cells, read_row(cells, columns, source=source, zone=clock, now=at)))
        except ConsentFault as fault:
            turned.append(Turned(number, [(fault.column, fault.reason, fault.header)], cells))
    return found


class _Persons:
    """Who the rows name: looked up for all of them at once."""

    def __init__(self, shop: Shop, rows: Sequence[ConsentRow]) -> None:
        self._shop = shop
        self._tokens = {
            (row.named_by, row.name): found[0]
            for row in rows
            if row.named_by not in _BY_ID and (found := shop.tokens.pair(row.named_by, row.name)) is not None
        }
        known = shop.state.identifiers.known(set(self._tokens.values()))
        self._of_token = {one.token: one.person_id for one in known}
        records = {_record(row) for row in rows if row.named_by in _BY_ID}
        self._records = self._known(records)
        subjects = {barred_person(person) for person in (*self._of_token.values(), *map(_id, records))}
        self._gone = shop.vault.tombstoned(subjects=subjects, tokens=set(self._tokens.values()))

    def changes(
        self, rows: Iterable[_Read], turned: list[Turned], file_name: str, by: str
    ) -> tuple[list[ConsentChange], int]:
        """Gives the changes, adds to `turned` what is refused, and counts the rows of who was erased, kept nowhere."""
        at, language, found, erased = now(self._shop), self._shop.settings.chain.language, [], 0
        for number, cells, row in rows:
            token = self._tokens.get((row.named_by, row.name))
            person = _id(_record(row)) if row.named_by in _BY_ID else self._of_token.get(token or "")
            if self._gone & {token, barred_person(person or "")}:
                erased += 1
            elif person is None or (row.named_by in _BY_ID and _record(row) not in self._records):
                reason = f"not_a_{row.named_by}" if token is None and row.named_by not in _BY_ID else "unknown_person"
                turned.append(Turned(number, [(row.named_by, reason, row.header)], cells))
            else:
                found.append(
                    ConsentChange(
                        person,
                        row.purpose,
                        row.channel,
                        granted=row.granted,
                        source=row.source,
                        who=by,
                        occurred_at=row.occurred_at,
                        recorded_at=at,
                        text_version=row.text_version,
                        text_language=row.text_language or language,
                        evidence={"file": file_name, "row": number},
                        message_id=row.message_id,
                    )
                )
        return found, erased

    def _known(self, records: set[tuple[str, str]]) -> set[tuple[str, str]]:
        if not records:
            return set()
        named = pa.table([[source for source, _ in records], [id_ for _, id_ in records]], ["source", "customer_id"])
        found = self._shop.duckdb.arrow(
            Query.from_sql(_KNOWN, name="named records", inputs=(_NAMED,)), {"named": named}
        )
        linked = self._shop.state.identifiers.persons([record_id(*record) for record in records])
        moved = {record for record in records if record_id(*record) in linked}
        return moved | set(zip(found["source"].to_pylist(), found["customer_id"].to_pylist(), strict=True))


def _record(row: ConsentRow) -> tuple[str, str]:
    return record_parts(row.name) if row.named_by == "person_id" else (row.customer_source, row.name)


def _id(record: tuple[str, str]) -> str:
    return record_id(*record)


def _keep_refused(shop: Shop, turned: Sequence[Turned], counts: _Counts, source: str, file_name: str) -> None:
    if not turned:
        return
    listed, bodies = turned_rows(
        turned,
        table=_TABLE,
        source=source,
        file_name=file_name,
        tokens=shop.tokens,
        now=now(shop),
        seen=counts.seen,
    )
    shop.vault.keep_bodies(bodies, now=now(shop))
    add_refused(shop.lake, shop.duckdb, listed, {"shopkeeper.source": source, "shopkeeper.step": "consent import"})
    counts.turned.update(listed["refused_id"].to_pylist())
