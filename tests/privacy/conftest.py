"""A real vault and ledger."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkeeper.privacy.consent import Ledger
from shopkeeper.privacy.gate import Gate
from shopkeeper.storage.keys import make_keys, read_keys
from shopkeeper.storage.state import State
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    make_keys(tmp_path / "keys")
    return Tokens(read_keys(tmp_path / "keys", {}).token, "CN")


@pytest.fixture
def vault(tmp_path: Path, tokens: Tokens) -> Iterator[Vault]:
    keys = read_keys(tmp_path / "keys", {})
    with Vault.open(tmp_path / "vault.db", keys, tombstones=tmp_path / "tombstones.log") as opened:
        for subject, kind, raw in (
            ("till|1", "phone", "13812345678"),
            ("app|9", "email", "canary.one@example.com"),
            ("app|9", "phone", "13987654321"),
        ):
            opened.put_many(kind, [subject], [tokens.token(kind, raw)], [raw])
        yield opened


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(f"sqlite:///{tmp_path / 'state.db'}") as opened:
        opened.upgrade()
        yield opened


@pytest.fixture
def ledger(state: State, vault: Vault) -> Ledger:
    return Ledger(state.consents, state.flags, lambda person: bool(vault.tombstoned(subjects=[f"person|{person}"])))


@pytest.fixture
def gate(ledger: Ledger, vault: Vault) -> Gate:
    return Gate(ledger, vault)
