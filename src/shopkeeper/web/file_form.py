"""Forms that bring a file: read as they come, the file sealed at once; Starlette would write it to a temporary file."""

import io
from datetime import datetime
from typing import cast

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from shopkeeper.app.pages.upload import Incoming
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import UsageError

__all__ = ["FILE_FIELD", "FILE_PATH", "SealedUpload", "drop_file", "file_form"]

FILE_PATH = "/upload"
"""The one place that takes a form with a file."""
FILE_FIELD = "file"


class SealedUpload(UploadFile):
    """A file of a form that goes where it is sealed.

    Args:
        shop: The shop.
        now: The present instant.
        filename: What it is called.
    """

    def __init__(self, shop: Shop, now: datetime, filename: str) -> None:
        super().__init__(io.BytesIO(), filename=filename)
        self._shop, self._now = shop, now
        self._incoming: Incoming | None = None

    @property
    def incoming(self) -> Incoming:
        """Where it goes; opened when first asked for, off the event loop."""
        if self._incoming is None:
            self._incoming = Incoming(self._shop, self._now)
        return self._incoming

    async def write(self, data: bytes) -> None:
        """Seals some bytes."""
        await run_in_threadpool(lambda: self.incoming.write(data))

    async def seek(self, offset: int) -> None:
        """Nothing: what was sealed is read elsewhere."""

    def drop(self) -> None:
        """Removes what came in."""
        if self._incoming is not None:
            self._incoming.drop()


async def file_form(request: Request) -> FormData:
    """Reads a form with a file once; whoever asks again gets what was read.

    Returns:
        Its fields; the file is a `SealedUpload`.

    Raises:
        UsageError: It is no form that a browser sends.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise UsageError("no form with a file came", next_step="choose a file on the page")
    if not hasattr(request.state, "file_form"):
        parser = _SealingParser(request)
        try:
            request.state.file_form = await parser.parse()
        except MultiPartException as error:
            await run_in_threadpool(parser.drop)
            raise UsageError(f"the form cannot be read: {error.message}", next_step="reload the page") from None
        except BaseException:
            await run_in_threadpool(parser.drop)
            raise
    return cast("FormData", request.state.file_form)


async def drop_file(request: Request) -> None:
    """Removes the file that a form brought, if it was read and brought one."""
    form = getattr(request.state, "file_form", FormData())
    for _, value in form.multi_items():
        if isinstance(value, SealedUpload):
            await run_in_threadpool(value.drop)


class _SealingParser(MultiPartParser):
    """Puts what the file part brings where it is sealed; there is one, and it is called `file`.

    Args:
        request: The request; only its signed-in visitor comes this far.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(request.headers, request.stream(), max_files=1, max_fields=20, max_part_size=10_000)
        self._shop, self._now = request.app.state.shop, request.app.state.clock()
        self._files: list[SealedUpload] = []

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        is_file = part.file is not None
        if is_file != (part.field_name == FILE_FIELD):
            raise MultiPartException(f"'{part.field_name}' is no {'file' if is_file else 'text'} of this form.")
        if part.file is not None:
            part.file.file.close()
            file = SealedUpload(self._shop, self._now, part.file.filename or "")
            self._files.append(file)
            part.file = file

    def drop(self) -> None:
        """Removes what came in."""
        for file in self._files:
            file.drop()
