"""Segments: the list, one segment, overlap, the builder, files of members."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import FileResponse, RedirectResponse

from shopkeeper.app.pages.builder import Preview, catalogue_of, draft_of, edited, preview, suggestions
from shopkeeper.app.pages.reading import names_of, stands_at
from shopkeeper.app.pages.segments import (
    archive_segment,
    archived_segments,
    export_members,
    free_name,
    go_back,
    overlap,
    restore_segment,
    save_segment,
    segment_page,
    segments,
)
from shopkeeper.base.errors import ConflictError, FaultsError, UsageError
from shopkeeper.web.builder_form import PREFIX, Words, audience_fields
from shopkeeper.web.chart import MatrixChart
from shopkeeper.web.form import is_count, takes
from shopkeeper.web.permit import may
from shopkeeper.web.render import figures_of, page, words_of
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False, prefix="/segments")
_EVERYONE: dict[str, Any] = {"all": []}
_BUILDER = takes("action", "expected", "original", "label_en", "label_zh", "name", prefix=PREFIX)


@router.get("", dependencies=[may("segments.read")])
def segments_page(request: Request, _visitor: SignedIn, away: str = "") -> Response:
    """The saved segments, and those put away; `away` names the one that somebody just did, so that it can be undone."""
    shop = request.app.state.shop
    found, put_away = segments(shop), archived_segments(shop)
    return page(
        request,
        "segments.html",
        found=found,
        most=max((row.people or 0 for row in found), default=0),
        as_of=stands_at(shop, "profile"),
        put_away=put_away,
        undo=next((each for each in put_away if each.name == away), None),
    )


@router.get("/overlap", dependencies=[may("segments.read")])
def segments_overlap(request: Request, _visitor: SignedIn) -> Response:
    """How many people the largest segments share."""
    shop = request.app.state.shop
    found = overlap(shop)
    figures, _ = figures_of(request), words_of(request)
    chart = None
    if found.names:
        sizes = [found.people[place][place] for place in range(len(found.names))]
        values = [[shared / sizes[row] for shared in line] for row, line in enumerate(found.people)]
        texts = [
            [f"{figures.number(shared)} ({figures.share(shared / sizes[row], 0)})" for shared in line]
            for row, line in enumerate(found.people)
        ]
        title = _("Share of the people of a row who are also in the column")
        labels = found.labels_zh if figures.language == "zh" else found.labels_en
        chart = MatrixChart("overlap", title, labels, values, texts)
    return page(request, "segments_overlap.html", chart=chart, as_of=stands_at(shop, "segment_member"))


@router.get("/new", dependencies=[may("segments.write")])
def segment_new(request: Request, _visitor: SignedIn) -> Response:
    """The builder for a new segment."""
    return _builder_page(request, _EVERYONE)


@router.post("/builder", dependencies=[may("segments.read"), _BUILDER])
async def segment_builder(request: Request, _visitor: SignedIn) -> Response:
    """Does what a button says, or takes a changed field, and answers with the builder and the count."""
    form = await request.form()
    return await run_in_threadpool(_changed, request, form)


@router.post("/preview", dependencies=[may("segments.read"), _BUILDER])
async def segment_preview(request: Request, _visitor: SignedIn) -> Response:
    """Counts what the form holds, while somebody types."""
    form = await request.form()
    return await run_in_threadpool(_counted, request, form)


@router.post("/save", dependencies=[may("segments.write"), _BUILDER])
async def segment_save(request: Request, visitor: SignedIn) -> Response:
    """Saves what the form holds as the next version."""
    form = await request.form()
    return await run_in_threadpool(_saved, request, form, visitor.name)


@router.get("/{name}", dependencies=[may("segments.read")])
def segment(request: Request, _visitor: SignedIn, name: str) -> Response:
    """One segment."""
    return page(request, "segment.html", found=segment_page(request.app.state.shop, name))


@router.get("/{name}/edit", dependencies=[may("segments.write")])
def segment_edit(
    request: Request, _visitor: SignedIn, name: str, version: Annotated[int | None, Query(ge=1, lt=2**31)] = None
) -> Response:
    """The builder for a segment that is there, or begun from an older version of it."""
    versions = request.app.state.shop.state.segments
    newest = versions.get(name)
    begun = versions.get(name, version) if version else newest
    return _builder_page(
        request, begun.tree, name=name, label_en=begun.label_en, label_zh=begun.label_zh, expected=newest.version
    )


@router.post("/{name}/archive", dependencies=[may("segments.write")])
def segment_archive(request: Request, visitor: SignedIn, name: str, csrf: Annotated[str, Form()]) -> Response:
    """Puts a segment away."""
    del csrf  # the guard has checked it
    archive_segment(request.app.state.shop, name, by=visitor.name, now=request.app.state.clock())
    return RedirectResponse(f"/segments?away={quote(name)}", status_code=303)


@router.post("/{name}/restore", dependencies=[may("segments.write")])
def segment_restore(request: Request, visitor: SignedIn, name: str, csrf: Annotated[str, Form()]) -> Response:
    """Takes a segment back that was put away."""
    del csrf  # the guard has checked it
    restore_segment(request.app.state.shop, name, by=visitor.name, now=request.app.state.clock())
    return RedirectResponse(f"/segments/{quote(name)}", status_code=303)


@router.post("/{name}/back", dependencies=[may("segments.write")])
def segment_back(
    request: Request,
    visitor: SignedIn,
    name: str,
    csrf: Annotated[str, Form()],
    version: Annotated[int, Form(ge=1, lt=2**31)],
) -> Response:
    """Saves an earlier version as the next one."""
    del csrf  # the guard has checked it
    go_back(request.app.state.shop, name, version, by=visitor.name, now=request.app.state.clock())
    return RedirectResponse(f"/segments/{name}", status_code=303)


@router.get("/{name}/members.{ending}", dependencies=[may("segments.export")])
def segment_members(request: Request, visitor: SignedIn, name: str, ending: str) -> Response:
    """The people of a segment as CSV or Excel; leaves an audit row."""
    shop = request.app.state.shop
    file = export_members(shop, name, ending, by=visitor.name, now=request.app.state.clock())
    return FileResponse(file, filename=f"{name}.{ending}", background=BackgroundTask(file.unlink, missing_ok=True))


def _changed(request: Request, form: FormData) -> Response:
    draft = draft_of(audience_fields(form), catalogue_of(request.app.state.shop))
    action = form.get("action")
    if isinstance(action, str) and action:
        draft = edited(draft, action)
    if request.headers.get("hx-request"):
        return page(request, "builder.html", **_builder(request, draft, _text(form, "original")))

    return _builder_page(
        request,
        draft,
        name=_text(form, "original") or None,
        label_en=_text(form, "label_en"),
        label_zh=_text(form, "label_zh"),
        expected=_text(form, "expected"),
        wanted=_text(form, "name"),
    )


def _counted(request: Request, form: FormData) -> Response:
    shop = request.app.state.shop
    draft = draft_of(audience_fields(form), catalogue_of(shop))
    found = preview(shop, draft, name=_text(form, "original") or None)
    return page(request, "builder_live.html", preview=found)


def _saved(request: Request, form: FormData, by: str) -> Response:
    shop = request.app.state.shop
    draft = draft_of(audience_fields(form), catalogue_of(shop))
    original, wanted, expected = _text(form, "original"), _text(form, "name"), _text(form, "expected")
    labels = {key: _text(form, key) for key in ("label_en", "label_zh")}
    name = original or wanted or free_name(shop, labels["label_en"])
    try:
        save_segment(
            shop,
            name,
            draft,
            **labels,
            by=by,
            now=request.app.state.clock(),
            expected=int(expected) if is_count(expected) else None,
        )
    except (FaultsError, ConflictError, UsageError) as error:
        language = figures_of(request).language
        faults = [{"path": fault.path, "message": fault.said(language)} for fault in getattr(error, "faults", ())]
        return _builder_page(
            request,
            draft,
            409 if isinstance(error, ConflictError) else 422,
            name=original or None,
            wanted=wanted,
            **labels,
            expected=expected,
            errors=faults,
            message="" if faults else _refusal(request, error, original),
        )
    return RedirectResponse(f"/segments/{quote(name)}", status_code=303)


def _refusal(request: Request, error: Exception, original: str) -> str:
    """Why a segment of a right rule was not saved."""
    _ = words_of(request)
    if not isinstance(error, ConflictError):
        return _("A short name has at most 80 letters, digits, _ and -.")
    if original:
        return _("Somebody saved this segment meanwhile. Open it anew, look at what changed, and save again.")
    return _("There is a segment of this short name already. Choose another, or leave it empty.")


def _builder_page(
    request: Request,
    draft: Any,
    status: int = 200,
    *,
    name: str | None = None,
    label_en: str = "",
    label_zh: str = "",
    expected: object = 0,
    wanted: str = "",
    errors: object = (),
    message: str = "",
) -> Response:
    return page(
        request,
        "segment_edit.html",
        status,
        **_builder(request, draft, name),
        name=name,
        label_en=label_en,
        label_zh=label_zh,
        expected=expected,
        wanted=wanted,
        errors=errors,
        message=message,
    )


def _builder(request: Request, draft: Any, name: str | None) -> dict[str, Any]:
    """What the builder's template needs; the root is always a group, so that there is a place to add to."""
    if "all" not in draft and "any" not in draft:
        draft = {"all": [draft]}
    shop = request.app.state.shop
    found = preview(shop, draft, name=name or None)
    asked = sorted(set(_asked(draft)))
    return {
        "draft": draft,
        "preview": found,
        "words": Words(figures_of(request)),
        "faulty": _faulty(found, figures_of(request).language),
        "suggested": {each: suggestions(shop, each) for each in asked},
        "stores": names_of(shop, "store") if {"store", "favourite_store"} & set(asked) else {},
        "other_segments": [each for each in shop.state.segments.all() if each.name != name],
        "model_names": sorted({entry.name for entry in shop.models.list()}),
    }


def _faulty(found: Preview, language: str) -> Callable[[str], list[str]]:
    """Gives the faults of a node and its own fields by path, in a language."""

    def of(path: str) -> list[str]:
        return [
            fault.said(language) for fault in found.faults if fault.path == path or fault.path.startswith(f"{path}.")
        ]

    return of


def _asked(node: Any) -> list[str]:
    """The names of traits and fields that a draft compares."""
    if isinstance(node, list):
        return [name for item in node for name in _asked(item)]
    if not isinstance(node, dict):
        return []
    own = [node[key] for key in ("trait", "field") if isinstance(node.get(key), str)]
    return own + [name for value in node.values() for name in _asked(value)]


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""
