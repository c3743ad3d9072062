"""The vault's keys of the moment."""

from pathlib import Path

from shopkeeper.storage.key_ring import KeyRing
from shopkeeper.storage.keys import VAULT_VARIABLE, make_keys, read_keys, retire_vault_keys, rotate_vault_key


class _Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_rotation_is_followed_soon_and_what_was_sealed_before_opens(tmp_path: Path) -> None:
    seconds, folder = _Seconds(), tmp_path / "keys"
    first = make_keys(folder).vault[0]
    ring = KeyRing(folder, {}, seconds=seconds)
    before = ring.sealing()
    wrapped = before.wrap(b"a data key", b"owner")
    second = rotate_vault_key(folder)
    seconds.now = 0.4
    assert ring.sealing() is before
    seconds.now = 1.1
    assert ring.sealing().key_id == second.id
    assert ring.sealing().unwrap(first.id, wrapped, b"owner") == b"a data key"
    retire_vault_keys(folder, {})
    seconds.now = 3
    assert ring.sealing().key_id == second.id


def test_keys_of_the_environment_stay_as_they_were(tmp_path: Path) -> None:
    seconds, folder = _Seconds(), tmp_path / "keys"
    make_keys(folder)
    text = (folder / "vault.key").read_text().strip()
    ring = KeyRing(folder, {VAULT_VARIABLE: text}, seconds=seconds)
    rotate_vault_key(folder)
    seconds.now = 10
    assert ring.sealing().key_id == read_keys(folder, {}).vault[0].id
