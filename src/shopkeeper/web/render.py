"""Pages: Jinja2 templates, filled in with what every page needs."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache, partial
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from shopkeeper.app.pages.coverage import covered
from shopkeeper.app.visitor import Visitor
from shopkeeper.base.permission import PERMISSIONS
from shopkeeper.web.assets import asset_url
from shopkeeper.web.cookies import THEME_COOKIE, THEMES, issue_form_cookie, put_form_cookie
from shopkeeper.web.csrf import FIELD, token_for
from shopkeeper.web.figures import Figures
from shopkeeper.web.language import LANGUAGES, catalogue, language_of
from shopkeeper.web.names import Names
from shopkeeper.web.navigation import NAVIGATION

__all__ = ["Words", "figures_of", "page", "words_language", "words_of"]

Words = Callable[[str], str]
"""Gives a text in the language of a request."""


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("shopkeeper.web"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(
        asset=asset_url, navigation=NAVIGATION, languages=LANGUAGES, themes=THEMES, lang=language
    )
    environment.globals["with_query"] = _with_query
    return environment


def page(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Renders one page, or one fragment of a page, in the language of the request.

    Args:
        request: The request; `app.state.shop` is the shop, `state.visitor` who is signed in.
        template: The template's name.
        status: The answer's status.
        **context: What the template shows.
    """
    issue_form_cookie(request)
    language = words_language(request)
    theme = request.cookies.get(THEME_COOKIE)
    figures = figures_of(request)
    names = Names(figures)
    visitor = getattr(request.state, "visitor", None)
    shared = {
        "request": request,
        "here": request.url.path,
        "visitor": visitor,
        "may": partial(_may, visitor),
        "shop_name": request.app.state.shop.settings.chain.name,
        "theme": theme if theme in THEMES else "auto",
        "csrf_field": FIELD,
        "csrf": token_for(request),
        "fig": figures,
        "names": names,
        "meaning": names.meaning,
        "cell": names.cell,
        "day_of": date.fromisoformat,
        "covered": partial(covered, request.app.state.shop),
    }
    body = _environment(language).get_template(template).render({**shared, **context})
    response = HTMLResponse(body, status_code=status, headers={"content-language": language, "vary": "cookie"})
    put_form_cookie(request, response)
    return response


def words_language(request: Request) -> str:
    """Gives the language of the request."""
    return language_of(request, request.app.state.shop.settings.chain.language)


def words_of(request: Request) -> Words:
    """Gives the `gettext` of the request's language."""
    return catalogue(words_language(request)).gettext


def figures_of(request: Request) -> Figures:
    """Gives the writer of numbers for the request's language and the shop."""
    chain = request.app.state.shop.settings.chain
    return Figures(words_language(request), chain.currency, chain.time_zone)


def _may(visitor: Visitor | None, permission: str) -> bool:
    """Whether the visitor may do something: what a template asks before it shows the button for it."""
    if permission not in PERMISSIONS:
        raise ValueError(f"no such permission: {permission}")
    return visitor is not None and visitor.may(permission)


def _with_query(request: Request, changes: Mapping[str, str | None]) -> str:
    """The present address with some of its query changed; None takes a parameter away."""
    query = {**request.query_params, **changes}
    kept = {name: value for name, value in query.items() if value}
    return f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path
