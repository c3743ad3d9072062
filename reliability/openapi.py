"""Requests made up from an OpenAPI document: such as it allows, and such as nobody should send."""

import json
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

__all__ = ["RAW_BODIES", "Asked", "Operation", "operations", "plain", "requests"]

Hints = Mapping[str, Sequence[Any]]
"""Values that mean something here, by the name of a parameter or property."""

RAW_BODIES = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe\x00",
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b"1e999999",
    b"9" * 6_000,
    b"NaN",
    b'{"a": 1, "a": 2}',
    b'{"\\ud800": "\\udfff"}',
)
"""Bodies that no model should ever see."""

_CHARACTERS = st.characters(codec="utf-8")
_TEXT = st.one_of(
    st.text(_CHARACTERS, max_size=40),
    st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12),
    st.sampled_from(
        ["", "\x00", "'; DROP TABLE profile; --", "../../etc/passwd", "%00", "{{7*7}}", "𝟙", "\u202e", "\ud800"]
    ),
    st.integers(1, 4).map(lambda thousands: "长" * 1000 * thousands),
)
_ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(_TEXT, below, max_size=4),
    max_leaves=8,
)
_LANGUAGES = st.sampled_from(["zh", "en", "zh-CN,zh;q=0.9", ";;q=", "*", "x" * 300])


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Args:
        method: The method.
        path: The path with its parameters in braces.
        parameters: What it declares of path and query.
        body: The schema of its JSON body, None where it has none.
        statuses: The answers it declares.
    """

    method: str
    path: str
    parameters: Sequence[Mapping[str, Any]]
    body: Mapping[str, Any] | None
    statuses: frozenset[int]


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str
    content: bytes | None
    headers: Mapping[str, str]


def operations(document: Mapping[str, Any], prefix: str = "/api/v1/") -> Iterator[Operation]:
    """Gives the operations of a document below a path."""
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            if path.startswith(prefix):
                content = said.get("requestBody", {}).get("content", {})
                yield Operation(
                    method.upper(),
                    path,
                    said.get("parameters", ()),
                    content.get("application/json", {}).get("schema"),
                    frozenset(int(status) for status in said["responses"]),
                )


def requests(operation: Operation, document: Mapping[str, Any], hints: Hints) -> st.SearchStrategy[Asked]:
    """Gives requests of an operation: half of them fit its schema, and of the others some part does not."""
    maker = _Maker(document, hints)
    return st.builds(
        lambda path, query, content, headers: Asked(operation.method, f"{path}{query}", content, headers),
        maker.path(operation),
        maker.query(operation),
        maker.content(operation),
        st.fixed_dictionaries({}, optional={"accept-language": _LANGUAGES}),
    )


def plain(operation: Operation, document: Mapping[str, Any], hints: Hints) -> Asked:
    """Gives the request of an operation that says what it must and means what the hints say first."""
    named = {each["name"]: hints.get(each["name"], [""])[0] for each in operation.parameters if each.get("required")}
    inside = {each["name"] for each in operation.parameters if each["in"] == "path"}
    query = _query({name: value for name, value in named.items() if name not in inside})
    body = None
    if operation.body is not None:
        schema = _found(operation.body, document)
        body = _encoded({name: hints.get(name, [""])[0] for name in schema.get("required", ())})
    return Asked(operation.method, f"{_filled(operation.path, named)}{query}", body, {})


class _Maker:
    def __init__(self, document: Mapping[str, Any], hints: Hints) -> None:
        self._document, self._hints = document, hints

    def path(self, operation: Operation) -> st.SearchStrategy[str]:
        names = [each["name"] for each in operation.parameters if each["in"] == "path"]
        values = st.fixed_dictionaries({name: self._hinted(name, _TEXT).filter(_is_segment) for name in names})
        return values.map(lambda found: _filled(operation.path, found))

    def query(self, operation: Operation) -> st.SearchStrategy[str]:
        named = {each["name"]: each for each in operation.parameters if each["in"] == "query"}
        right = {name: self.right(each["schema"], name) for name, each in named.items()}
        wrong = {name: right[name] | _TEXT | st.integers() for name in named}
        needed = {name for name, each in named.items() if each.get("required")}
        fitting = st.fixed_dictionaries(
            {name: right[name] for name in needed}, optional={name: right[name] for name in right.keys() - needed}
        )
        return (fitting | st.fixed_dictionaries({}, optional={**wrong, "unknown": _TEXT})).map(_query)

    def content(self, operation: Operation) -> st.SearchStrategy[bytes | None]:
        if operation.body is None:
            return st.none()
        right = self.right(operation.body)
        return st.one_of(
            right.map(_encoded), self._spoilt(right).map(_encoded), _ANY.map(_encoded), st.sampled_from(RAW_BODIES)
        )

    def right(self, schema: Mapping[str, Any], name: str = "") -> st.SearchStrategy[Any]:
        """Values that fit a schema."""
        if "$ref" in schema:
            return self.right(_found(schema, self._document), name)
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if "anyOf" in schema:
            return st.one_of(*(self.right(each, name) for each in schema["anyOf"]))
        return self._hinted(name, self._of_type(schema, name))

    def _of_type(  # noqa: PLR0911 - one return a type
        self, schema: Mapping[str, Any], name: str
    ) -> st.SearchStrategy[Any]:
        match schema.get("type"):
            case "string" if schema.get("format") == "date-time":
                return st.datetimes().map(lambda found: f"{found.isoformat()}Z")
            case "string":
                longest = min(schema.get("maxLength", 60), 60)
                return st.text(_CHARACTERS, min_size=schema.get("minLength", 0), max_size=longest)
            case "integer":
                return st.integers(schema.get("minimum"), schema.get("maximum"))
            case "number":
                return st.floats(allow_nan=False, allow_infinity=False)
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
            case "array":
                return st.lists(self.right(schema["items"], name), max_size=4)
            case "object" if "properties" in schema:
                needed = set(schema.get("required", ()))
                fields = {key: self.right(each, key) for key, each in schema["properties"].items()}
                return st.fixed_dictionaries(
                    {key: each for key, each in fields.items() if key in needed},
                    optional={key: each for key, each in fields.items() if key not in needed},
                )
            case "object":
                more = schema.get("additionalProperties", True)
                values = self.right(more) if isinstance(more, dict) else _ANY
                return st.dictionaries(st.text(_CHARACTERS, max_size=10), values, max_size=4)
            case _:
                return _ANY

    def _hinted(self, name: str, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.sampled_from(self._hints[name]) | others if name in self._hints else others

    def _spoilt(self, right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        """Bodies of which one part is left out, added or made something else."""

        @st.composite
        def spoilt(draw: st.DrawFn) -> Any:
            found = draw(right)
            if not isinstance(found, dict) or not found:
                return draw(_ANY)
            name = draw(st.sampled_from(sorted(found)))
            match draw(st.sampled_from(["left out", "added", "other"])):
                case "left out":
                    return {key: value for key, value in found.items() if key != name}
                case "added":
                    return {**found, draw(_TEXT): draw(_ANY)}
                case _:
                    return {**found, name: draw(_ANY)}

        return spoilt()


def _found(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, or the one that it names."""
    found: Any = document
    for part in schema.get("$ref", "").removeprefix("#/").split("/") if "$ref" in schema else ():
        found = found[part]
    return found if "$ref" in schema else schema


def _is_segment(text: str) -> bool:
    """Whether a text can stand in a path: an empty one, dots and half a character never reach the route."""
    return text not in ("", ".", "..") and text.isprintable() | ("\x00" in text) and "\ud800" not in text


def _filled(path: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def _query(values: Mapping[str, Any]) -> str:
    written = {name: _written(value) for name, value in values.items() if value is not None}
    return f"?{urlencode(written, errors='replace')}" if written else ""


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()
