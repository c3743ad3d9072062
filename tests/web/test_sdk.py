"""The unmodified SDKs of Segment send to a running service: Python, Node, and a page in a real browser."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from segment import analytics as segment

from tests.service import Running, running

SDK = Path(__file__).parents[1] / "sdk"
NEXT = SDK / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd"
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (SDK / "node_modules").exists(),
    reason="Node or the SDKs for it are not installed",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("sdk") / "shop", workers=2) as found:
        yield found


def _kinds(service: Running, source: str, at_least: int) -> Counter[str]:
    found = service.events(at_least=at_least)
    return Counter(event.type for event in found if event.source == source)


def test_the_sdk_for_python(service: Running) -> None:
    before = _kinds(service, "app", 0)
    errors: list[object] = []
    client = segment.Client(
        service.server_key,
        host=service.url,
        gzip=True,
        max_retries=2,
        on_error=lambda error, _: errors.append(error),
    )
    client.identify("python-1", {"email": "canary.one@example.com", "phone": "13812345678"})
    for number in range(130):
        client.track("python-1", "Product Viewed", {"product_id": f"p{number}"})
    client.page("python-1", name="Home")
    client.screen("python-1", name="Wallet")
    client.group("python-1", "family-1", {"size": 3})
    client.alias("python-anon", "python-1")
    client.shutdown()
    assert errors == []
    assert _kinds(service, "app", 135) - before == Counter(track=130, identify=1, page=1, screen=1, group=1, alias=1)


def test_the_sdk_for_python_sends_again_what_the_log_could_not_take(service: Running) -> None:
    """A service that is away for a moment: the SDK's own retries bring every event, once."""
    os.kill(_pid_of(service, "log"), 9)
    client = segment.Client(service.server_key, host=service.url, max_retries=8)
    for number in range(20):
        client.track("python-2", "Product Viewed", {"product_id": f"p{number}"})
    client.shutdown()
    mine = [e for e in service.events(at_least=20) if e.properties.get("product_id") and e.user_id == _user(service, 2)]
    assert len({event.message_id for event in mine}) == len(mine) == 20


def _user(service: Running, number: int) -> str:
    from shopkeeper.app.shop import open_shop  # noqa: PLC0415

    with open_shop(service.folder) as shop:
        return shop.tokens.token("user", f"python-{number}")


def _pid_of(service: Running, part: str) -> int:
    command = f"shopkeeper {part} --shop {service.folder}"
    found = subprocess.run(["pgrep", "-f", command], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


@needs_node
def test_the_sdk_for_node(service: Running) -> None:
    before = _kinds(service, "app", 0)
    sent = subprocess.run(
        ["node", str(SDK / "send.mjs"), service.url, service.server_key],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(sent.stdout) == {"failures": []}
    found = _kinds(service, "app", sum(before.values()) + 17) - before
    assert found == Counter(track=12, identify=1, page=1, screen=1, group=1, alias=1)


@pytest.fixture(scope="module")
def web_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page of a web shop, served from an origin of its own."""
    folder = tmp_path_factory.mktemp("web-shop")
    shutil.copy(SDK / "page.html", folder / "index.html")
    for file in NEXT.glob("*.js"):
        shutil.copy(file, folder)
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    made = context.new_page()
    yield made
    context.close()


@needs_node
@pytest.mark.parametrize("batching", ["", "1"])
def test_the_sdk_in_a_browser(service: Running, web_shop: str, page: Page, batching: str) -> None:
    before = _kinds(service, "web", 0)
    asked: list[tuple[str, str, int]] = []
    page.on("response", lambda answer: asked.append((answer.request.method, answer.url, answer.status)))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.goto(f"{web_shop}/?host={service.host}&key={service.browser_key}&batching={batching}")
    page.wait_for_function("document.title === 'ready'", timeout=15_000)
    page.evaluate(
        """async () => {
            await analytics.identify('member-7', { email: 'canary.one@example.com' })
            await analytics.page('Home')
            for (const id of ['p1', 'p2', 'p3']) await analytics.track('Product Viewed', { product_id: id })
            await analytics.group('family-1')
            await analytics.alias('member-8', 'member-7')
        }"""
    )
    page.wait_for_timeout(1_000)
    total = sum(before.values())
    found = _kinds(service, "web", total + 7) - before
    assert found == Counter(track=3, identify=1, page=1, group=1, alias=1)
    assert said == []
    paths = {url.removeprefix(service.url) for method, url, _ in asked if url.startswith(service.url)}
    assert f"/v1/projects/{service.browser_key}/settings" in paths
    assert paths >= ({"/v1/b"} if batching else {"/v1/t", "/v1/i", "/v1/p", "/v1/g", "/v1/a"}), paths
    assert {status for _, url, status in asked if url.startswith(service.url)} <= {200, 204}


@needs_node
def test_the_last_events_of_a_page_that_is_left_arrive(service: Running, web_shop: str, page: Page) -> None:
    before = {event.message_id for event in service.events()}
    page.goto(f"{web_shop}/?host={service.host}&key={service.browser_key}&batching=1")
    page.wait_for_function("document.title === 'ready'", timeout=15_000)
    page.evaluate("() => { analytics.track('Product Clicked', { product_id: 'last' }) }")
    page.wait_for_timeout(100)
    page.goto("about:blank")
    found = [event for event in service.events(at_least=len(before) + 1) if event.message_id not in before]
    assert [event.name for event in found] == ["Product Clicked"]
