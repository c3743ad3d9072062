"""The segment builder's form: fields named by path with a prefix, read back as the draft they are."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData

from shopkeeper.app.pages.builder import ACTS, FIELD_OPERATORS, OPERATORS
from shopkeeper.schema.traits import GROUPS, TRAITS
from shopkeeper.web.figures import Figures
from shopkeeper.web.language import N_
from shopkeeper.web.names import Names

__all__ = ["OPERATOR_NAMES", "PREFIX", "Words", "audience_fields"]

PREFIX = "r."
OPERATOR_NAMES: Mapping[str, str] = {
    "=": N_("is"),
    "!=": N_("is not"),
    "<": N_("is below"),
    "<=": N_("is at most"),
    ">": N_("is above"),
    ">=": N_("is at least"),
    "between": N_("is between"),
    "in": N_("is one of"),
    "not in": N_("is none of"),
    "contains": N_("contains"),
    "known": N_("is known"),
    "unknown": N_("is not known"),
}
"""What the operators of the audience language are called."""


def audience_fields(form: FormData) -> dict[str, str]:
    """Gives the fields of the audience by their paths; several values of one field are joined by commas."""
    found: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if name.startswith(PREFIX) and isinstance(value, str):
            found.setdefault(name.removeprefix(PREFIX), []).append(value)
    return {path: ", ".join(values) for path, values in found.items()}


class Words:
    """What the builder offers, in the words of one language."""

    def __init__(self, figures: Figures) -> None:
        self._chinese = figures.language == "zh"
        self.names = Names(figures)
        self.acts = ACTS
        self.operator_names = OPERATOR_NAMES

    def trait_groups(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """The traits by group, each with its label."""
        found: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for each in TRAITS.values():
            found[each.group].append((each.name, self.names.label(each.name)))
        return [(self.names.group(group), traits) for group, traits in found.items()]

    def trait_operators(self, name: str) -> tuple[str, ...]:
        """The operators a trait may be compared by."""
        return OPERATORS[TRAITS[name].type] if name in TRAITS else ("=",)

    def trait_values(self, name: str) -> tuple[str, ...]:
        """The values of a trait that is a choice."""
        return TRAITS[name].values if name in TRAITS else ()

    def trait_kind(self, name: str) -> str:
        """Which input a trait's value wants: `number`, `date` or `text`."""
        kind = TRAITS[name].type.value if name in TRAITS else "VARCHAR"
        if kind in ("BIGINT", "DOUBLE", "DECIMAL(18,4)"):
            return "number"
        return "date" if kind in ("DATE", "TIMESTAMP WITH TIME ZONE") else "text"

    def trait_unit(self, name: str) -> str:
        """What a trait's value counts; shares are written 0 to 1."""
        if name in TRAITS and TRAITS[name].unit == "share":
            return "0–1"
        return self.names.unit_of(name) if name in TRAITS else ""

    def act_word(self, table: str) -> str:
        """What doing an act is called."""
        english = {"order_line": N_("bought"), "event": N_("did"), "redemption": N_("redeemed")}
        return english.get(table, table)

    def fields(self, table: str) -> list[tuple[str, str]]:
        """The fields that rows of an act are filtered by."""
        return [(each.name, self._pick(each.english, each.chinese)) for each in ACTS[table].fields.values()]

    def field_operators(self, table: str, name: str) -> tuple[str, ...]:
        """The operators a field may be compared by."""
        return FIELD_OPERATORS[ACTS[table].fields[name].type] if name in ACTS[table].fields else ("=",)

    def field_values(self, table: str, name: str) -> tuple[str, ...]:
        """The values of a field that is a choice, or true and false."""
        known = ACTS[table].fields.get(name)
        if known is None:
            return ()
        return ("true", "false") if known.type.value == "true or false" else known.values

    def measures(self, table: str) -> list[tuple[str, str]]:
        """What is counted over an act."""
        names = {"amount": N_("money"), "orders": N_("orders"), "times": N_("times")}
        found = []
        for name, each in ACTS[table].measures.items():
            plain = self._pick(each.english[1], each.chinese)
            found.append((name, self.names.word(names[name]) if name in names else plain))
        return found

    def shown(self, value: Any) -> str:
        """A value as a field holds it."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return "" if value is None else str(value)

    def chosen(self, value: Any) -> list[str]:
        """The values chosen in a list."""
        return [self.shown(each) for each in value] if isinstance(value, list) else [self.shown(value)]

    def _pick(self, english: str, chinese: str) -> str:
        return chinese if self._chinese else english
