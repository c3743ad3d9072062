"""New names for old: every token in a value becomes what a rekey makes of it, in the same form and length.

A value that is a token by its place (a column of tokens, the id of a person) is told by its form. In free text only
what the shop knows as a token is one: the name of a campaign may look like it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from shopkeeper.storage.token_chain import Chain, decoded, encoded

__all__ = ["Known", "Renaming"]

_TEXT: Final = "[A-Za-z0-9_-]{24}"
_LENGTH: Final = 27
_KINDS: Final = "ph|em|mb|us|dv|ck|oi|ui|cd|nm|ad|tx|rf"
_ANYWHERE: Final = re.compile(rf"(?=((?:{_KINDS})_{_TEXT}))")
# The id of a refused row may have its number among equal ones behind it.
_NAME: Final = re.compile(rf"(?:\A|[:|])((?:{_KINDS})_{_TEXT})(?:(?<=\Arf_.{{24}})_[0-9]+)?\Z")
_MESSAGE: Final = re.compile(rf"\A(m_{_TEXT})\Z")
_REMEMBERED: Final = 200_000

Known = Callable[[Collection[str]], Collection[str]]
"""Gives those of some texts that the shop knows as tokens, of before the rekey."""


class Renaming:
    """What a rekey makes of values.

    Args:
        chain: The turnings that tokens have still to go through.
        known: Knows tokens.
    """

    def __init__(self, chain: Chain, known: Known) -> None:
        self.chain = chain
        self._known = known
        self._asked: dict[str, bool] = {}

    def names(self, values: Iterable[str | None]) -> list[str | None]:
        """Renames values that are tokens or end with one, as ids of records do; in others the tokens that are known."""
        given = list(values)
        found = [_NAME.search(value) if value is not None else None for value in given]
        new = self._new(each[1] for each in found if each is not None)
        rest = iter(self.texts([value for value, each in zip(given, found, strict=True) if each is None]))
        return [
            next(rest) if each is None else f"{value[: each.start(1)]}{new[each[1]]}{value[each.end(1) :]}"  # type: ignore[index]
            for value, each in zip(given, found, strict=True)
        ]

    def messages(self, values: Iterable[str | None]) -> list[str | None]:
        """Renames the ids of messages that were made here, and senders' own that look like these."""
        given = list(values)
        new = self._new(value for value in given if value is not None and _MESSAGE.match(value))
        return [new.get(value, value) if value is not None else None for value in given]

    def texts(self, values: Iterable[str | None], sure: Collection[str] | None = ()) -> list[str | None]:
        """Renames the tokens that are known, wherever they stand in some texts.

        Args:
            values: The texts.
            sure: What is a token whether it is known or not; None where whatever looks like one is.
        """
        given = list(values)
        found = {value: _ANYWHERE.findall(value) for value in set(given) if value is not None}
        tokens = {token for tokens in found.values() for token in tokens}
        certain = tokens if sure is None else tokens.intersection(sure)
        new = self._new([*certain, *self._those_known(tokens - certain)])
        changed = {
            value: _replaced(value, new) for value, tokens in found.items() if any(token in new for token in tokens)
        }
        return [changed.get(value, value) if value is not None else None for value in given]

    def trees(self, nodes: Sequence[Any], *, with_names: bool = False) -> list[Any]:
        """Renames the known tokens in all texts of some JSON values, keys too.

        Args:
            nodes: The values.
            with_names: Whether a text that has the form of a name is one, known or not.
        """
        texts = list(dict.fromkeys(text for node in nodes for text in _texts(node) if len(text) >= _LENGTH))
        new = self.names(texts) if with_names else self.texts(texts)
        changed = {old: after for old, after in zip(texts, new, strict=True) if after is not None and old != after}
        return [_with(node, changed) for node in nodes] if changed else list(nodes)

    def _new(self, tokens: Iterable[str]) -> dict[str, str]:
        distinct = list(dict.fromkeys(tokens))
        turned = encoded(self.chain.forward(decoded("".join(token.partition("_")[2] for token in distinct))))
        texts = (turned[start : start + 24] for start in range(0, len(turned), 24))
        return {token: f"{token.partition('_')[0]}_{text}" for token, text in zip(distinct, texts, strict=True)}

    def _those_known(self, tokens: Collection[str]) -> list[str]:
        unasked = [token for token in tokens if token not in self._asked]
        if unasked:
            if len(self._asked) > _REMEMBERED:
                self._asked.clear()
                unasked = list(tokens)
            known = frozenset(self._known(unasked))
            self._asked.update((token, token in known) for token in unasked)
        return [token for token in tokens if self._asked[token]]


def _replaced(value: str, new: Mapping[str, str]) -> str:
    parts, end = [], 0
    for found in _ANYWHERE.finditer(value):
        after = new.get(found[1])
        if after is not None and found.start() >= end:
            parts += [value[end : found.start()], after]
            end = found.start() + _LENGTH
    return "".join([*parts, value[end:]])


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _texts(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _texts(value)


def _with(node: Any, changed: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return changed.get(node, node)
    if isinstance(node, dict):
        return {_with(key, changed): _with(value, changed) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_with(value, changed) for value in node]
    return node
