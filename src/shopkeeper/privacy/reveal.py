"""Personal values from the vault: masked for whoever sees the person, revealed for a reason and after an audit row."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shopkeeper.base.errors import UsageError
from shopkeeper.storage.state.audit import Audit
from shopkeeper.storage.token import mask
from shopkeeper.storage.vault import Vault

__all__ = ["Personal", "masked_of", "reasoned", "revealed_body", "revealed_of"]

_SHORTEST_REASON, _LONGEST_REASON = 5, 500


@dataclass(frozen=True, slots=True)
class Personal:
    """One personal value of a person.

    Args:
        kind: What it is: `phone`, `email`, `name` …
        value: The value, masked or not.
    """

    kind: str
    value: str


def masked_of(vault: Vault, subjects: Iterable[str]) -> tuple[Personal, ...]:
    """Gives the personal values of some records so that their owner knows them and nobody else learns them."""
    return tuple(Personal(kind, mask(kind, raw)) for kind, raw in _values(vault, subjects))


def revealed_of(
    vault: Vault,
    audit: Audit,
    subjects: Iterable[str],
    *,
    mark: str,
    reason: str,
    by: str,
    now: datetime,
    origin: str | None,
) -> tuple[Personal, ...]:
    """Gives the personal values of some records as they are; the audit row stands before anything is opened.

    Args:
        vault: Holds them.
        audit: Where it is noted.
        subjects: The records, as the vault calls them.
        mark: What the log calls whose they are.
        reason: Why.
        by: Who asks.
        now: The present instant.
        origin: From where.

    Raises:
        UsageError: There is no reason.
    """
    audit.append(by, "person.reveal", mark, now=now, origin=origin, detail={"reason": reasoned(reason)})
    return tuple(Personal(kind, raw) for kind, raw in _values(vault, subjects))


def revealed_body(
    vault: Vault, audit: Audit, refused_id: str, *, reason: str, by: str, now: datetime, origin: str | None
) -> bytes | None:
    """Gives a refused row or event whole, None where it is not kept any more; the audit row stands before it is opened.

    Args:
        vault: Holds it.
        audit: Where it is noted.
        refused_id: Its id.
        reason: Why.
        by: Who asks.
        now: The present instant.
        origin: From where.

    Raises:
        UsageError: There is no reason.
    """
    audit.append(by, "refused.reveal", refused_id, now=now, origin=origin, detail={"reason": reasoned(reason)})
    return vault.bodies_of([refused_id]).get(refused_id)


def reasoned(reason: str) -> str:
    """Gives a reason without the space around it.

    Raises:
        UsageError: It is shorter than a word or longer than a paragraph.
    """
    plain = reason.strip()
    if not _SHORTEST_REASON <= len(plain) <= _LONGEST_REASON:
        raise UsageError(
            "personal fields are shown for a reason only",
            next_step=f"say why in {_SHORTEST_REASON} to {_LONGEST_REASON} characters",
        )
    return plain


def _values(vault: Vault, subjects: Iterable[str]) -> list[tuple[str, str]]:
    found = [(kind, raw) for subject in subjects for kind, _token, raw in vault.of(subject)]
    return list(dict.fromkeys(found))
