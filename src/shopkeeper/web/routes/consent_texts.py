"""The texts that persons agree to: their versions, and a new one."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from starlette.responses import RedirectResponse

from shopkeeper.app.consent_texts import LANGUAGES, add_consent_text, consent_texts
from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.schema.consent import PURPOSES
from shopkeeper.web.permit import may
from shopkeeper.web.render import page
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False, prefix="/consent-texts")
_Text = Annotated[str, Form(max_length=20_000)]
_Short = Annotated[str, Form(max_length=100)]


@router.get("", dependencies=[may("consent.write")])
def texts_page(request: Request, _visitor: SignedIn) -> Response:
    """The versions of the texts, and a form for a new one."""
    return _texts(request)


@router.post("", dependencies=[may("consent.texts")])
def text_add(
    request: Request,
    visitor: SignedIn,
    version: _Short,
    purpose: _Short,
    body_en: _Text = "",
    body_zh: _Text = "",
) -> Response:
    """Puts a new version in, which is in force from then on."""
    given = {"version": version, "purpose": purpose, "en": body_en, "zh": body_zh}
    bodies = {language: given[language] for language in LANGUAGES}
    try:
        add_consent_text(request.app.state.shop, version, purpose, bodies, by=visitor.name)
    except ShopkeeperError as error:
        return _texts(request, error, given)
    return RedirectResponse("/consent-texts", status_code=303)


def _texts(request: Request, error: ShopkeeperError | None = None, given: dict[str, str] | None = None) -> Response:
    return page(
        request,
        "consent_texts.html",
        422 if error else 200,
        texts=consent_texts(request.app.state.shop),
        purposes=PURPOSES,
        error=error,
        given=given or {"version": "", "purpose": "marketing", "en": "", "zh": ""},
    )
