"""A really started REST catalog for tests: Iceberg's open protocol over HTTP, kept by PyIceberg's own SQL catalog.

It shares no code with the client in PyIceberg or with ours, but for PyIceberg's shapes of the protocol's messages.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pyiceberg import exceptions
from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import CommitTableRequest, Table

__all__ = ["rest_catalog"]

_STATUS = {
    exceptions.NoSuchTableError: 404,
    exceptions.NoSuchNamespaceError: 404,
    exceptions.TableAlreadyExistsError: 409,
    exceptions.NamespaceAlreadyExistsError: 409,
    exceptions.CommitFailedException: 409,
}


@contextmanager
def rest_catalog(folder: Path, token: str | None = None, stumbles: int = 0) -> Iterator[str]:
    """Starts a catalog and gives its address.

    Args:
        folder: Where it keeps what it knows.
        token: What a client has to show, if anything.
        stumbles: How many times it fails to make a namespace, as Apache's server does when two want the same at once.
    """
    left = [stumbles]
    kept = SqlCatalog("served", uri=f"sqlite:///{folder / 'served.db'}", warehouse=f"file://{folder}")
    one_at_a_time = threading.Lock()

    class Handler(_Handler):
        def answer(self, body: Any) -> Any:
            if token is not None and self.headers["Authorization"] != f"Bearer {token}":
                return 401, _refusal("no such token", "NotAuthorizedException", 401)
            if self.command == "POST" and self.path.endswith("/namespaces") and left[0] > 0:
                left[0] -= 1
                return 500, _refusal("database is locked", "UncheckedSQLException", 500)
            with one_at_a_time:
                return 200, _answered(kept, self.command, self.path.partition("?")[0].split("/")[2:], body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        kept.close()


def _answered(kept: SqlCatalog, method: str, path: list[str], body: Any) -> Any:  # noqa: PLR0911 - one answer a path
    match method, path:
        case "GET", ["config"]:
            return {"defaults": {}, "overrides": {}}
        case "POST", ["namespaces"]:
            kept.create_namespace(tuple(body["namespace"]))
            return body
        case "GET", ["namespaces", space, "tables"]:
            return {"identifiers": [{"namespace": [space], "name": name} for _, name in kept.list_tables(space)]}
        case "POST", ["namespaces", space, "tables"]:
            asked = CreateTableRequest.model_validate(body)
            return _shown(
                kept.create_table(
                    (space, asked.name),
                    asked.table_schema,
                    asked.location,
                    asked.partition_spec,
                    properties=asked.properties,
                )
            )
        case "POST", ["namespaces", space, "register"]:
            return _shown(kept.register_table((space, body["name"]), body["metadata-location"]))
        case "GET", ["namespaces", space, "tables", name]:
            return _shown(kept.load_table((space, name)))
        case "DELETE", ["namespaces", space, "tables", name]:
            return kept.drop_table((space, name))
        case "POST", ["namespaces", space, "tables", name]:
            commit = CommitTableRequest.model_validate({"identifier": {"namespace": [space], "name": name}, **body})
            done = kept.commit_table(kept.load_table((space, name)), commit.requirements, commit.updates)
            return json.loads(done.model_dump_json())
    raise ValueError(f"{method} {path} is not spoken here")


def _shown(table: Table) -> Any:
    return {"metadata-location": table.metadata_location, "metadata": json.loads(table.metadata.model_dump_json())}


def _refusal(message: str, kind: str, code: int) -> Any:
    return {"error": {"message": message, "type": kind, "code": code}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body: Any) -> Any:
        raise NotImplementedError

    def _do(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"] or 0))
        try:
            status, document = self.answer(json.loads(text) if text else None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            status = _STATUS.get(type(error), 500)
            document = _refusal(str(error), type(error).__name__, status)
        data = json.dumps(document).encode() if document is not None else b""
        self.send_response(status if data else 204)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_HEAD = _do  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Says nothing."""
