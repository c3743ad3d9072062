"""What the forms of pages may hold: a field that a form does not have is refused, for every route in one place."""

from collections.abc import Iterable
from typing import Any

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.datastructures import FormData

from shopkeeper.base.errors import Fault, FaultsError, UsageError
from shopkeeper.web.csrf import FIELD
from shopkeeper.web.file_form import FILE_PATH, drop_file, file_form

__all__ = ["Takes", "is_count", "known_fields", "only", "takes"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PROGRAMS = "/api/"
_DIGITS = 10


class Takes:
    """Says which fields a route takes that reads its form by itself.

    Args:
        names: The fields.
        prefix: How further fields begin, such as one for each column of a file.
    """

    def __init__(self, names: Iterable[str], prefix: str = "") -> None:
        self.names, self.prefix = frozenset(names), prefix

    def __call__(self) -> None:
        """Lets everything pass: what is sent is held against the names by `known_fields`."""


def takes(*names: str, prefix: str = "") -> Any:
    """The fields of a route that reads its form by itself; it declares them beside its permission."""
    return Depends(Takes(names, prefix))


async def known_fields(request: Request) -> None:
    """Refuses a form with a field that its route does not have; runs before every route, after the guard.

    A route has the fields it declares as `Form()` parameters, those it `takes`, and the token of the guard.

    Raises:
        FaultsError: There are unknown fields; each is named.
        UsageError: What came is no form.
    """
    if request.method in _SAFE or request.url.path.startswith(_PROGRAMS):
        return  # a program's bodies are JSON, and their models forbid what they do not have
    form = await _form(request)
    names, prefixes = _of(request.scope["route"])
    try:
        only(form, {*names, FIELD}, prefixes)
    except FaultsError:
        await drop_file(request)
        raise


def only(form: FormData, names: Iterable[str], prefixes: Iterable[str] = ()) -> None:
    """Refuses the fields of a form that are none of these.

    Raises:
        FaultsError: There are some; each is named.
    """
    known, beginnings = frozenset(names), tuple(prefixes)
    unknown = [name for name in dict.fromkeys(form) if name not in known and not name.startswith(beginnings)]
    if unknown:
        faults = [Fault(name, "this form has no such field", "表单没有这个字段") for name in unknown]
        raise FaultsError("the form", faults, chinese="表单", next_step="reload the page")


def is_count(text: str) -> bool:
    """Whether a text is a number that a column can hold, in the digits that a program reads."""
    return text.isascii() and text.isdigit() and len(text) < _DIGITS


async def _form(request: Request) -> FormData:
    kind = request.headers.get("content-type", "")
    if request.url.path == FILE_PATH and kind.startswith("multipart/form-data"):
        return await file_form(request)
    if kind.startswith("application/x-www-form-urlencoded"):
        return await request.form()
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        raise UsageError(f"'{kind}' is no form", next_step="send application/x-www-form-urlencoded")
    return FormData()


def _of(route: APIRoute) -> tuple[set[str], tuple[str, ...]]:
    """The fields of a route, and how further ones may begin."""
    said = [each.call for each in route.dependant.dependencies if isinstance(each.call, Takes)]
    names = {name for each in said for name in each.names} | set(_declared(route.dependant))
    return names, tuple(each.prefix for each in said if each.prefix)


def _declared(dependant: Dependant) -> Iterable[str]:
    for field in dependant.body_params:
        if isinstance(field.field_info, Form):
            yield field.alias
    for each in dependant.dependencies:
        yield from _declared(each)
