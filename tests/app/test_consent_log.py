"""Consent of events and files: in the ledger once, in the order it was said, whoever the person becomes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.app.consent import change_consent, consent_page, gate_of, ledger_of, recipient_of
from shopkeeper.app.consent_import import import_consents
from shopkeeper.app.consent_log import ConsentKeeper
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.load import load, replay
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import DataError, UsageError
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.privacy.gate import Permitted, Withheld
from shopkeeper.schema.query import Query
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_sqlite import SqliteLog
from tests.app.tickets import MAPPING

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
PHONE = "13812345678"
TICKETS = """小票号,会员,手机号,门店,商品,时间,数量,金额
A1,007,13812345678,S1,p1,2026/1/5 10:00,1,5
A2,008,13812345679,S1,p1,2026/1/5 10:00,1,5
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    init(tmp_path / "shop", {"chain.time_zone": "Asia/Shanghai", "engine.memory_limit": "500MB"}).close()
    (tmp_path / "t.csv").write_text(TICKETS, encoding="utf-8")
    (tmp_path / "m.toml").write_text(MAPPING, encoding="utf-8")
    with Shop.open(tmp_path / "shop", clock=lambda: NOW) as made:
        load(made, "order_line", [str(tmp_path / "t.csv")], source="till", mapping=tmp_path / "m.toml")
        yield made


def _said(number: int, name: str, at: datetime, **more: Any) -> dict[str, Any]:
    properties = {"purpose": "marketing", "channel": "sms", "text_version": "v3"} | more
    return {
        "type": "track", "event": name, "userId": "ann", "messageId": f"c{number}", "timestamp": at.isoformat(),
        "properties": properties,
    }  # fmt: skip


def _send(shop: Shop, log: SqliteLog, *messages: dict[str, Any]) -> None:
    log.append([Batch("app", NOW.timestamp(), accept(messages, Door("app", shop.tokens, NOW, is_live=False)).entries)])


def test_consent_events_reach_the_ledger_once_and_the_last_word_holds(shop: Shop) -> None:
    noon, later = NOW - timedelta(hours=5), NOW - timedelta(hours=2)
    ann = f"app:{shop.tokens.token('user', 'ann')}"
    with SqliteLog(shop.folder / LOG_FILE) as log:
        _send(shop, log, _said(1, "Consent Withdrawn", later, text_version=""))
        keeper = ConsentKeeper(shop, log)
        keeper.step()
        # A grant of before comes late: the withdrawal stays; and all of it is read twice.
        _send(
            shop,
            log,
            _said(2, "Consent Given", noon, reason="sign-up\0"),
            _said(3, "Consent Given", noon + timedelta(hours=1), channel="email"),
        )
        keeper.step()
        before = shop.state.consents.state()
        with shop.state.database.write() as connection:
            connection.exec_driver_sql("UPDATE positions SET position = 0 WHERE reader = 'consent'")
        keeper.step()
        assert shop.state.consents.state() == before
    ledger = ledger_of(shop)
    assert not ledger.standing(ann, "marketing", "sms", now=NOW).granted
    standing = ledger.standing(ann, "marketing", "email", now=NOW)
    assert standing.granted
    history = ledger.history(ann)
    assert [(each.granted, each.channel, each.text_version) for each in history] == [
        (False, "sms", None), (True, "email", "v3"), (True, "sms", "v3"),
    ]  # fmt: skip
    assert (history[2].source, history[2].who, history[2].message_id) == ("app", "key of app", "c2")
    # PostgreSQL holds no NUL.
    assert history[2].evidence == {"event": "Consent Given", "reason": "sign-up�"}


def test_the_door_refuses_a_consent_without_proof(shop: Shop) -> None:
    door, browser = Door("app", shop.tokens, NOW), Door("web", shop.tokens, NOW, is_browser=True)
    given = _said(1, "Consent Given", NOW)
    asked = [
        (given, browser, ("server_only", "event")),
        (_said(2, "Consent Given", NOW, text_version=""), door, ("missing_property", "properties.text_version")),
        (_said(3, "Consent Given", NOW, purpose="everything"), door, ("not_a_choice", "properties.purpose")),
        (_said(4, "Consent Withdrawn", NOW, channel="pigeon"), door, ("not_a_choice", "properties.channel")),
    ]
    for message, at, expected in asked:
        (refusal,) = accept([message], at).refusals
        assert (refusal.reason, refusal.path) == expected
    assert len(accept([given, _said(5, "Consent Withdrawn", NOW, text_version="")], door).entries) == 2


def test_a_withdrawal_holds_for_whoever_the_person_is_linked_to(shop: Shop) -> None:
    assert shop.state.identifiers.person("till:007") == "till:007"
    text = {"source": "till", "text_version": "v1", "by": "ann"}
    change_consent(shop, "till:007", "marketing", "sms", granted=True, occurred_at=NOW - timedelta(days=9), **text)  # type: ignore[arg-type]
    permitted = gate_of(shop).permit(recipient_of(shop, "till:007"), "marketing", "sms", now=NOW)
    assert isinstance(permitted, Permitted)
    with SqliteLog(shop.folder / LOG_FILE) as log:
        _send(shop, log, _said(1, "Consent Withdrawn", NOW - timedelta(days=1)))
        ConsentKeeper(shop, log).step()
    ann = f"app:{shop.tokens.token('user', 'ann')}"
    assert isinstance(gate_of(shop).again(permitted, now=NOW), Permitted)
    shop.state.identifiers.merge([(ann, "till:007")], now=NOW)
    for name in (ann, "till:007"):
        assert [each.source for each in consent_page(shop, name).history] == ["app", "till"]
    assert isinstance(gate_of(shop).again(permitted, now=NOW), Withheld)
    run(shop, until="consent")
    rows = Query.from_sql("SELECT person_id, granted FROM consent ORDER BY occurred_at", name="consents")
    assert [tuple(row.values()) for row in shop.arrow(rows).to_pylist()] == [("till:007", True), ("till:007", False)]


FILE = f"""手机号,顾客编号,purpose,channel,是否同意,时间,条款版本,顾客来源
{PHONE},,marketing,sms,是,2026-03-01 10:00,v1,
,008,marketing,email,同意,2026/03/02 11:30,v1,till
,008,marketing,email,撤回,2026-03-05T00:00:00Z,,till
{PHONE},,marketing,sms,是,2026-03-01 10:00,v1,
{PHONE},,marketing,email,是,2026-03-01 10:00,,
{PHONE},,everything,sms,是,2026-03-01 10:00,v1,
{PHONE},,marketing,sms,maybe,2026-03-01 10:00,v1,
{PHONE},,marketing,sms,是,yesterday,v1,
{PHONE},,marketing,sms,是,2027-03-01 10:00,v1,
13800000009,,marketing,sms,是,2026-03-01 10:00,v1,
,999,marketing,sms,是,2026-03-01 10:00,v1,till
,,marketing,sms,是,2026-03-01 10:00,v1,
123,,marketing,sms,是,2026-03-01 10:00,v1,
"""


def test_a_file_of_consents_is_noted_row_by_row_with_its_proof(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "consents.csv"
    file.write_text(FILE, encoding="utf-8")
    done = import_consents(shop, [str(file)], source="crm", by="ann")
    assert (done.received, done.stored, done.duplicate, done.refused) == (13, 3, 1, 9)
    assert done.reasons == {
        "missing": 2, "not_a_choice": 1, "not_yes_or_no": 1, "not_a_time": 1, "not_yet": 1, "unknown_person": 2,
        "not_a_phone": 1,
    }  # fmt: skip
    (change,) = ledger_of(shop).history("till:007")
    assert (change.granted, change.occurred_at, change.source, change.who) == (
        True, datetime(2026, 3, 1, 2, tzinfo=UTC), "crm", "ann",
    )  # fmt: skip
    assert (change.text_version, change.evidence) == ("v1", {"file": "consents.csv", "row": 2})
    assert [each.granted for each in ledger_of(shop).history("till:008")] == [False, True]
    assert import_consents(shop, [str(file)], source="crm", by="ann").stored == 0
    assert PHONE.encode() not in b"".join(path.read_bytes() for path in shop.folder.rglob("state.db*"))
    # Whoever is known by now is let in; the others wait on.
    (tmp_path / "t.csv").write_text(TICKETS.replace("A1", "A3").replace("007,13812345678", "010,13800000009"), "utf-8")
    load(shop, "order_line", [str(tmp_path / "t.csv")], source="till", mapping=tmp_path / "m.toml")
    again = replay(shop, "consent", source="crm")
    assert (again.received, again.stored, again.refused) == (9, 1, 8)
    assert replay(shop, "consent", source="crm").received == 8
    assert [each.granted for each in ledger_of(shop).history("till:010")] == [True]


def test_what_cannot_be_a_file_of_consents_is_said(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("phone,when\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match="purpose and channel and granted"):
        import_consents(shop, [str(file)], source="crm", by="ann")
    with pytest.raises(UsageError, match="snapshot of the ledger"):
        load(shop, "consent", [str(file)])


def test_nothing_is_noted_of_who_was_erased(shop: Shop, tmp_path: Path) -> None:
    shop.vault.bar(tokens=[shop.tokens.token("phone", PHONE), shop.tokens.token("user", "ann")])
    file = tmp_path / "consents.csv"
    file.write_text(
        "phone,purpose,channel,granted,time,version\n" + f"{PHONE},marketing,sms,1,2026-03-01,v1\n", "utf-8"
    )
    done = import_consents(shop, [str(file)], source="crm", by="ann")
    assert (done.refused, done.reasons) == (1, {"erased": 1})
    with SqliteLog(shop.folder / LOG_FILE) as log:
        _send(shop, log, _said(1, "Consent Given", NOW))
        ConsentKeeper(shop, log).step()
    assert shop.state.consents.state().startswith("0 ")
    assert replay(shop, "consent", source="crm").received == 0
