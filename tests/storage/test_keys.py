"""Keys stand in files for their owner alone, or in the environment, and never in a message."""

import base64
import os
from pathlib import Path

import pytest

from shopkeeper.base.errors import AlreadyThereError, ForbiddenError, MissingError, UsageError
from shopkeeper.storage.keys import (
    TOKEN_VARIABLE,
    VAULT_VARIABLE,
    Key,
    Keys,
    make_keys,
    read_keys,
    retire_vault_keys,
    rotate_vault_key,
)


def test_made_keys_are_read_again_and_belong_to_their_owner(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keys = make_keys(folder)
    assert read_keys(folder, {}) == keys
    assert keys.token != keys.vault[0]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "token.key": 0o600,
        "vault.key": 0o600,
    }
    with pytest.raises(AlreadyThereError):
        make_keys(folder)
    assert read_keys(folder, {}) == keys


def test_the_environment_wins_over_the_files(tmp_path: Path) -> None:
    made = make_keys(tmp_path / "keys")
    old, new, token = os.urandom(32), os.urandom(32), os.urandom(32)
    told = {
        TOKEN_VARIABLE: base64.b64encode(token).decode(),
        VAULT_VARIABLE: ",".join(base64.b64encode(one).decode() for one in (old, new)),
    }
    assert read_keys(tmp_path / "nowhere", told) == Keys(Key(token), (Key(old), Key(new)))
    assert read_keys(tmp_path / "keys", {TOKEN_VARIABLE: told[TOKEN_VARIABLE]}) == Keys(Key(token), made.vault)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o601])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    make_keys(tmp_path / "keys")
    (tmp_path / "keys" / "vault.key").chmod(mode)
    with pytest.raises(ForbiddenError, match=f"mode is {mode:04o}, not 0600.*chmod 600"):
        read_keys(tmp_path / "keys", {})


def test_a_folder_that_others_may_read_is_refused(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(ForbiddenError, match="chmod 700"):
        read_keys(tmp_path / "keys", {})


@pytest.mark.parametrize(
    "text", ["", "too short", base64.b64encode(b"x" * 31).decode(), base64.b64encode(b"x" * 33).decode()]
)
def test_a_key_of_another_length_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    make_keys(tmp_path / "keys")
    (tmp_path / "keys" / "token.key").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_keys(tmp_path / "keys", {})
    assert not text or text not in str(caught.value)


def test_a_key_shows_its_id_and_never_itself() -> None:
    key = Key(b"k" * 32)
    assert key.id.startswith("key_")
    assert "kkkk" not in repr(key) + str(Keys(key, (key,)))
    with pytest.raises(UsageError, match="32 bytes, this one 3"):
        Key(b"abc")


def test_missing_keys_say_where_they_were_looked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"token\.key"):
        read_keys(tmp_path, {})


def test_a_rotation_keeps_the_old_key_until_nothing_needs_it(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = make_keys(folder)
    new = rotate_vault_key(folder)
    assert read_keys(folder, {}).vault == (made.vault[0], new)
    assert retire_vault_keys(folder, {made.vault[0].id: 3, new.id: 9}) == []
    assert retire_vault_keys(folder, {new.id: 12}) == [made.vault[0].id]
    assert read_keys(folder, {}).vault == (new,)
    assert retire_vault_keys(folder, {}) == []
