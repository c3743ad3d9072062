"""The shop's keys: those of its tokens, a chain that begins with the first, and those of the vault, the last in use."""

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shopkeeper.base.errors import AlreadyThereError, ForbiddenError, MissingError, UsageError

__all__ = [
    "TOKEN_VARIABLE",
    "VAULT_FILE",
    "VAULT_VARIABLE",
    "Key",
    "Keys",
    "add_token_key",
    "make_keys",
    "read_keys",
    "retire_vault_keys",
    "rotate_vault_key",
]

TOKEN_VARIABLE = "SHOPKEEPER_KEY_TOKEN"  # noqa: S105 - the name of a variable
VAULT_VARIABLE = "SHOPKEEPER_KEY_VAULT"
_TOKEN_FILE, VAULT_FILE = "token.key", "vault.key"
_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Key:
    """One key of 256 bits; its text form never shows it.

    Args:
        secret: The 32 bytes.
        id: Told from the bytes, so that what was sealed can name its key.

    Raises:
        UsageError: It has another length.
    """

    secret: bytes = field(repr=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _LENGTH:
            raise UsageError(
                f"a key has {_LENGTH} bytes, this one {len(self.secret)}", next_step="shopkeeper init makes good ones"
            )
        digest = hashlib.sha256(b"shopkeeper key id\x00" + self.secret).hexdigest()
        object.__setattr__(self, "id", f"key_{digest[:12]}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a shop.

    Args:
        token: The first key of the tokens.
        vault: The keys of the vault, oldest first; new data keys are wrapped by the last.
        rekeys: The further keys of the tokens, oldest first: each turns those that the keys before it make.
    """

    token: Key
    vault: tuple[Key, ...]
    rekeys: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        if not self.vault:
            raise UsageError("a shop needs a vault key", next_step="shopkeeper init DIR")


def make_keys(folder: Path) -> Keys:
    """Makes the key files of a new shop, the folder for its owner alone.

    Raises:
        AlreadyThereError: There are keys: making them anew would lose everything that was sealed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in (_TOKEN_FILE, VAULT_FILE):
        if (folder / name).exists():
            raise AlreadyThereError("the shop has keys already", place=str(folder / name), next_step="keep them")
    keys = Keys(Key(secrets.token_bytes(_LENGTH)), (Key(secrets.token_bytes(_LENGTH)),))
    _write(folder / _TOKEN_FILE, [keys.token])
    _write(folder / VAULT_FILE, keys.vault)
    return keys


def read_keys(folder: Path, environment: Mapping[str, str]) -> Keys:
    """Reads the keys, each from the environment where it stands there, else from its file.

    Args:
        folder: The folder `keys` of the shop.
        environment: SHOPKEEPER_KEY_TOKEN and SHOPKEEPER_KEY_VAULT (base64, several with commas, oldest first).

    Raises:
        MissingError: A key is in neither.
        ForbiddenError: A file or the folder is open to others, or belongs to another.
        UsageError: A key is no base64 or has a wrong length.
    """
    token = _from_environment(environment, TOKEN_VARIABLE) or _read(folder / _TOKEN_FILE)
    vault = _from_environment(environment, VAULT_VARIABLE) or _read(folder / VAULT_FILE)
    if len({key.id for key in token}) < len(token):
        raise UsageError("a token key stands there twice", place=TOKEN_VARIABLE, next_step="name each key once")
    return Keys(token[0], tuple(vault), tuple(token[1:]))


def add_token_key(folder: Path) -> Key:
    """Puts a new key behind the tokens' keys and gives it; whoever opens the shop then must have turned its tokens.

    Raises:
        MissingError, ForbiddenError, UsageError: As `read_keys`.
    """
    present = _read(folder / _TOKEN_FILE)
    new = Key(secrets.token_bytes(_LENGTH))
    _write(folder / _TOKEN_FILE, [*present, new])
    return new


def rotate_vault_key(folder: Path) -> Key:
    """Puts a new key behind the vault's keys and gives it; re-wrap the data keys, then retire the old ones.

    Raises:
        MissingError, ForbiddenError, UsageError: As `read_keys`.
    """
    present = _read(folder / VAULT_FILE)
    new = Key(secrets.token_bytes(_LENGTH))
    _write(folder / VAULT_FILE, [*present, new])
    return new


def retire_vault_keys(folder: Path, in_use: Mapping[str, int]) -> list[str]:
    """Drops the keys that seal nothing any more, never the last one, and gives their ids.

    Args:
        folder: The folder `keys` of the shop.
        in_use: How many data keys each key wraps: `Vault.key_ids()`.

    Raises:
        MissingError, ForbiddenError, UsageError: As `read_keys`.
    """
    present = _read(folder / VAULT_FILE)
    kept = [key for key in present if in_use.get(key.id) or key is present[-1]]
    if len(kept) < len(present):
        _write(folder / VAULT_FILE, kept)
    return [key.id for key in present if key not in kept]


def _from_environment(environment: Mapping[str, str], name: str) -> list[Key]:
    text = environment.get(name, "").strip()
    return [_decoded(part, name) for part in text.split(",")] if text else []


def _read(file: Path) -> list[Key]:
    if not file.is_file():
        raise MissingError(
            "a key is not there",
            place=str(file),
            next_step=f"bring it back, or set {VAULT_VARIABLE} and {TOKEN_VARIABLE}",
        )
    _refuse_open(file.parent, 0o700)
    _refuse_open(file, 0o600)
    lines = [line for line in file.read_text("ascii").splitlines() if line.strip()]
    if not lines:
        raise UsageError("the key file is empty", place=str(file), next_step="bring it back from where keys are kept")
    return [_decoded(line, str(file)) for line in lines]


def _refuse_open(path: Path, allowed: int) -> None:
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~allowed:
        raise ForbiddenError(
            f"others may read keys: the mode is {mode:04o}, not {allowed:04o}",
            place=str(path),
            next_step=f"chmod {allowed:o} {path}",
        )
    if found.st_uid not in (os.geteuid(), 0):
        raise ForbiddenError(
            f"the keys belong to user {found.st_uid}, not to {os.geteuid()} who runs Shopkeeper",
            place=str(path),
            next_step=f"chown {os.geteuid()} {path}",
        )


def _decoded(text: str, place: str) -> Key:
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != _LENGTH:
        # The text itself is not repeated: it may be most of a key.
        raise UsageError(
            f"a key is {_LENGTH} bytes in base64 (44 characters); this is not",
            place=place,
            next_step="shopkeeper doctor",
        )
    return Key(secret)


def _write(file: Path, keys: Sequence[Key]) -> None:
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(b"".join(base64.b64encode(key.secret) + b"\n" for key in keys))
        stream.flush()
        os.fsync(stream.fileno())
    beside.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
