"""API keys: shown once, kept as a hash, gone when revoked or expired; on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.storage.state import State, tables
from shopkeeper.storage.state.api_keys import looks_like_key
from tests.storage.conftest import QUICK


def test_a_key_is_found_by_its_secret_only(state: State, now: datetime) -> None:
    key, secret = state.api_keys.create("till", ["collect"], by="ann", now=now, source="till", user_kind="member_no")
    assert secret.startswith(key.prefix)
    assert secret.startswith("sk_server_")
    assert state.api_keys.find(secret, now=now) == key
    assert state.api_keys.find(secret[:-1] + ("0" if secret[-1] != "0" else "1"), now=now) is None
    assert state.api_keys.find(key.prefix, now=now) is None
    assert state.api_keys.find("", now=now) is None


def test_the_store_does_not_hold_the_secret(state: State, now: datetime) -> None:
    key, secret = state.api_keys.create("web", ["collect"], by="ann", now=now, source="web", is_browser=True)
    with state.database.read() as connection:
        rows = str(connection.execute(select(tables.api_keys)).all())
    assert secret not in rows
    assert secret[len(key.prefix) :] not in rows
    assert key.prefix in rows


def test_a_revoked_key_and_one_that_expired_hold_no_more(state: State, now: datetime) -> None:
    key, secret = state.api_keys.create("a", ["collect"], by="ann", now=now, expires_at=now + timedelta(days=1))
    assert state.api_keys.find(secret, now=now + timedelta(days=1)) is None
    assert state.api_keys.find(secret, now=now) == key
    revoked = state.api_keys.revoke(key.id, now=now)
    assert revoked.revoked_at == now
    assert state.api_keys.find(secret, now=now) is None
    assert state.api_keys.revoke(key.id, now=now + timedelta(hours=1)) == revoked
    with pytest.raises(MissingError):
        state.api_keys.revoke("key_nobody", now=now)


def test_what_another_process_changes_of_a_key_holds_at_once(state: State, state_url: str, now: datetime) -> None:
    key, secret = state.api_keys.create("a", ["collect"], by="ann", now=now)
    assert state.api_keys.find(secret, now=now) == key
    with State.open(state_url, passwords=QUICK) as other:
        other.api_keys.used({key.id: now})
        assert state.api_keys.find(secret, now=now) == replace(key, last_used_at=now)
        other.api_keys.revoke(key.id, now=now)
        assert state.api_keys.find(secret, now=now) is None
        assert other.api_keys.find(secret, now=now) is None


def test_last_used_is_noted(state: State, now: datetime) -> None:
    key, _ = state.api_keys.create("a", ["collect"], by="ann", now=now)
    other, _ = state.api_keys.create("b", ["collect"], by="ann", now=now + timedelta(seconds=1))
    state.api_keys.used({key.id: now})
    assert [(one.id, one.last_used_at) for one in state.api_keys.all()] == [(other.id, None), (key.id, now)]


def test_a_key_needs_a_name_and_a_scope(state: State, now: datetime) -> None:
    with pytest.raises(UsageError):
        state.api_keys.create(" ", ["collect"], by="ann", now=now)
    with pytest.raises(UsageError):
        state.api_keys.create("a", [], by="ann", now=now)


def test_check_digits_tell_a_mistyped_key(state: State, now: datetime) -> None:
    _, secret = state.api_keys.create("a", ["collect"], by="ann", now=now)
    assert looks_like_key(secret)
    assert not any(looks_like_key(secret[:at] + "#" + secret[at + 1 :]) for at in range(len(secret)))
