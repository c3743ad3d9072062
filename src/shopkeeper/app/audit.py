"""The audit log as the app keeps it: changes at once, views in batches, and its check."""

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import ShopkeeperError, UnavailableError
from shopkeeper.storage.state.audit import AuditRow

__all__ = ["AuditRow", "Auditor", "audit_page", "done", "verify_audit"]

_BATCH_SECONDS = 0.2
_MOST_WAITING = 10_000
_log = structlog.get_logger("shopkeeper.audit")


class Auditor:
    """Writes what visitors do into the audit log.

    Views come by the hundred, so they wait a fifth of a second and go in together; changes do not wait. Where the log
    cannot be written, more views than `most` are refused: nobody looks at persons unseen.

    Args:
        shop: The shop.
        seconds: How long a view waits.
        most: How many may wait.
    """

    def __init__(self, shop: Shop, *, seconds: float = _BATCH_SECONDS, most: int = _MOST_WAITING) -> None:
        self._log = shop.state.audit
        self._seconds, self._most = seconds, most
        self._waiting: list[AuditRow] = []
        self._timer: threading.Timer | None = None
        self._lock, self._writing = threading.Lock(), threading.Lock()

    def change(self, row: AuditRow) -> None:
        """Writes a change at once.

        Raises:
            StorageError: The log cannot be written.
        """
        self._log.append_many([row])

    def view(self, row: AuditRow) -> None:
        """Takes a view, to be written with others.

        Raises:
            UnavailableError: The log cannot be written, and too many views wait.
        """
        with self._lock:
            if len(self._waiting) >= self._most:
                raise UnavailableError("the audit log cannot be written", next_step="shopkeeper doctor")
            self._waiting.append(row)
            self._plan()

    def flush(self) -> None:
        """Writes what waits; what cannot be written goes on waiting."""
        with self._writing:
            with self._lock:
                rows, self._waiting = self._waiting, []
                self._timer = None
            try:
                self._log.append_many(rows)
            except (ShopkeeperError, OSError) as error:
                _log.error("the audit log was not written", rows=len(rows), error=type(error).__name__)
                with self._lock:
                    self._waiting = rows + self._waiting
                    self._plan()

    def close(self) -> None:
        """Writes what waits and stops."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
        self.flush()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _plan(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._seconds, self.flush)
            self._timer.daemon = True
            self._timer.start()


def done(who: str, what: str, target: str, *, now: datetime, origin: str | None, detail: Mapping[str, Any]) -> AuditRow:
    """Makes a row that has no place in the chain yet."""
    return AuditRow(0, who, what, target, origin, dict(detail), now, "")


def audit_page(shop: Shop, *, before: int | None = None, limit: int = 100, target: str | None = None) -> list[AuditRow]:
    """Gives rows of the audit log, the newest first, about one target if one is given."""
    return shop.state.audit.newest(before=before, limit=limit, target=target)


def verify_audit(shop: Shop, anchor: tuple[int, str] | None = None) -> tuple[int, str]:
    """Checks the whole chain; gives its length and the hash of its head, to note elsewhere.

    Args:
        shop: The shop.
        anchor: The length and hash noted earlier.

    Raises:
        StorageError: A row was changed, removed or added; the message says which.
    """
    shop.state.audit.verify(anchor)
    return shop.state.audit.head()
