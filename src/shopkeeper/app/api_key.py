"""The API keys of a shop: made, listed, revoked."""

from collections.abc import Sequence
from datetime import timedelta

from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import UsageError
from shopkeeper.base.permission import KEY_SCOPES
from shopkeeper.storage.state.api_keys import ApiKey

__all__ = ["COLLECT", "SCOPES", "USER_KINDS", "ApiKey", "create_key", "list_keys", "revoke_key"]

COLLECT = "collect"
SCOPES = (COLLECT, *sorted(KEY_SCOPES))
"""What a key may do: `collect` takes events in; the others are permissions that `/api/v1` and `/metrics` ask for."""

USER_KINDS = ("user", "member_no")


def create_key(
    shop: Shop,
    scopes: Sequence[str],
    *,
    source: str | None = None,
    name: str | None = None,
    is_browser: bool = False,
    user_kind: str = "user",
    days: int | None = None,
    by: str = "cli",
) -> tuple[ApiKey, str]:
    """Makes a key and gives it with its secret, which is shown once.

    Args:
        shop: The shop.
        scopes: What it may do.
        source: The source of the events it brings; a write key must have one.
        name: What it is for; the source by default.
        is_browser: Whether it will stand in a page or an app, where anybody may read it.
        user_kind: What the user ids are that it brings: the shop's users, or its member numbers.
        days: For how many days it holds; for ever by default.
        by: Who makes it.

    Raises:
        UsageError: A scope is unknown, or a write key has no source.
    """
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise UsageError(f"'{unknown[0]}' is no scope", place=f"scopes: {', '.join(SCOPES)}")
    if user_kind not in USER_KINDS:
        raise UsageError(f"'{user_kind}' is no kind of user id", place=f"kinds: {', '.join(USER_KINDS)}")
    if is_browser and set(scopes) != {COLLECT}:
        raise UsageError("a browser key is public: it may only collect", next_step="make a server key for the rest")
    source = (source or "").strip() or None
    if COLLECT in scopes and source is None:
        raise UsageError("a write key needs a source", next_step="shopkeeper key create --scope collect --source web")
    at = now(shop)
    key, secret = shop.state.api_keys.create(
        name or source or ", ".join(scopes),
        scopes,
        by=by,
        now=at,
        source=source,
        is_browser=is_browser,
        user_kind=user_kind,
        expires_at=at + timedelta(days=days) if days else None,
    )
    detail = {"scopes": list(scopes), "source": source, "browser": is_browser}
    shop.state.audit.append(by, "key.create", key.id, now=at, detail=detail)
    return key, secret


def list_keys(shop: Shop) -> list[ApiKey]:
    """All keys, the newest first."""
    return shop.state.api_keys.all()


def revoke_key(shop: Shop, key_id: str, *, by: str = "cli") -> ApiKey:
    """Ends a key at once.

    Raises:
        MissingError: There is no such key.
    """
    key = shop.state.api_keys.revoke(key_id, now=now(shop))
    shop.state.audit.append(by, "key.revoke", key.id, now=now(shop))
    return key
