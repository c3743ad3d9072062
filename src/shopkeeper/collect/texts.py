"""Texts made ready for the judge: cleaned, and identifiers turned into tokens before anything else sees them."""

from collections.abc import Mapping as Pairs
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from shopkeeper.collect.judge import ROW_NO, malformed_column, token_column
from shopkeeper.collect.mapping import Mapping
from shopkeeper.collect.reader import Batch
from shopkeeper.storage.token import Tokenised, Tokens

__all__ = ["Prepared", "cleaned", "prepare"]

_BLANKS = " \t\r\n\u00a0\u3000\ufeff"
_NOTHING = r"^(0+|-+|/+|\.+|无|没有|未知|暂无|不详|none|unknown|n/?a)$"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch made ready.

    Args:
        incoming: What the judge reads: `row_no`, `c{i}`, and `k{i}`, `m{i}` for identifiers.
        personal: (kind, header) → its tokens and normalised values, as long as the batch; they go to the vault.
    """

    incoming: pa.Table
    personal: Pairs[tuple[str, str], Tokenised]


def prepare(batch: Batch, mapping: Mapping, headers: tuple[str, ...], tokens: Tokens) -> Prepared:
    """Cleans the texts that a mapping reads and tokenises those that are personal.

    Args:
        batch: Rows as read.
        mapping: Says which headers hold what.
        headers: The headers of the file.
        tokens: Makes the tokens.
    """
    places = {header: place for place, header in enumerate(headers)}
    columns: dict[str, pa.Array] = {ROW_NO: batch.numbers}
    personal: dict[tuple[str, str], Tokenised] = {}
    for kind, header in _personal(mapping):
        text = _said(cleaned(batch.rows.column(header), mapping.nulls))
        done = tokens.tokenise(kind, text)
        personal[kind, header] = done
        columns[token_column(places[header])] = done.tokens
        columns[malformed_column(places[header])] = done.malformed
    for rule in mapping.rules:
        for header in rule.headers if not rule.kind else ():
            name = f"c{places[header]}"
            if name not in columns:
                columns[name] = cleaned(batch.rows.column(header), mapping.nulls)
    return Prepared(pa.table(columns), personal)


def cleaned(texts: pa.Array, nulls: tuple[str, ...]) -> pa.Array:
    """Takes blanks and Excel's `="…"` and leading apostrophe off texts; those that say nothing become NULL."""
    bare = pc.utf8_trim(texts, characters=_BLANKS)
    wrapped = pc.or_(pc.starts_with(bare, '="'), pc.starts_with(bare, "'"))
    if pc.any(wrapped).as_py():
        bare = pc.replace_substring_regex(bare, r'^="(.*)"$|^\'(.*)$', r"\1\2")
    return pc.if_else(pc.is_in(bare, pa.array(nulls, pa.string())), pa.scalar(None, pa.string()), bare)


def _said(texts: pa.Array) -> pa.Array:
    """Identifiers without what people type where they have none."""
    empty = pc.match_substring_regex(texts, _NOTHING, ignore_case=True)
    return pc.if_else(empty, pa.scalar(None, pa.string()), texts)


def _personal(mapping: Mapping) -> list[tuple[str, str]]:
    found = [(rule.identifier, rule.column) for rule in mapping.rules if rule.identifier and rule.column]
    found += [*mapping.identifiers.items(), *mapping.personal.items()]
    return list(dict.fromkeys(found))
