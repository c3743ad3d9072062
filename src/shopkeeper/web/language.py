"""The languages of the console: catalogues compiled at start, and which one a request gets."""

import gettext
import io
from functools import cache
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from starlette.requests import Request

__all__ = ["LANGUAGES", "LANGUAGE_COOKIE", "NN_", "N_", "catalogue", "language_of", "locale_of"]

LANGUAGES = ("en", "zh")
LANGUAGE_COOKIE = "shopkeeper_language"
_LOCALES = {"en": Locale("en", "US"), "zh": Locale("zh", "CN", script="Hans")}
_FOLDER = Path(__file__).with_name("locale")


def N_(text: str) -> str:  # noqa: N802 - the name that catalogue tools look for
    """Marks a text for the catalogue where it is declared; it is translated where it is shown."""
    return text


def NN_(one: str, many: str) -> tuple[str, str]:  # noqa: N802 - the same for a text with a plural
    """Marks a text with a plural for the catalogue."""
    return one, many


@cache
def catalogue(language: str, domain: str = "messages") -> gettext.GNUTranslations:
    """Gives a catalogue of a language, compiled from its `.po` file, so that no compiled file can be stale.

    Args:
        language: One of `LANGUAGES`.
        domain: `messages` for the texts of the console, `dictionary` for the sentences of tables and columns.
    """
    path = _FOLDER / language / "LC_MESSAGES" / f"{domain}.po"
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def locale_of(language: str) -> Locale:
    """Gives the Babel locale that numbers and dates of a language are written in."""
    return _LOCALES[language]


def language_of(request: Request, default: str = "en") -> str:
    """Gives the language of a request: what the person chose, else what the browser asks for, else the shop's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    asked = request.headers.get("accept-language", "")
    wishes = sorted((_wish(part) for part in asked.split(",") if part.strip()), key=lambda wish: -wish[1])
    return next((name for name, _ in wishes if name in LANGUAGES), default)


def _wish(part: str) -> tuple[str, float]:
    name, _, quality = part.strip().partition(";")
    try:
        weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
    except ValueError:
        weight = 0.0
    return name.strip().lower().partition("-")[0], weight
