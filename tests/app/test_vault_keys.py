"""The keys of the vault: a rotation reaches all that is sealed, and an old key goes only when it seals nothing."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkeeper.app.pages.upload import Incoming
from shopkeeper.app.shop import Shop, init
from shopkeeper.app.vault_keys import retire, rotate, sealed_by
from shopkeeper.app.web_hooks import add_shop_hook
from shopkeeper.base.errors import ConflictError, UsageError
from shopkeeper.cli.main import main
from shopkeeper.collect.door import Personal
from shopkeeper.collect.sealed import seal
from shopkeeper.storage.key_ring import FOLLOWS_WITHIN
from shopkeeper.storage.keys import VAULT_VARIABLE, read_keys
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_sqlite import SqliteLog
from tests.storage.log_parts import entry

_PHONE = "+8613812345678"
_NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with init(tmp_path / "shop") as made:
        token = made.tokens.token("phone", _PHONE)
        made.vault.put_many("phone", ["till|1"], [token], [_PHONE])
        made.vault.keep_body("r1", b"{}", now=_NOW)
        yield made


def _waits(_: float) -> None:
    time.sleep(FOLLOWS_WITHIN + 0.1)


def _settled(shop: Shop) -> None:
    """As if the newest key were two minutes old."""
    file = shop.folder / "keys" / "vault.key"
    os.utime(file, (file.stat().st_mtime - 120,) * 2)


def test_all_that_is_sealed_goes_under_the_new_key_and_the_old_one_can_go(shop: Shop) -> None:
    add_shop_hook(shop, "crm", "https://crm.example.com/", [])
    old = shop.sealing.key_id
    assert sealed_by(shop) == {old: 3}
    done = rotate(shop, wait=_waits)
    assert done.rewrapped == 3
    assert sealed_by(shop) == {done.key_id: 3}
    with pytest.raises(ConflictError, match="may be on its way"):
        retire(shop)
    _settled(shop)
    assert retire(shop).retired == (old,)
    assert [key.id for key in read_keys(shop.folder / "keys", {}).vault] == [done.key_id]
    assert retire(shop).retired == ()
    with Shop.open(shop.folder) as again:
        assert again.vault.of("till|1")[0][2] == _PHONE
        assert again.vault.bodies_of(["r1"]) == {"r1": b"{}"}
        (hook,) = again.state.web_hooks.all()
        assert hook.secret_key_id == done.key_id
    assert [row.what for row in shop.state.audit.newest(limit=2)] == ["vault.retire", "vault.rotate"]


def test_a_key_stays_as_long_as_a_file_waits_or_the_log_has_something_unread_under_it(shop: Shop) -> None:
    incoming = Incoming(shop, datetime.now(UTC))
    personal = Personal("till|2", "phone", shop.tokens.token("phone", "+8613987654321"), "+8613987654321")
    with SqliteLog(shop.folder / "log.db") as log:
        log.append([Batch("till", _NOW.timestamp(), (entry("m1"),), (), seal([personal], (), shop.sealing))])
    old = shop.sealing.key_id
    rotate(shop, wait=_waits)
    _settled(shop)
    assert dict(retire(shop).needed) == {old: 2}
    incoming.drop()
    assert dict(retire(shop).needed) == {old: 1}
    shop.state.positions.move("vault", 1)
    assert retire(shop).retired == (old,)


def test_a_rotation_that_was_killed_is_gone_on_with_and_makes_no_second_key(shop: Shop) -> None:
    def killed(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(shop, wait=killed)
    with Shop.open(shop.folder) as again:
        assert rotate(again, wait=killed).rewrapped == 2
        assert len(read_keys(again.folder / "keys", {}).vault) == 2


def test_keys_of_the_environment_are_made_and_dropped_there(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = (shop.folder / "keys" / "vault.key").read_text().strip()
    rotate(shop, wait=_waits)
    both = (shop.folder / "keys" / "vault.key").read_text().split()
    monkeypatch.setenv(VAULT_VARIABLE, ",".join([first, both[1]]))
    with Shop.open(shop.folder) as again:
        assert rotate(again).key_id == again.sealing.key_id
        assert len((shop.folder / "keys" / "vault.key").read_text().split()) == 2
        with pytest.raises(UsageError, match="stand in the environment"):
            retire(again)


def test_the_command_says_what_each_key_seals(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(shop.folder)
    assert main(["vault", "keys", "--shop", folder]) == 0
    assert shop.sealing.key_id in capsys.readouterr().out
    assert main(["vault", "retire", "--shop", folder]) == 0
    assert "there is no older key" in capsys.readouterr().out
