"""The ids of a message: whose it is and which it is, as tokens."""

import base64
import re

from shopkeeper.collect.clean import Cleaning, RefusedError
from shopkeeper.storage.token import Tokens

__all__ = ["Ids"]

_NOBODY = frozenset(
    {"null", "undefined", "none", "nil", "nan", "unknown", "anonymous", "guest", "0", "-1", "n/a", "false"}
)
_LONGEST = 512
_LONGEST_MESSAGE = 128
_ABROAD = re.compile(r"\+[0-9][0-9 ()\-]{7,20}")
_MOBILE = re.compile(r"(?:\+?86)?[ -]?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}")
_PARTED = re.compile(r"\(?[2-9][0-9]{2}\)?[ .\-]{1,2}[0-9]{3}[ .\-][0-9]{4}")


class Ids:
    """Makes tokens of the ids of the messages of one request, which are often the same ones.

    Args:
        tokens: Makes the tokens.
        user_kind: What a user id is that looks like neither a phone nor an e-mail: `user` or `member_no`.
    """

    def __init__(self, tokens: Tokens, user_kind: str) -> None:
        self._tokens = tokens
        self._user_kind = user_kind
        self._cookies: dict[str, str] = {}
        self._users: dict[str, tuple[str, str, str]] = {}
        self._phone = _MOBILE if tokens.country == "CN" else _PARTED

    def anonymous(self, value: object, path: str) -> str | None:
        """The token of an anonymous id; its raw value is kept nowhere."""
        text = _said(value, path)
        if text is None:
            return None
        if text not in self._cookies:
            self._cookies[text] = self._made("cookie", text, path)[0]
        return self._cookies[text]

    def user(self, value: object, path: str, cleaning: Cleaning) -> str | None:
        """The token of a user id, of the kind that it looks like; the raw value goes to the vault."""
        text = _said(value, path)
        if text is None:
            return None
        if text not in self._users:
            self._users[text] = self._user(text, path)
        kind, token, normal = self._users[text]
        cleaning.keep(kind, token, normal)
        return token

    def _user(self, text: str, path: str) -> tuple[str, str, str]:
        for kind in self._looks_like(text):
            made = self._tokens.pair(kind, text)
            if made is not None:
                return kind, *made
        return self._user_kind, *self._made(self._user_kind, text, path)

    def note_cookie(self, value: object, cleaning: Cleaning) -> None:
        """Notes what an alias comes from as an anonymous id too, since that is what it mostly is."""
        cleaning.identifiers[self.anonymous(value, "previousId") or ""] = "cookie"

    def message(self, value: object, content: bytes) -> str:
        """The id of a message; one that has none gets it from its content, so that sending it again changes nothing."""
        text = _said(value, "messageId")
        if text is None:
            return self._derived("message", content)
        return self._tokens.carried(text) if len(text) <= _LONGEST_MESSAGE else self.hidden_message(text)

    def hidden_message(self, text: str) -> str:
        """The id in place of one that is too long or holds somebody's phone or e-mail."""
        return self._derived("message id", text.encode())

    def _derived(self, label: str, content: bytes) -> str:
        return f"m_{base64.urlsafe_b64encode(self._tokens.digest(label, content)).decode()}"

    def _looks_like(self, text: str) -> tuple[str, ...]:
        if "@" in text or "＠" in text:
            return ("email",)
        if not text.isascii() or _ABROAD.fullmatch(text) or self._phone.fullmatch(text):
            return ("phone",)
        return ()

    def _made(self, kind: str, text: str, path: str) -> tuple[str, str]:
        made = self._tokens.pair(kind, text)
        if made is None:
            raise RefusedError("bad_id", path, text)
        return made


def _said(value: object, path: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    else:
        raise RefusedError("wrong_type", path, value)
    if not text or text.lower() in _NOBODY:
        return None
    if len(text) > _LONGEST and path != "messageId":
        raise RefusedError("bad_id", path, text)
    return text
