"""Loading a file without a terminal: choose, look, correct, try, load."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from shopkeeper.app.pages.upload import (
    ENDINGS,
    Upload,
    also_of,
    discard,
    dry_run,
    find_upload,
    headers_of,
    keep_upload,
    load_upload,
    loadable,
    targets_of,
)
from shopkeeper.base.errors import ShopkeeperError, UsageError
from shopkeeper.schema.tables import TABLES
from shopkeeper.web.file_form import FILE_FIELD, FILE_PATH, SealedUpload, file_form
from shopkeeper.web.form import takes
from shopkeeper.web.permit import may
from shopkeeper.web.render import page
from shopkeeper.web.signed_in import SignedIn

__all__ = ["MOST_BYTES", "router"]

router = APIRouter(include_in_schema=False, prefix=FILE_PATH)
MOST_BYTES = 512 * 1024 * 1024
_PREFIX = "target:"
_COLUMNS = takes("also", prefix=_PREFIX)


@router.get("", dependencies=[may("data.load")])
def upload_page(request: Request, _visitor: SignedIn) -> Response:
    """Where a file is chosen."""
    return page(request, "upload.html", kinds=_kinds(), endings=ENDINGS, error=None)


@router.post("", max_body_size=MOST_BYTES, dependencies=[may("data.load"), takes(FILE_FIELD, "table", "source")])
async def upload_file(request: Request, visitor: SignedIn) -> Response:
    """Keeps the file, sealed as it came, and goes on to its columns."""
    form = await file_form(request)
    sent = form.get(FILE_FIELD)
    if not isinstance(sent, SealedUpload):
        raise UsageError("no file was chosen", next_step="choose one")
    table, source = str(form.get("table", "")), str(form.get("source", "file"))[:80]

    def kept() -> Upload:
        now = request.app.state.clock()
        return keep_upload(sent.incoming, sent.filename or "", table=table, source=source, by=visitor.name, now=now)

    found = await run_in_threadpool(kept)
    return RedirectResponse(f"/upload/{found.id}", status_code=303)


@router.get("/{upload_id}", dependencies=[may("data.load")])
def upload_columns(request: Request, visitor: SignedIn, upload_id: str) -> Response:
    """The columns of the file and what each is taken for."""
    shop = request.app.state.shop
    found = find_upload(shop, upload_id, by=visitor.name)
    try:
        headers, missing = headers_of(shop, found)
    except ShopkeeperError as error:
        discard(shop, found)
        return page(request, "upload.html", 422, kinds=_kinds(), endings=ENDINGS, error=error.message)
    return _columns(request, found, headers, missing)


@router.post("/{upload_id}/try", dependencies=[may("data.load"), _COLUMNS])
async def upload_try(request: Request, visitor: SignedIn, upload_id: str) -> Response:
    """What would happen, without doing it."""
    form = await request.form()
    return await run_in_threadpool(_tried, request, visitor.name, upload_id, _chosen(form))


@router.post("/{upload_id}/load", dependencies=[may("data.load"), _COLUMNS])
async def upload_load(request: Request, visitor: SignedIn, upload_id: str) -> Response:
    """Loads the file and says what became of its rows."""
    form = await request.form()
    also = [str(name) for name in form.getlist("also")]
    return await run_in_threadpool(_loaded, request, visitor.name, upload_id, _chosen(form), also)


@router.post("/{upload_id}/discard", dependencies=[may("data.load"), _COLUMNS])
def upload_discard(request: Request, visitor: SignedIn, upload_id: str) -> Response:
    """Puts the file away."""
    shop = request.app.state.shop
    discard(shop, find_upload(shop, upload_id, by=visitor.name))
    return RedirectResponse("/upload", status_code=303)


def _tried(request: Request, by: str, upload_id: str, chosen: dict[str, str]) -> Response:
    shop = request.app.state.shop
    found = find_upload(shop, upload_id, by=by)
    headers, _ = headers_of(shop, found, chosen)
    try:
        preview = dry_run(shop, found, chosen)
    except ShopkeeperError as error:
        return _columns(request, found, headers, (), error, 422)
    return _columns(request, found, headers, (), preview=preview, also=also_of(shop, found, chosen))


def _loaded(request: Request, by: str, upload_id: str, chosen: dict[str, str], also: list[str]) -> Response:
    shop = request.app.state.shop
    found = find_upload(shop, upload_id, by=by)
    try:
        receipts, failed = load_upload(shop, found, chosen, also=also, now=request.app.state.clock())
    except ShopkeeperError as error:
        headers, _ = headers_of(shop, found, chosen)
        return _columns(request, found, headers, (), error, 422)
    return page(
        request,
        "upload_done.html",
        upload=found,
        receipts=receipts,
        failed=failed,
        has_worker=shop.settings.schedule.enabled,
    )


def _columns(
    request: Request,
    found: Upload,
    headers: object,
    missing: object,
    error: ShopkeeperError | None = None,
    status: int = 200,
    *,
    preview: object = None,
    also: object = None,
) -> Response:
    return page(
        request,
        "upload_columns.html",
        status,
        upload=found,
        headers=headers,
        missing=missing,
        targets=targets_of(found.table),
        error=error,
        faults=getattr(error, "faults", ()),
        preview=preview,
        also=also or {},
        prefix=_PREFIX,
    )


def _chosen(form: FormData) -> dict[str, str]:
    return {
        name.removeprefix(_PREFIX): value
        for name, value in form.multi_items()
        if name.startswith(_PREFIX) and isinstance(value, str)
    }


def _kinds() -> dict[str, str]:
    """The tables that files may go to, each with what one row of it is."""
    return {name: TABLES[name].meaning for name in loadable()}
