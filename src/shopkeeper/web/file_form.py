"""Forms that bring a file: read as they come, the file sealed at once; Starlette would write it to a temporary file."""

import io
from typing import cast

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from shopkeeper.app.pages.upload import Incoming
from shopkeeper.base.errors import UsageError

__all__ = ["SealedUpload", "drop_file", "file_form"]


class SealedUpload(UploadFile):
    """A file of a form that goes where it is sealed.

    Args:
        incoming: Where it goes.
        filename: What it is called.
    """

    def __init__(self, incoming: Incoming, filename: str) -> None:
        super().__init__(io.BytesIO(), filename=filename)
        self.incoming = incoming

    async def write(self, data: bytes) -> None:
        """Seals some bytes."""
        await run_in_threadpool(self.incoming.write, data)

    async def seek(self, offset: int) -> None:
        """Nothing: what was sealed is read elsewhere."""


async def file_form(request: Request) -> FormData:
    """Reads a form with a file once; whoever asks again gets what was read.

    Returns:
        Its fields; the file is a `SealedUpload`.

    Raises:
        UsageError: It is no form that a browser sends.
    """
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
    for value in form.values():
        if isinstance(value, SealedUpload):
            await run_in_threadpool(value.incoming.drop)


class _SealingParser(MultiPartParser):
    """Puts what a file part brings where it is sealed.

    Args:
        request: The request; only its signed-in visitor comes this far.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(request.headers, request.stream(), max_files=1, max_fields=20, max_part_size=10_000)
        self._shop, self._now = request.app.state.shop, request.app.state.clock()
        self._incoming: list[Incoming] = []

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        if part.file is not None:
            part.file.file.close()
            incoming = Incoming(self._shop, self._now)
            self._incoming.append(incoming)
            part.file = SealedUpload(incoming, part.file.filename or "")

    def drop(self) -> None:
        """Removes what came in."""
        for incoming in self._incoming:
            incoming.drop()
