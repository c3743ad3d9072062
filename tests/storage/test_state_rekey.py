"""The state store under a new token key, on SQLite and PostgreSQL alike: whole or not at all."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import pytest

from shopkeeper.base.errors import StorageError
from shopkeeper.storage.keys import Key
from shopkeeper.storage.renaming import Renaming
from shopkeeper.storage.state import State, tables
from shopkeeper.storage.state.flags import FlagChange
from shopkeeper.storage.state.rekey import rekey_state, tokens_in_map
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.token_chain import Chain
from tests.storage.test_state_consent import change

BEFORE, AFTER = Tokens(Key(b"a" * 32), "CN"), Tokens(Key(b"a" * 32), "CN", [Key(b"b" * 32)])
OLD, NEW = BEFORE.token("user", "ann"), AFTER.token("user", "ann")
ANN, ANN_NOW = f"app:{OLD}", f"app:{NEW}"


def nothing(_: Collection[str]) -> Collection[str]:
    return ()


def test_every_table_is_renamed_in_one_transaction(state: State, now: datetime) -> None:
    said = change(now, person_id=ANN, message_id="m1", evidence={"event": f"of {OLD}"})
    state.consents.add([said, change(now)])
    flag = FlagChange(ANN, "no_automated_decisions", is_set=True, source="s", who="w", occurred_at=now, recorded_at=now)
    state.flags.add(flag)
    state.requests.add("access", ANN, by="ann", asked_at=now, due_at=now)
    state.assignments.keep("c1", [(ANN, "holdout"), ("till:1", "a")], now=now)
    state.audit.append("ann", "person.view", BEFORE.mark(ANN), now=now, detail={"mark": BEFORE.mark(ANN)})
    state.audit.append("ann", "segment.save", "regulars", now=now)
    with state.database.write() as connection:
        day = now.date()
        row = {"token": OLD, "person_id": ANN, "kind": "user", "source": "app", "first_seen_on": day,
               "last_seen_on": day, "verified": True}  # fmt: skip
        connection.execute(tables.identifiers.insert(), [row, {**row, "token": "us_short", "person_id": "till:1"}])
    head, chain = state.audit.head(), Chain([Key(b"b" * 32)])
    renaming = Renaming(chain, lambda texts: tokens_in_map(state.database, texts))

    with pytest.MonkeyPatch.context() as stopped:
        stopped.setattr("shopkeeper.storage.state.rekey._audited", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            rekey_state(state.database, 1, renaming)
    assert state.consents.of(ANN)[0] == said
    assert state.audit.verify(head) == 2

    counts, was = rekey_state(state.database, 1, renaming)
    assert was == head
    assert counts == {"consents": 1, "person_flags": 1, "requests": 1, "assignments": 1, "identifiers": 1}
    assert rekey_state(state.database, 1, renaming) == ({}, None)
    assert state.consents.of(ANN) == []
    named = replace(said, person_id=ANN_NOW, evidence={"event": f"of {NEW}"})
    assert state.consents.of(ANN_NOW) == [named]
    assert state.consents.add([named]) == 0
    assert state.flags.of(ANN_NOW) == [replace(flag, person_id=ANN_NOW)]
    assert state.identifiers.known([NEW])[0].person_id == ANN_NOW
    assert [row.target for row in state.audit.rows()] == [AFTER.mark(ANN_NOW), "regulars"]
    assert state.audit.rows()[0].detail == {"mark": AFTER.mark(ANN_NOW)}
    assert state.audit.verify() == 2
    with pytest.raises(StorageError, match="tampered"):
        state.audit.verify(head)
    # What guards the ledger and the log is back.
    for table in ("consents", "person_flags", "audit"):
        with pytest.raises(StorageError), state.database.write() as connection:
            connection.exec_driver_sql(f"UPDATE {table} SET who = 'eve'")


def test_a_broken_chain_is_not_made_whole(state: State, now: datetime) -> None:
    state.audit.append("ann", "a", "t", now=now)
    with state.database.write() as connection:
        connection.exec_driver_sql("UPDATE audit_head SET seq = 7")
    with pytest.raises(StorageError, match="tampered"):
        rekey_state(state.database, 1, Renaming(Chain([Key(b"b" * 32)]), nothing))
