"""Edits a draft of an audience by paths: what a form holds is the state, and a button changes the tree.

A draft is the JSON document of `document.py`, finished or not. A path is that of a fault: `all[1].any[0].value`. Every
function gives a new draft; what cannot be done gives the draft back as it was, and `judge` says what is still wrong.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any

from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.document import Draft

__all__ = ["BLANK", "act", "add", "change", "from_form", "move", "remove", "to_form", "wrap"]

BLANK: Mapping[str, dict[str, Any]] = {
    "all": {"all": []},
    "any": {"any": []},
    "not": {"not": {"all": []}},
    "trait": {"trait": "", "op": "=", "value": ""},
    "did": {"did": "order_line", "where": [], "having": [{"measure": "orders", "op": ">=", "value": 1}]},
    "first": {"first": {"did": "event"}, "then": {"did": "order_line"}, "days": 7, "absent": True},
    "score": {"score": "", "measure": "decile", "op": ">=", "value": 9},
    "segment": {"segment": ""},
    "near": {"near": "", "kilometres": 5},
    "consent": {"consent": "marketing", "channel": ""},
}
"""A new node of each kind, as the builder shows it first."""

_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_SEPARATOR = re.compile("[,，、]")
_NUMBERS = ("value", "days", "last_days", "kilometres")


def _steps(path: str) -> list[str | int]:
    return [name or int(place) for name, place in _PART.findall(path)]


def _at(draft: Draft, steps: list[Any]) -> Draft:
    """What stands at a path, or None."""
    for step in steps:
        places = range(len(draft)) if isinstance(draft, list) else draft if isinstance(draft, dict) else ()
        if step not in places:
            return None
        draft = draft[step]
    return draft


def _put(draft: Draft, steps: list[str | int], value: Draft) -> Draft:
    """A copy of the draft with a value at a path that is there."""
    if not steps:
        return value
    changed = copy.deepcopy(draft)
    above = _at(changed, steps[:-1])
    if isinstance(above, list | dict):
        above[steps[-1]] = value  # type: ignore[index]
    return changed


def add(draft: Draft, path: str, kind: str) -> Draft:
    """Adds a blank node of a kind to the `all` or `any` at a path, or a filter or count to its list."""
    node = _at(draft, _steps(path))
    extra = {
        "where": {"field": "category", "op": "=", "value": ""},
        "having": {"measure": "orders", "op": ">=", "value": 1},
    }
    if kind in extra and isinstance(node, dict):
        return _put(draft, _steps(path), {**node, kind: [*node.get(kind, []), extra[kind]]})
    word = next((word for word in ("all", "any") if isinstance(node, dict) and isinstance(node.get(word), list)), None)
    if word is None or kind not in BLANK:
        return draft
    return _put(draft, [*_steps(path), word], [*node[word], copy.deepcopy(BLANK[kind])])


def remove(draft: Draft, path: str) -> Draft:
    """Takes out the list item at a path; the root becomes everyone, what stands under `not` a blank group."""
    steps = _steps(path)
    if not steps:
        return {"all": []}
    if _at(draft, steps) is None:
        return draft
    if not isinstance(steps[-1], int):
        return _put(draft, steps, {"all": []}) if steps[-1] == "not" else draft
    siblings = list(_at(draft, steps[:-1]))
    del siblings[steps[-1]]
    return _put(draft, steps[:-1], siblings)


def move(draft: Draft, path: str, by: int) -> Draft:
    """Moves the list item at a path up (negative) or down among its siblings, as far as there are any."""
    steps = _steps(path)
    if not steps or not isinstance(steps[-1], int) or _at(draft, steps) is None:
        return draft
    siblings = list(_at(draft, steps[:-1]))
    item = siblings.pop(steps[-1])
    siblings.insert(max(0, min(len(siblings), steps[-1] + by)), item)
    return _put(draft, steps[:-1], siblings)


def wrap(draft: Draft, path: str, word: str) -> Draft:
    """Puts the node at a path into an `all`, `any` or `not`; `unwrap` takes a `not` or a group of one away again."""
    steps = _steps(path)
    node = _at(draft, steps)
    if not isinstance(node, dict):
        return draft
    if word in ("all", "any"):
        return _put(draft, steps, {word: [node]})
    if word == "not":
        return _put(draft, steps, {"not": node})
    inside = node.get("not") or next((node[one] for one in ("all", "any") if isinstance(node.get(one), list)), None)
    if isinstance(inside, list):
        inside = inside[0] if len(inside) == 1 else None
    return draft if word != "unwrap" or inside is None else _put(draft, steps, inside)


def change(draft: Draft, path: str, kind: str) -> Draft:
    """Makes the node at a path one of another kind; `all` and `any` keep what they join."""
    steps = _steps(path)
    node = _at(draft, steps)
    if not isinstance(node, dict) or kind not in BLANK:
        return draft
    joined = next((node[word] for word in ("all", "any") if isinstance(node.get(word), list)), None)
    if kind in ("all", "any"):
        return _put(draft, steps, {kind: [node] if joined is None else joined})
    return _put(draft, steps, copy.deepcopy(BLANK[kind]))


def act(draft: Draft, action: str) -> Draft:
    """Does what a button says: `add:PATH:KIND`, `wrap:PATH:WORD`, `change:PATH:KIND`, `remove|up|down:PATH`."""
    word, _, rest = action.partition(":")
    path, _, more = rest.partition(":")
    if word in ("up", "down"):
        return move(draft, path, -1 if word == "up" else 1)
    if word == "remove":
        return remove(draft, path)
    doing = {"add": add, "wrap": wrap, "change": change}.get(word)
    return draft if doing is None else doing(draft, path, more)


def from_form(fields: Mapping[str, str], catalogue: Catalogue | None = None) -> Draft:
    """Makes a draft of a form's fields, each named by its path.

    `…value` of a list operator is split at commas, or given as `…value[0]`, `…value[1]` where a value holds one.
    Texts become numbers, or true and false, where the trait, field or measure beside them wants it; what is no number
    stays text, and `judge` says so. An empty window or key is left out.
    """
    root: dict[str, Any] = {}
    for path in sorted(fields):
        _grow(root, _steps(path), fields[path])
    draft = _settled(root)
    return _typed(draft, catalogue or Catalogue()) if isinstance(draft, dict) and draft else {"all": []}


def to_form(draft: Draft, path: str = "") -> dict[str, str]:
    """Gives the fields of a form that says a draft; `from_form` reads them back."""
    if isinstance(draft, dict):
        found: dict[str, str] = {}
        for key, value in draft.items():
            below = f"{path}.{key}".lstrip(".")
            if key == "value" and isinstance(value, list) and not any(_SEPARATOR.search(_shown(one)) for one in value):
                found[below] = ", ".join(map(_shown, value))
            else:
                found |= to_form(value, below)
        return found or {path: ""}
    if isinstance(draft, list):
        items = {
            key: value for place, item in enumerate(draft) for key, value in to_form(item, f"{path}[{place}]").items()
        }
        return items or {path: ""}
    return {path: _shown(draft)}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else f"{value}"


def _grow(root: dict[str, Any], steps: list[str | int], text: str) -> None:
    """Puts a text at a path, with places of lists as keys for now."""
    node: dict[str | int, Any] = root  # type: ignore[assignment]
    for step in steps[:-1]:
        below = node.get(step)
        if not isinstance(below, dict):
            below = node[step] = {}
        node = below
    if steps and not isinstance(node.get(steps[-1]), dict):
        node[steps[-1]] = text


def _settled(node: Any) -> Any:
    """Objects whose keys are places become lists in that order; empty lists of a group are restored."""
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(key, int) for key in node):
        return [_settled(node[key]) for key in sorted(node)]
    lists = ("all", "any", "where", "having")
    return {key: [] if key in lists and value == "" else _settled(value) for key, value in node.items()}


def _typed(node: Any, catalogue: Catalogue) -> Any:
    """Texts become what the words beside them want."""
    if isinstance(node, list):
        return [_typed(item, catalogue) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _typed(value, catalogue) for key, value in node.items() if not (key in _OPTIONAL and value == "")}
    textual = _is_textual(node, catalogue)
    op = node.get("op")
    for key in _NUMBERS:
        text = found.get(key)
        if key == "value" and isinstance(text, list):
            found[key] = [_plain(one, textual=textual) if isinstance(one, str) else one for one in text]
        if not isinstance(text, str):
            continue
        if key == "value" and op in ("in", "not in", "between"):
            found[key] = [_plain(part.strip(), textual=textual) for part in _SEPARATOR.split(text) if part.strip()]
        else:
            found[key] = _plain(text, textual=textual and key == "value")
    if isinstance(found.get("absent"), str):
        found["absent"] = found["absent"] in ("true", "on", "yes")
    if op in ("known", "unknown"):
        found.pop("value", None)
    return found


_OPTIONAL = ("key", "window", "last_days", "from", "to", "subject")
_TEXTUAL_TYPES = ("VARCHAR", "DATE", "TIMESTAMP WITH TIME ZONE", "MAP(VARCHAR, VARCHAR)", "VARCHAR[]")
_NUMERIC_FIELDS = ("weekday", "hour", "with_coupon", "discounted", "private_label")


def _is_textual(node: Mapping[str, Any], catalogue: Catalogue) -> bool:
    if "trait" in node:
        trait = catalogue.traits.get(str(node["trait"]))
        return trait is None or trait.type.value in _TEXTUAL_TYPES
    return "field" in node and node["field"] not in _NUMERIC_FIELDS


def _plain(text: str, *, textual: bool) -> Any:
    if textual:
        return text
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
