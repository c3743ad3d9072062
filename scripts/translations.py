"""Keeps the catalogues of the console complete.

There are two: `messages` has the texts of the templates and the code, `dictionary` the sentences of tables and columns
(those of traits stand beside the English in `schema/traits.py`). `--update` takes every text into the catalogues;
`--check` fails when a text is missing in one, has no translation, or loses a placeholder.
"""

import argparse
import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.traits import TRAITS

WEB = Path(__file__).resolve().parents[1] / "src" / "shopkeeper" / "web"
LANGUAGES = ("en", "zh")
SOURCE_LANGUAGE = "en"
METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {"**/templates/**.html": {"trimmed": "true", "extensions": "jinja2.ext.do,jinja2.ext.loopcontrols"}}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "NN_": (1, 2)}
_PLACEHOLDER = re.compile(r"%\(\w+\)s")
_LONE_PERCENT = re.compile(r"%(?!\(\w+\)s)")


def main() -> int:
    """Updates the catalogues, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="take new texts in, put vanished ones away")
    parser.add_argument("--check", action="store_true", help="fail when a text or a translation is missing")
    arguments = parser.parse_args()
    faults: list[str] = []
    for domain, texts in (("messages", _texts()), ("dictionary", _dictionary())):
        for language in LANGUAGES:
            if arguments.update:
                _update(language, domain, texts)
            faults += _faults(language, domain, texts)
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print("run: python scripts/translations.py --update, then fill in what is empty", file=sys.stderr)
    return 1 if faults and arguments.check else 0


def _texts() -> Catalog:
    catalogue = Catalog(project="shopkeeper", charset="utf-8")
    found = extract_from_dir(WEB, METHODS, OPTIONS, KEYWORDS, comment_tags=())
    for file, _line, message, _comments, context in found:
        catalogue.add(message, locations=[(Path(file).as_posix(), 0)], context=context)
    return catalogue


def _dictionary() -> Catalog:
    catalogue = Catalog(project="shopkeeper", charset="utf-8")
    for table in TABLES.values():
        catalogue.add(table.meaning)
        for column in table.columns:
            if column.name not in TRAITS or TRAITS[column.name].english != column.meaning:
                catalogue.add(column.meaning)
    return catalogue


def _path(language: str, domain: str) -> Path:
    return WEB / "locale" / language / "LC_MESSAGES" / f"{domain}.po"


def _read(language: str, domain: str) -> Catalog:
    path = _path(language, domain)
    if not path.exists():
        return Catalog(locale=language, project="shopkeeper", charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def _update(language: str, domain: str, texts: Catalog) -> None:
    heading = f"# Shopkeeper's console: {domain}, {language}."
    catalogue = Catalog(locale=language, header_comment=heading, charset="utf-8", fuzzy=False)
    old = _read(language, domain)
    for message in texts:
        if not message.id:
            continue
        known = old.get(message.id)
        catalogue.add(message.id, known.string if known else "", context=message.context)
    path = _path(language, domain)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, sort_output=True, no_location=True, omit_header=False, width=120)
    _drop_dates(path)


def _drop_dates(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [
        line
        for line in lines
        if not re.match(
            r'"(POT-Creation|PO-Revision|Generated-By|Report-Msgid|Last-Translator|Language-Team|Project-Id)', line
        )
    ]
    path.write_text("\n".join(kept).rstrip() + "\n", encoding="utf-8")


def _faults(language: str, domain: str, texts: Catalog) -> list[str]:
    catalogue = _read(language, domain)
    faults = []
    for message in texts:
        if not message.id:
            continue
        known = catalogue.get(message.id)
        if known is None:
            faults.append(f"{language}: missing: {_shown(message)}")
        elif language != SOURCE_LANGUAGE and not all(_strings(known)):
            faults.append(f"{language}: no translation: {_shown(message)}")
        elif domain == "messages" and any(_LONE_PERCENT.search(text) for text in [_shown(message), *_strings(known)]):
            faults.append(f"{language}: a per cent sign that templates take for a placeholder: {_shown(message)}")
        elif any(_placeholders(text) != _placeholders(_shown(message)) for text in _strings(known) if text):
            faults.append(f"{language}: placeholders differ: {_shown(message)}")
    return faults


def _shown(message: Message) -> str:
    return message.id[-1] if isinstance(message.id, tuple | list) else str(message.id)


def _strings(message: Message) -> list[str]:
    strings = message.string if isinstance(message.string, tuple | list) else [message.string]
    return [str(text) for text in strings]


def _placeholders(text: str) -> set[str]:
    return set(_PLACEHOLDER.findall(text))


if __name__ == "__main__":
    sys.exit(main())
