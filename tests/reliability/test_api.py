"""The trial of the API finds what it is there to find, on an application that is wrong on purpose."""

import threading
import time
from collections.abc import Iterator
from typing import Annotated

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from reliability.api import tried

HINTS = {"person_id": ["ann"]}


class Body(BaseModel):
    name: str
    age: int = 0


def _wrong() -> FastAPI:
    app = FastAPI(openapi_url="/api/openapi.json", docs_url=None, redoc_url=None)

    @app.post("/api/v1/breaks")
    def breaks(body: Body) -> int:
        return 1 // body.age

    @app.get("/api/v1/undeclared")
    def undeclared(number: Annotated[int, "any"] = 0) -> int:
        if number > 100:
            raise HTTPException(418)
        return number

    @app.get("/api/v1/persons/{person_id}")
    def sound(person_id: str) -> JSONResponse:
        return JSONResponse({"person_id": person_id})

    return app


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    server = uvicorn.Server(uvicorn.Config(_wrong(), host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as made:
        yield made
    server.should_exit = True
    thread.join()


def test_what_breaks_and_what_is_not_declared_are_found(client: httpx.Client) -> None:
    found = tried(client, HINTS, examples=25, number=1)
    said = "\n".join(found.faults)
    assert "POST /api/v1/breaks broke with 500" in said
    assert "GET /api/v1/undeclared answered 418, which it does not declare" in said
    assert not [
        fault for fault in found.faults if fault.startswith("GET /api/v1/persons/") and "failed as" not in fault
    ]
    assert found.requests > 75
    assert found.answered >= {"GET /api/v1/undeclared", "GET /api/v1/persons/{person_id}"}


def test_the_same_seed_makes_the_same_requests(client: httpx.Client) -> None:
    first, second = (tried(client, HINTS, examples=10, number=7) for _ in range(2))
    assert first.statuses == second.statuses
    assert first.faults == second.faults
