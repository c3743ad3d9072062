"""What the vault holds of a person is masked, or shown for a reason after a row in the audit log."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import UsageError
from shopkeeper.collect.people import subject
from shopkeeper.privacy.reveal import Personal, masked_of, revealed_of

NOW = datetime(2026, 9, 1, tzinfo=UTC)
PHONE = "+8613800138000"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = init(tmp_path / "shop")
    ann = subject("till", "1")
    made.vault.put_many("phone", [ann], [made.tokens.token("phone", PHONE)], [PHONE])
    made.vault.put_many("name", [ann, subject("till", "2")], ["nm_a", "nm_b"], ["张三", "李四"])
    return made


def test_masked_values_name_nobody(shop: Shop) -> None:
    with shop:
        found = masked_of(shop.vault, [subject("till", "1")])
    assert set(found) == {Personal("phone", "+86138****8000"), Personal("name", "张*")}


def test_a_reason_shows_the_values_and_leaves_a_row_that_does_not_hold_them(shop: Shop) -> None:
    with shop:
        audit = shop.state.audit
        asked = {"mark": "till:1", "by": "ann", "now": NOW, "origin": "10.0.0.1"}
        for reason in ("", "    ", "why", "x" * 501):
            with pytest.raises(UsageError):
                revealed_of(shop.vault, audit, [subject("till", "1")], reason=reason, **asked)  # type: ignore[arg-type]
        before = audit.head()[0]
        found = revealed_of(shop.vault, audit, [subject("till", "1")], reason=" calls back about order 7 ", **asked)  # type: ignore[arg-type]
        assert set(found) == {Personal("phone", PHONE), Personal("name", "张三")}
        (row,) = audit.rows(after=before)
        assert (row.who, row.what, row.target, row.origin) == ("ann", "person.reveal", "till:1", "10.0.0.1")
        assert row.detail == {"reason": "calls back about order 7"}
        assert PHONE not in str(row)


def test_nothing_is_opened_where_the_row_cannot_be_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop:
        audit = shop.state.audit

        def fail(*_: object, **__: object) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr(audit, "append", fail)
        monkeypatch.setattr(shop.vault, "of", lambda _: pytest.fail("the vault was opened"))
        with pytest.raises(OSError, match="disk is full"):
            revealed_of(shop.vault, audit, ["till|1"], mark="till:1", reason="a reason", by="a", now=NOW, origin=None)
