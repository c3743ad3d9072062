"""What persons ask of their data, on the clock the law sets, and how each is done."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from shopkeeper.app.forget import forget
from shopkeeper.app.person_export import export_person
from shopkeeper.app.receipt import Receipt
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.traces import records_of
from shopkeeper.base.errors import UsageError
from shopkeeper.storage.state.requests import KINDS, Request

__all__ = ["KINDS", "RequestRow", "ask", "erase_as_asked", "export_as_asked", "finish", "request_rows"]


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request with its clock.

    Args:
        request: The request.
        days_left: Whole days until it is due; negative when it is overdue.
        is_overdue: Whether it is.
    """

    request: Request
    days_left: int
    is_overdue: bool


def ask(shop: Shop, person_id: str, kind: str, *, by: str, note: str | None = None) -> Request:
    """Takes a request in and starts its clock.

    Raises:
        MissingError: There is no such person.
        UsageError: There is no such kind.
    """
    records_of(shop, person_id)
    at = now(shop)
    due = at + timedelta(days=shop.settings.privacy.request_days)
    made = shop.state.requests.add(kind, person_id, by=by, asked_at=at, due_at=due, note=note or None)
    shop.state.audit.append(by, "request.add", made.id, now=at, detail={"kind": kind})
    return made


def request_rows(shop: Shop) -> tuple[RequestRow, ...]:
    """Gives the requests, those due first on top."""
    at = now(shop)
    return tuple(RequestRow(each, (each.due_at - at).days, each.overdue(at)) for each in shop.state.requests.all())


def erase_as_asked(shop: Shop, request_id: str, *, by: str) -> Receipt:
    """Erases the person of an open request; readers that lose a file plan once more.

    Raises:
        UsageError: It is no open request for erasure.
    """
    return forget(shop, _person(shop, request_id, "erasure"), by=by, wait=timedelta(0))


def export_as_asked(shop: Shop, request_id: str, file: Path, *, by: str) -> None:
    """Writes what is held of the person of an open request for access.

    Raises:
        UsageError: It is no open request for access.
    """
    export_person(shop, _person(shop, request_id, "access"), file, by=by)


def finish(shop: Shop, request_id: str, *, by: str, refused: bool = False, note: str | None = None) -> Request:
    """Closes a request that was done, or refused for a reason.

    Raises:
        ConflictError: It was closed before.
        UsageError: An erasure is done by erasing; a refusal has no reason.
    """
    found = shop.state.requests.get(request_id)
    if refused and not (note or "").strip():
        raise UsageError("a refusal needs its reason", next_step="say why")
    if found.kind == "erasure" and not refused:
        raise UsageError("an erasure is done by erasing", next_step="erase the person")
    state = "refused" if refused else "done"
    closed = shop.state.requests.close(request_id, state, by=by, now=now(shop), note=note)
    shop.state.audit.append(by, f"request.{state}", request_id, now=now(shop), detail={"kind": found.kind})
    return closed


def _person(shop: Shop, request_id: str, kind: str) -> str:
    found = shop.state.requests.get(request_id)
    if found.kind != kind or found.state != "open" or found.person_id is None:
        raise UsageError(f"this is no open request for {kind}", next_step="look at the list of requests")
    return found.person_id
