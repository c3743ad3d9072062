"""A real shop behind a real server, and a real Chromium in front of it."""

import asyncio
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from shopkeeper.app.shop import Shop, open_shop
from shopkeeper.web import create_app
from tests import shop as shops
from tests.web.door import open_front_door

T = TypeVar("T")
CHROMIUM = shutil.which("chromium")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Chromium itself says so when a page answers 401, 404, 409 or 422 as it should.
_EXPECTED_IN_CONSOLE = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


# A machine with three test processes on two cores may take more than the five seconds that Playwright waits.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A slice of Complete Journey; for pictures, whatever shop the environment names."""
    named = os.environ.get("SHOPKEEPER_PICTURED_SHOP")
    with open_shop(named) if named else shops.journey_shop(tmp_path_factory.mktemp("web") / "shop") as made:
        yield made


@contextmanager
def serving(shop: Shop) -> Iterator[str]:
    """Serves a shop's console on a free port, and gives its address."""
    server = uvicorn.Server(uvicorn.Config(create_app(shop), host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def shopper(shop: Shop) -> str:
    """Somebody known from the events of a day at the front door alone."""
    return open_front_door(shop)


@pytest.fixture(scope="session")
def address(shop: Shop) -> Iterator[str]:
    with serving(shop) as served:
        yield served


@pytest.fixture
def visitor(address: str) -> Iterator[httpx.Client]:
    """A client that nobody signed in with."""
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture
def client(visitor: httpx.Client, shop: Shop) -> httpx.Client:
    """A client that is signed in."""
    visitor.cookies.set("shopkeeper_session", new_session(shop))
    return visitor


def new_session(shop: Shop) -> str:
    """A session as signing in begins it, without the password's hash, which is slow on purpose."""
    session_id, _ = shop.state.sessions.start(shop.state.users.all()[0].id, now=shop.clock())
    return session_id


def token(client: httpx.Client, path: str) -> str:
    """The form token that a page carries."""
    found = re.search(r'name="csrf" value="(\w+)"', client.get(path).text)
    assert found is not None
    return found[1]


def post(client: httpx.Client, path: str, data: dict[str, str], *, form: str) -> httpx.Response:
    """Posts as a browser would from the page `form`."""
    origin = str(client.base_url).rstrip("/")
    return client.post(path, data={**data, "csrf": token(client, form)}, headers={"origin": origin})


def in_own_loop(asked: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in a thread of its own: Playwright keeps this thread's event loop running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asked).result()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


_READY = """() => !document.querySelector("[data-lazy] .skeleton")
  && [...document.querySelectorAll("[data-chart]")].every((box) => window.echarts?.getInstanceByDom(box))"""
Opened = Callable[..., Page]


@pytest.fixture(scope="session")
def kept_contexts(chromium: Browser) -> Iterator[dict[tuple[object, ...], BrowserContext]]:
    """Contexts that several tests use by their look; they only look, so that what the browser keeps is files."""
    kept: dict[tuple[object, ...], BrowserContext] = {}
    yield kept
    assert chromium.is_connected()
    for context in kept.values():
        context.close()


@pytest.fixture
def open_page(
    chromium: Browser,
    kept_contexts: dict[tuple[object, ...], BrowserContext],
    address: str,
    shop: Shop,
    request: pytest.FixtureRequest,
) -> Iterator[Opened]:
    """Opens pages as somebody signed in; whatever the console of the browser says fails the test."""
    said: list[str] = []
    contexts: list[BrowserContext] = []
    pages: list[Page] = []

    def opened(
        path: str,
        *,
        language: str = "en",
        theme: str = "light",
        width: int = 1280,
        height: int = 900,
        signed: bool = True,
        only_looks: bool = False,
    ) -> Page:
        look = (language, theme, width, height, signed)
        context = kept_contexts.get(look) if only_looks else None
        if context is None:
            context = chromium.new_context(
                viewport={"width": width, "height": height},
                locale="zh-CN" if language == "zh" else "en-US",
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
            )
            if signed:
                context.add_cookies([{"name": "shopkeeper_session", "value": new_session(shop), "url": address}])
            if only_looks:
                kept_contexts[look] = context
            else:
                contexts.append(context)
        page = context.new_page()
        pages.append(page)
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.goto(address + path)
        page.wait_for_function(_READY)
        return page

    yield opened
    for page in pages:
        page.close()
    for context in contexts:
        context.close()
    unexpected = [line for line in said if not _EXPECTED_IN_CONSOLE.search(line)]
    assert unexpected == [], f"the browser's console in {request.node.name}"


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where screenshots go, when the environment asks for them."""
    folder = os.environ.get("SHOPKEEPER_SCREENSHOTS")
    return Path(folder) if folder else None
