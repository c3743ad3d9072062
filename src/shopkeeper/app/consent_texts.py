"""The texts that persons agree to: their versions, which of them is in force, and a new one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import AlreadyThereError, UsageError
from shopkeeper.schema.consent import PURPOSES
from shopkeeper.storage.state.consents import ConsentText

__all__ = ["LANGUAGES", "TextVersion", "add_consent_text", "consent_texts"]

LANGUAGES = ("en", "zh")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,59}")
_LONGEST = 20_000
_OWN = frozenset({"console-1", "sample-1"})
"""Versions that Shopkeeper itself brings: what staff note, and the made-up consents of a sample."""


@dataclass(frozen=True, slots=True)
class TextVersion:
    """One version of a text in all its languages.

    Args:
        version: Its name, which a form says with every consent.
        purpose: The purpose it asks consent for.
        bodies: The whole text by language.
        set_by: Who put it in.
        set_at: When.
        in_force: Whether it is the newest of its purpose: what forms are to show.
        is_own: Whether Shopkeeper itself brings it.
    """

    version: str
    purpose: str
    bodies: Mapping[str, str] = field(hash=False)
    set_by: str
    set_at: datetime
    in_force: bool
    is_own: bool


def consent_texts(shop: Shop) -> tuple[TextVersion, ...]:
    """Gives all versions, the newest first."""
    by_version: dict[str, list[ConsentText]] = {}
    for text in shop.state.consents.texts():
        by_version.setdefault(text.version, []).append(text)
    newest: dict[str, str] = {}
    for version, texts in by_version.items():
        if version not in _OWN:
            newest.setdefault(texts[0].purpose, version)
    return tuple(
        TextVersion(
            version,
            texts[0].purpose,
            {text.language: text.body for text in sorted(texts, key=lambda each: each.language)},
            texts[0].set_by,
            max(text.set_at for text in texts),
            in_force=newest.get(texts[0].purpose) == version,
            is_own=version in _OWN,
        )
        for version, texts in by_version.items()
    )


def add_consent_text(shop: Shop, version: str, purpose: str, bodies: Mapping[str, str], *, by: str = "cli") -> None:
    """Puts a new version of a text in; it is in force from now on, and never changes.

    Args:
        shop: The shop.
        version: Its name, such as `2026-11`.
        purpose: The purpose it asks consent for.
        bodies: The whole text by language; in one at least.
        by: Who puts it in.

    Raises:
        AlreadyThereError: There is such a version.
        UsageError: The version, the purpose or the text cannot be taken.
    """
    version = version.strip()
    said = {language: body.strip() for language, body in bodies.items() if body.strip()}
    if not _VERSION.fullmatch(version):
        raise UsageError(
            f"'{version[:60]}' is no name of a version", next_step="letters, digits, dots and dashes, such as 2026-11"
        )
    if purpose not in PURPOSES:
        raise UsageError(f"there is no purpose '{purpose[:60]}'", next_step=f"one of {', '.join(PURPOSES)}")
    if not said or said.keys() - set(LANGUAGES) or max(map(len, said.values())) > _LONGEST:
        raise UsageError("there is no text, or it is too long", next_step=f"give it in {' or '.join(LANGUAGES)}")
    at, consents = now(shop), shop.state.consents
    if any(text.version == version for text in consents.texts()):
        raise AlreadyThereError(
            f"version {version} is there, and a version never changes", next_step="give the new text a new version"
        )
    for language, body in sorted(said.items()):
        consents.put_text(ConsentText(version, language, purpose, body, by, at))
    detail = {"purpose": purpose, "languages": sorted(said)}
    shop.state.audit.append(by, "consent.text", version, now=at, detail=detail)
