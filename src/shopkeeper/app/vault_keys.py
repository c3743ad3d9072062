"""The keys of the vault: a new one while everything runs, and the end of those that seal nothing any more."""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from shopkeeper.app.event_log import reader_of
from shopkeeper.app.pages.upload import uploads_sealed_under
from shopkeeper.app.safe_keep import READER
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.web_hooks import reseal_hooks
from shopkeeper.base.errors import ConflictError, MissingError, UsageError
from shopkeeper.collect.sealed import sealed_under
from shopkeeper.storage.key_ring import FOLLOWS_WITHIN
from shopkeeper.storage.keys import VAULT_FILE, VAULT_VARIABLE, read_keys, retire_vault_keys, rotate_vault_key

__all__ = ["Retired", "Rotated", "retire", "rotate", "sealed_by"]

_AT_ONCE = 2_000
_SETTLED = timedelta(minutes=1)
"""What was sealed before a rotation has reached the log by then, or never will."""
_BATCHES_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did.

    Args:
        key_id: The key in use.
        rewrapped: How many data keys and secrets it wraps anew.
    """

    key_id: str
    rewrapped: int


@dataclass(frozen=True, slots=True)
class Retired:
    """What became of older keys.

    Args:
        retired: Those that are gone.
        needed: Those that still seal something, and how much.
    """

    retired: tuple[str, ...]
    needed: Mapping[str, int]


def rotate(
    shop: Shop,
    *,
    environment: Mapping[str, str] = os.environ,
    by: str = "cli",
    wait: Callable[[float], None] = time.sleep,
) -> Rotated:
    """Puts a new key into use and wraps with it whatever older ones wrap, in short steps, while everything runs.

    Keys of the environment are not made here: put a new one behind the others there, start the processes again, and
    this wraps with it. Killed in between it is gone on with by calling it again.

    Args:
        shop: The shop.
        environment: Where keys may stand.
        by: Who does it.
        wait: Waits so many seconds, until every process has the new key.

    Raises:
        MissingError, ForbiddenError, UsageError: The keys cannot be read.
    """
    folder = shop.folder / "keys"
    is_ours = not environment.get(VAULT_VARIABLE, "").strip()
    is_unfinished = bool(shop.vault.key_ids().keys() - {shop.sealing.key_id})
    if is_ours and not is_unfinished:
        rotate_vault_key(folder)
        wait(FOLLOWS_WITHIN * 2.5)
    key_id = read_keys(folder, environment).vault[-1].id
    rewrapped = 0
    while some := shop.vault.rewrap(_AT_ONCE):
        rewrapped += some
    rewrapped += reseal_hooks(shop.state, shop.sealing)
    shop.state.audit.append(by, "vault.rotate", key_id, now=now(shop), detail={"rewrapped": rewrapped})
    return Rotated(key_id, rewrapped)


def retire(shop: Shop, *, environment: Mapping[str, str] = os.environ, by: str = "cli") -> Retired:
    """Ends the keys that seal nothing any more. Backups made while they were in use open no more.

    Raises:
        UsageError: The keys stand in the environment.
        ConflictError: The newest key is so young that something sealed with an older one may still be on its way.
    """
    if environment.get(VAULT_VARIABLE, "").strip():
        raise UsageError("the vault's keys stand in the environment", next_step="shopkeeper vault keys, then drop them")
    folder = shop.folder / "keys"
    age = now(shop).timestamp() - (folder / VAULT_FILE).stat().st_mtime
    if len(read_keys(folder, environment).vault) > 1 and age < _SETTLED.total_seconds():
        raise ConflictError(
            f"the newest key is {age:.0f} s old: something sealed before may be on its way",
            next_step=f"try again after {_SETTLED.total_seconds():.0f} s",
        )
    in_use = sealed_by(shop)
    gone = retire_vault_keys(folder, in_use)
    if gone:
        shop.state.audit.append(by, "vault.retire", ", ".join(gone), now=now(shop))
    last = read_keys(folder, environment).vault[-1].id
    return Retired(tuple(gone), {key_id: count for key_id, count in in_use.items() if key_id != last})


def sealed_by(shop: Shop) -> dict[str, int]:
    """How much each key seals: data keys, secrets of web hooks, files that wait, what the log has unread."""
    found = Counter(shop.vault.key_ids())
    found.update(hook.secret_key_id for hook in shop.state.web_hooks.all())
    found.update(uploads_sealed_under(shop))
    try:
        with reader_of(shop) as log:
            position = shop.state.positions.of(READER)
            while batches := log.read(position, _BATCHES_AT_ONCE):
                found.update(key_id for batch in batches if (key_id := sealed_under(batch.sealed)) is not None)
                position = batches[-1].position
    except MissingError:
        pass  # no event came yet
    return dict(found)
