"""A person leaves the log of events: their events, what others' say of them, and what is sealed of theirs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from shopkeeper.app.event_log import LOG_FILE, LogChange, change_log, reader_of
from shopkeeper.app.safe_keep import READER
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import ConflictError, MissingError, StorageError
from shopkeeper.collect.door import Personal
from shopkeeper.collect.event_table import cleared_body
from shopkeeper.collect.people import subject
from shopkeeper.collect.sealed import Contents, open_sealed, seal
from shopkeeper.privacy.body import needles_of, saying
from shopkeeper.privacy.reach import Traces
from shopkeeper.storage.log import Erasure, Stored, place_of
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_row import mark_of
from shopkeeper.storage.sealing import Sealing

__all__ = ["forget_log", "refused_of"]

_READ_BATCHES = 500
_SENT_BATCHES = 200
_SENT_BYTES = 2**20
_TRIES = 5


@dataclass(frozen=True)
class _Sought:
    """What the log is searched for; what is sealed up to a position is in the vault, and of no use in the log."""

    tokens: frozenset[str]
    subjects: frozenset[str]
    says: Callable[[bytes], bool]
    sealing: Sealing
    kept_through: int


def refused_of(shop: Shop, traces: Traces) -> Callable[[bytes], bool]:
    """Gives what tells whether a refused message is a person's; the vault must still hold what it has of them."""
    held = [(kind, raw) for record in traces.records for kind, _, raw in shop.vault.of(subject(*record))]
    needles = needles_of(held, {customer_id for _, customer_id in traces.records})
    return saying(needles, shop.tokens, frozenset(traces.tokens))


def forget_log(shop: Shop, traces: Traces) -> Mapping[str, int]:
    """Takes a person out of the log: every batch that is there is read, and what holds anything of theirs rewritten.

    The vault must still hold what it has of them: by that their refused events are found.

    Args:
        shop: The shop, whether a process writes its log at this time or not.
        traces: By what the person is known; they bear tombstones, so that nothing read before comes back.

    Returns:
        How many events went, how many of others were changed, how many refused ones went, and of how many batches
        something that was sealed.

    Raises:
        UnavailableError: The log cannot be written now; do the same again.
        ConflictError: Its batches kept changing; do the same again.
        StorageError: What is sealed of a batch was altered before the vault had it.
    """
    sought = _Sought(
        frozenset(traces.tokens),
        frozenset(subject(*record) for record in traces.records),
        refused_of(shop, traces),
        shop.sealing,
        shop.state.positions.of(READER),
    )
    counts = Counter(dict.fromkeys(("events", "changed", "refused", "sealed"), 0))
    with reader_of(shop) as log, change_log(shop) as change:
        for _ in range(_TRIES):
            if _take_out(log, change, sought, counts):
                return counts
    raise ConflictError("batches of the log kept changing", place=LOG_FILE, next_step="do the same again")


def _take_out(log: LogReader, change: LogChange, sought: _Sought, counts: Counter[str]) -> bool:
    """Goes through the log once, and says whether no batch changed meanwhile."""
    stood_still = True
    for some in _sendable(_found(log, sought)):
        left = frozenset(change.erase(some))
        stood_still = stood_still and not left
        for erasure in some:
            if erasure.position not in left:
                counts["events"] += len(erasure.gone)
                counts["changed"] += len(erasure.changed)
                counts["refused"] += len(erasure.refused)
                counts["sealed"] += erasure.sealed is not None
    change.erase([])  # where one was killed its bytes may still be in the WAL, though nothing is found any more
    return stood_still


def _found(log: LogReader, sought: _Sought) -> Iterator[Erasure]:
    position = 0
    while batches := log.read(position, _READ_BATCHES):
        for batch in batches:
            erasure = _erasure(batch, sought)
            if erasure is not None:
                yield erasure
        position = batches[-1].position


def _erasure(batch: Stored, sought: _Sought) -> Erasure | None:
    """What is to go from a batch; None where it holds nothing of the person."""
    gone: list[int] = []
    changed: list[tuple[int, bytes]] = []
    tokens = [token.encode() for token in sought.tokens]
    for offset, entry in zip(batch.offsets, batch.entries, strict=True):
        if any(token in entry.body for token in tokens):
            place, body = place_of(offset)[1], cleared_body(entry.body, sought.tokens)
            if body is None:
                gone.append(place)
            else:
                changed.append((place, body))
    refused, sealed = _unsealed(batch, sought)
    if not gone and not changed and sealed is None:
        return None
    return Erasure(batch.position, mark_of(batch), tuple(gone), tuple(changed), refused, sealed)


def _unsealed(batch: Stored, sought: _Sought) -> tuple[tuple[str, ...], bytes | None]:
    """The refused events of the person in a batch, and what stays sealed of it; None where nothing there is theirs."""
    if not batch.sealed:
        return (), None
    is_kept = batch.position <= sought.kept_through
    try:
        contents = open_sealed(batch.sealed, sought.sealing)
    except MissingError:
        return (), None  # nobody can open it any more
    except StorageError:
        if is_kept:
            return (), b""
        raise
    refused = tuple(refused_id for refused_id, body in contents.bodies if sought.says(body))
    others = [each for each in contents.personal if each[0] not in sought.subjects and each[2] not in sought.tokens]
    if not refused and len(others) == len(contents.personal):
        return (), None
    if is_kept:
        return refused, b""
    return refused, _sealed_again(Contents(tuple(others), contents.bodies), refused, sought.sealing)


def _sealed_again(contents: Contents, refused: Iterable[str], sealing: Sealing) -> bytes:
    """What the vault has not taken yet waits for it, but for the person's."""
    gone = frozenset(refused)
    bodies = [body for body in contents.bodies if body[0] not in gone]
    return seal([Personal(*each) for each in contents.personal], bodies, sealing)


def _sendable(erasures: Iterable[Erasure]) -> Iterator[list[Erasure]]:
    """Erasures in pieces that one frame holds."""
    some: list[Erasure] = []
    size = 0
    for erasure in erasures:
        own = len(erasure.sealed or b"") + sum(len(body) for _, body in erasure.changed)
        if some and (len(some) == _SENT_BATCHES or size + own > _SENT_BYTES):
            yield some
            some, size = [], 0
        some.append(erasure)
        size += own
    if some:
        yield some
