"""The vault: raw identifiers and free personal text, encrypted, each subject under a data key that erasure destroys."""

import hmac
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.storage.key_ring import KeyRing
from shopkeeper.storage.keys import Keys
from shopkeeper.storage.rekeyed_file import check_rekeys
from shopkeeper.storage.sealing import Sealing
from shopkeeper.storage.state.content import TableContent, content, copy_file, same_content
from shopkeeper.storage.state.failure import translated
from shopkeeper.storage.token_chain import Chain
from shopkeeper.storage.tombstones import Tombstones

__all__ = ["Put", "Vault", "bound"]

_Row = TypeVar("_Row")
_ROWS_AT_ONCE = 10_000
_NONCE = 12
_BUSY_SECONDS = 20

_SEALED = (
    "SELECT e.token, e.kind, e.sealed, s.mark, s.key_id, s.wrapped FROM entry e JOIN subject s ON s.id = e.subject"
)

_BODY = "SELECT refused_id, key_id, wrapped, sealed FROM body"

# WITHOUT ROWID keeps a row where its key is looked for. A subject and what is sealed for it go together.
_TABLES = """
CREATE TABLE IF NOT EXISTS subject (
    id INTEGER PRIMARY KEY, mark BLOB NOT NULL UNIQUE, key_id TEXT NOT NULL, wrapped BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS subject_key_id ON subject (key_id);
CREATE TABLE IF NOT EXISTS entry (
    token TEXT NOT NULL, subject INTEGER NOT NULL REFERENCES subject (id), kind TEXT NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (token, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_subject ON entry (subject);
CREATE TABLE IF NOT EXISTS body (
    refused_id TEXT PRIMARY KEY, kept_at TEXT NOT NULL, key_id TEXT NOT NULL, wrapped BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS body_kept_at ON body (kept_at);
"""
# How many rekeys its tokens are of stands in it, so that no copy of before is taken for one of now.
_REKEYS = """
CREATE TABLE token_key (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), rekeys INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Put:
    """What became of the values handed to `put_many`; the three add up to their number.

    Args:
        stored: New ones.
        known: The same token of the same subject was there.
        erased: Their subject or token bears a tombstone; they were left out.
    """

    stored: int
    known: int
    erased: int


class Vault:
    """The vault of one shop. Threads may share it; a forked process opens its own.

    Only `collect` and `privacy` may import this file, and only `privacy` reveals.

    Args:
        file: Its SQLite file.
        keys: The shop's keys.
        tombstones: The file of tombstones, outside every backup.
        ring: Gives the vault's keys as they are now; those of `keys` by default.
    """

    def __init__(self, file: Path, keys: Keys, tombstones: Path, ring: KeyRing | None = None) -> None:
        self._file = file
        self._fixed = Sealing(keys.vault)
        self._ring = ring
        self._mark_key = hmac.digest(keys.token.secret, b"shopkeeper vault subjects 1", "sha256")
        self._chain = Chain(keys.rekeys)
        self._tombstones = Tombstones(tombstones, keys.token, keys.rekeys)
        self._lock = threading.RLock()
        check_rekeys(file, len(keys.rekeys))
        self._connection = _connected(file, len(keys.rekeys))

    @classmethod
    def open(cls, file: Path, keys: Keys, *, tombstones: Path, ring: KeyRing | None = None) -> Self:
        """Opens a vault, making it where it is not there, and shreds what bears a tombstone.

        Raises:
            UnavailableError: The folder is not there.
            StorageError: The file cannot be read, or its tokens are of other keys than the shop's.
        """
        with translated(str(file)):
            vault = cls(file, keys, tombstones, ring)
        try:
            vault.apply_tombstones()
        except BaseException:
            vault.close()
            raise
        return vault

    def put_many(self, kind: str, subjects: Sequence[str], tokens: Sequence[str], raws: Sequence[str]) -> Put:
        """Keeps raw values, each under its token and its subject's data key.

        Args:
            kind: Their kind, as in `token.KINDS`.
            subjects: Whose they are, each: the record (`source` and `customer_id`) or, later, the person.
            tokens: Their tokens.
            raws: The values, normalised or as written.

        Returns:
            How many were stored, known before, or left out for a tombstone.

        Raises:
            UsageError: The three are not of one length.
            ConflictError: Another process kept the vault busy.
        """
        if not len(subjects) == len(tokens) == len(raws):
            raise UsageError(
                f"{len(subjects)} subjects, {len(tokens)} tokens, {len(raws)} values", next_step="align them"
            )
        rows = zip(subjects, tokens, raws, strict=True)
        stored = known = erased = 0
        for chunk in _chunks(rows, _ROWS_AT_ONCE):
            put = self._put(kind, chunk)
            stored, known, erased = stored + put.stored, known + put.known, erased + put.erased
        return Put(stored, known, erased)

    def reveal(self, token: str, *, subject: str | None = None) -> str:
        """Gives the raw value of a token; the caller has checked permission and written the audit row.

        Args:
            token: The token.
            subject: Whose form of it, where several subjects share it; else any one's.

        Raises:
            MissingError: The vault has none, or it was erased.
        """
        found = self.reveal_many([token], subject=subject)
        if token not in found:
            raise MissingError(f"the vault holds nothing for {token}", place=str(self._file), next_step="load it again")
        return found[token]

    def reveal_many(self, tokens: Iterable[str], *, subject: str | None = None) -> dict[str, str]:
        """Gives the raw values of tokens, those left out that the vault does not hold.

        Raises:
            StorageError: A value was altered.
            MissingError: The shop key that wraps it is gone.
        """
        query = f"{_SEALED} WHERE e.token = ? AND (? IS NULL OR s.mark = ?) ORDER BY e.subject LIMIT 1"
        mark = self._mark(subject) if subject is not None else None
        found = {}
        for token in tokens:
            with self._reading() as connection:
                row = connection.execute(query, (token, mark, mark)).fetchone()
            if row is not None:
                found[token] = self._opened(row)
        return found

    def of(self, subject: str) -> list[tuple[str, str, str]]:
        """Gives all that is kept of a subject: kind, token and raw value, for an access request.

        Raises:
            StorageError: A value was altered.
        """
        query = f"{_SEALED} WHERE s.mark = ? ORDER BY e.kind, e.token"
        with self._reading() as connection:
            rows = connection.execute(query, (self._mark(subject),)).fetchall()
        return [(row[1], row[0], self._opened(row)) for row in rows]

    def shred(self, subject: str) -> int:
        """Erases a subject: tombstones first, then its data key and all that was sealed under it.

        The subject and the tokens that nobody else holds bear a tombstone from then on. What was sealed cannot be
        opened again from this file; a restored older copy is shredded when it is opened.

        Returns:
            How many values were erased.
        """
        mark = self._mark(subject)
        alone = (
            "SELECT e.token FROM entry e JOIN subject s ON s.id = e.subject WHERE s.mark = ?"
            " AND NOT EXISTS (SELECT 1 FROM entry o WHERE o.token = e.token AND o.subject <> e.subject)"
        )
        with self._lock:
            with self._reading() as connection:
                tokens = [token for (token,) in connection.execute(alone, (mark,))]
            self._tombstones.add([mark.hex(), *tokens])
            erased = self._destroy([mark])
            self._forget_pages()
        return erased

    def tombstoned(self, *, subjects: Iterable[str] = (), tokens: Iterable[str] = ()) -> set[str]:
        """Gives those of the subjects and tokens that were erased and must not come back."""
        marks = {self._mark(subject).hex(): subject for subject in subjects}
        return self._tombstones.known(tokens) | {marks[mark] for mark in self._tombstones.known(marks)}

    def bar(self, *, subjects: Iterable[str] = (), tokens: Iterable[str] = ()) -> None:
        """Notes tombstones of what the vault itself may hold nothing of, such as a person's id or an anonymous one."""
        self._tombstones.add([*(self._mark(subject).hex() for subject in subjects), *tokens])

    def lift_tombstones(self, *, subjects: Iterable[str] = (), tokens: Iterable[str] = ()) -> None:
        """Lets subjects or tokens in again, for somebody who came back of their own will."""
        self._tombstones.lift([*(self._mark(subject).hex() for subject in subjects), *tokens])

    def apply_tombstones(self) -> int:
        """Shreds whatever bears a tombstone, as an older backup may hold it, and says how many values."""
        if not self._tombstones.current():
            return 0
        with self._lock:
            with self._reading() as connection:
                marks = [mark for (mark,) in connection.execute("SELECT mark FROM subject")]
                tokens = [token for (token,) in connection.execute("SELECT DISTINCT token FROM entry")]
            known = self._tombstones.known(mark.hex() for mark in marks)
            gone = self._tombstones.known(tokens)
            if not known and not gone:
                return 0
            erased = self._destroy([mark for mark in marks if mark.hex() in known])
            with self._writing() as connection:
                cursor = connection.executemany("DELETE FROM entry WHERE token = ?", [(token,) for token in gone])
                erased += max(cursor.rowcount, 0)
            self._forget_pages()
        return erased

    def keep_body(self, refused_id: str, body: bytes, *, now: datetime) -> None:
        """Keeps a refused row whole, for its replay; the same id again is left as it was."""
        self.keep_bodies([(refused_id, body)], now=now)

    def keep_bodies(self, bodies: Iterable[tuple[str, bytes]], *, now: datetime) -> int:
        """Keeps many refused rows and says how many are new."""
        kept_at, kept = _text(now), 0
        insert = "INSERT OR IGNORE INTO body (refused_id, kept_at, key_id, wrapped, sealed) VALUES (?, ?, ?, ?, ?)"
        for chunk in _chunks(iter(bodies), _ROWS_AT_ONCE):
            owners = [f"body|{refused_id}".encode() for refused_id, _ in chunk]
            sealing = self._sealing()
            keys = sealing.new_keys(owners)
            rows = [
                (refused_id, kept_at, sealing.key_id, wrapped, Sealing.seal(key, os.urandom(_NONCE), body, owner))
                for (refused_id, body), owner, (key, wrapped) in zip(chunk, owners, keys, strict=True)
            ]
            with self._writing() as connection:
                kept += connection.executemany(insert, rows).rowcount
        return kept

    def bodies_of(self, refused_ids: Iterable[str]) -> dict[str, bytes]:
        """Gives refused rows as they came, by id; those that are not kept, or not any more, are left out.

        Raises:
            StorageError: One was altered.
            MissingError: The shop key that wraps it is gone.
        """
        query = f"{_BODY} WHERE refused_id IN (SELECT value FROM json_each(?))"
        found: dict[str, bytes] = {}
        for chunk in _chunks(iter(refused_ids), _ROWS_AT_ONCE):
            with self._reading() as connection:
                rows = connection.execute(query, (json.dumps(chunk),)).fetchall()
            found.update(self._opened_body(row) for row in rows)
        return found

    def bodies(self) -> Iterator[tuple[str, bytes]]:
        """Gives all kept bodies by id, as an erasure must look through them."""
        last = ""
        query = f"{_BODY} WHERE refused_id > ? ORDER BY refused_id LIMIT 1000"
        while True:
            with self._reading() as connection:
                rows = connection.execute(query, (last,)).fetchall()
            if not rows:
                return
            for row in rows:
                yield self._opened_body(row)
            last = rows[-1][0]

    def drop_bodies(self, refused_ids: Iterable[str] = (), *, before: datetime | None = None) -> int:
        """Destroys bodies that were replayed, erased or kept since before an instant, and says how many."""
        with self._lock:
            with self._writing() as connection:
                named = [(refused_id,) for refused_id in refused_ids]
                dropped = max(connection.executemany("DELETE FROM body WHERE refused_id = ?", named).rowcount, 0)
                if before is not None:
                    dropped += connection.execute("DELETE FROM body WHERE kept_at < ?", (_text(before),)).rowcount
            self._forget_pages()
        return dropped

    def key_ids(self) -> dict[str, int]:
        """Gives how many data keys each shop key wraps; one that wraps none may be retired."""
        both = "SELECT key_id FROM subject UNION ALL SELECT key_id FROM body"
        query = f"SELECT key_id, count(*) FROM ({both}) GROUP BY key_id"
        with self._reading() as connection:
            return dict(connection.execute(query).fetchall())

    def rewrap(self, limit: int = 5_000) -> int:
        """Wraps data keys of older shop keys with the one in use and says how many; call it until it says 0.

        Args:
            limit: How many at once, so that others may write in between.

        Raises:
            MissingError: An older key is gone.
        """
        sealing = self._sealing()
        current = sealing.key_id
        with self._writing() as connection:
            subjects = connection.execute(
                "SELECT id, mark, key_id, wrapped FROM subject WHERE key_id <> ? LIMIT ?", (current, limit)
            ).fetchall()
            bodies = connection.execute(
                "SELECT refused_id, CAST('body|' || refused_id AS BLOB), key_id, wrapped FROM body"
                " WHERE key_id <> ? LIMIT ?",
                (current, limit - len(subjects)),
            ).fetchall()
            for table, column, rows in (("subject", "id", subjects), ("body", "refused_id", bodies)):
                change = f"UPDATE {table} SET key_id = ?, wrapped = ? WHERE {column} = ?"
                connection.executemany(change, [_rewrapped(sealing, row) for row in rows])
        return len(subjects) + len(bodies)

    def backup(self, file: Path) -> dict[str, TableContent]:
        """Copies the vault as it is at one instant into one new file, while others write; all in it stays sealed.

        Args:
            file: The new file. The keys are not in it.

        Returns:
            The content of every table: the manifest that `restore` checks.

        Raises:
            AlreadyThereError: The file is there.
        """
        with translated(str(self._file)), closing(_connected(self._file, len(self._chain))) as source:
            copy_file(source, file)
        return content(file)

    @classmethod
    def restore(cls, file: Path, target: Path, manifest: Mapping[str, TableContent]) -> None:
        """Makes a vault from a backup; `open` then shreds in it whatever was erased since.

        Raises:
            AlreadyThereError: There is a vault.
            StorageError: The file is damaged, or differs from the manifest.
        """
        same_content(file, manifest)
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as source:
            copy_file(source, target)

    def close(self) -> None:
        """Closes the vault."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def use_keys(self, keys: Keys) -> None:
        """Takes the shop's keys anew after a rotation, without a restart."""
        with self._lock:
            self._fixed = Sealing(keys.vault)

    def _sealing(self) -> Sealing:
        return self._fixed if self._ring is None else self._ring.sealing()

    def _put(self, kind: str, rows: list[tuple[str, str, str]]) -> Put:
        marks = {subject: self._mark(subject) for subject, _, _ in rows}
        gone = self._tombstones.known([*(mark.hex() for mark in marks.values()), *(token for _, token, _ in rows)])
        allowed = [row for row in rows if row[1] not in gone and marks[row[0]].hex() not in gone] if gone else rows
        wanted = {(marks[subject], token): raw for subject, token, raw in allowed}
        with self._writing() as connection:
            subjects, present = _found(connection, wanted)
            new = sorted((token, mark) for mark, token in wanted if (mark, token) not in present)
            keys = self._data_keys(connection, list(dict.fromkeys(mark for _, mark in new)), subjects)
            nonces, sealed = os.urandom(_NONCE * len(new)), []
            for place, (token, mark) in enumerate(new):
                subject, key = keys[mark]
                nonce = nonces[place * _NONCE : (place + 1) * _NONCE]
                clear = wanted[mark, token].encode()
                sealed.append((token, subject, kind, Sealing.seal(key, nonce, clear, bound(kind, token, mark))))
            connection.executemany("INSERT INTO entry (token, subject, kind, sealed) VALUES (?, ?, ?, ?)", sealed)
        return Put(len(new), len(allowed) - len(new), len(rows) - len(allowed))

    def _data_keys(
        self, connection: sqlite3.Connection, marks: list[bytes], subjects: Mapping[bytes, tuple[int, str, bytes]]
    ) -> dict[bytes, tuple[int, bytes]]:
        sealing = self._sealing()
        keys: dict[bytes, tuple[int, bytes]] = {}
        for mark in marks:
            if mark in subjects:
                number, key_id, wrapped = subjects[mark]
                keys[mark] = (number, sealing.unwrap(key_id, wrapped, mark))
        new = [mark for mark in marks if mark not in keys]
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM subject").fetchone()
        rows = []
        for number, (mark, (clear, wrapped)) in enumerate(zip(new, sealing.new_keys(new), strict=True), last + 1):
            keys[mark] = (number, clear)
            rows.append((number, mark, sealing.key_id, wrapped))
        connection.executemany("INSERT INTO subject (id, mark, key_id, wrapped) VALUES (?, ?, ?, ?)", rows)
        return keys

    def _opened(self, row: tuple[str, str, bytes, bytes, str, bytes]) -> str:
        token, kind, sealed, mark, key_id, wrapped = row
        key = self._sealing().unwrap(key_id, wrapped, mark)
        return Sealing.open(key, sealed, bound(kind, token, mark)).decode()

    def _opened_body(self, row: tuple[str, str, bytes, bytes]) -> tuple[str, bytes]:
        refused_id, key_id, wrapped, sealed = row
        owner = f"body|{refused_id}".encode()
        return refused_id, Sealing.open(self._sealing().unwrap(key_id, wrapped, owner), sealed, owner)

    def _destroy(self, marks: list[bytes]) -> int:
        erased, named = 0, [(mark,) for mark in marks]
        with self._writing() as connection:
            gone = "DELETE FROM entry WHERE subject = (SELECT id FROM subject WHERE mark = ?)"
            erased += max(connection.executemany(gone, named).rowcount, 0)
            connection.executemany("DELETE FROM subject WHERE mark = ?", named)
        return erased

    def _forget_pages(self) -> None:
        # secure_delete zeroed the pages; what the log still holds of them goes with this.
        with self._reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _mark(self, subject: str) -> bytes:
        # Sources put phone numbers into customer ids, so a subject stands here as a keyed hash only.
        # The first form of the subject counts: a rekey changes the token in it, and finds the hash without it.
        first = hmac.digest(self._mark_key, self._chain.first_of(subject).encode(), "sha256")[:16]
        return self._chain.mark(first)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(str(self._file)):
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(str(self._file)):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _connected(file: Path, rekeys: int) -> sqlite3.Connection:
    if file.parent.is_dir() and not file.exists():
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -65536")  # 64 MiB: tokens arrive in no order
    connection.execute("BEGIN IMMEDIATE")
    (is_there,) = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'subject'").fetchone()
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.execute(statement)
    if rekeys and not is_there:
        connection.execute(_REKEYS)
        connection.execute("INSERT INTO token_key VALUES (1, ?)", (rekeys,))
    connection.execute("COMMIT")
    connection.execute("CREATE TEMP TABLE wanted (mark BLOB NOT NULL, token TEXT NOT NULL) STRICT")  # in memory
    return connection


def _found(
    connection: sqlite3.Connection, wanted: Iterable[tuple[bytes, str]]
) -> tuple[dict[bytes, tuple[int, str, bytes]], set[tuple[bytes, str]]]:
    """Gives the subjects that are there, and which of the wanted values are."""
    connection.execute("DELETE FROM temp.wanted")
    connection.executemany("INSERT INTO temp.wanted (mark, token) VALUES (?, ?)", wanted)
    rows = connection.execute(
        "SELECT w.mark, w.token, s.id, s.key_id, s.wrapped, e.token IS NOT NULL FROM temp.wanted w CROSS JOIN subject s"
        " ON s.mark = w.mark LEFT JOIN entry e ON e.token = w.token AND e.subject = s.id"
    ).fetchall()
    subjects = {mark: (number, key_id, wrapped) for mark, _, number, key_id, wrapped, _ in rows}
    return subjects, {(mark, token) for mark, token, _, _, _, there in rows if there}


def _rewrapped(sealing: Sealing, row: tuple[Any, bytes, str, bytes]) -> tuple[str, bytes, Any]:
    name, owner, key_id, wrapped = row
    return sealing.key_id, sealing.wrap(sealing.unwrap(key_id, wrapped, owner), owner), name


def bound(kind: str, token: str, mark: bytes) -> bytes:
    """What a sealed value is bound to: it opens nowhere else."""
    return f"1|{kind}|{token}|".encode() + mark


def _chunks(rows: Iterator[_Row], size: int) -> Iterator[list[_Row]]:
    while chunk := list(islice(rows, size)):
        yield chunk


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
