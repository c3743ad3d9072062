"""The event paths are routes like all others, on a way of their own: what one knows, the other does too."""

from collections.abc import Iterator

import httpx
import pytest

from shopkeeper.app.brought import EVENT_PATHS
from shopkeeper.app.shop import Shop, init
from shopkeeper.web import create_app
from shopkeeper.web.event_routes import EventLane, described
from shopkeeper.web.permit import COLLECT, declared
from tests.web.conftest import in_own_loop

_PATHS = {*EVENT_PATHS, "/hooks/{key_id}", "/v1/projects/{key}/settings"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with init(tmp_path_factory.mktemp("routes") / "shop") as made:
        yield made


def test_every_event_path_is_a_route_that_asks_for_a_write_key(shop: Shop) -> None:
    app = create_app(shop)
    found = {(each.path, each.method): each.permission for each in declared(app) if each.permission == COLLECT}
    assert {path for path, _ in found} == _PATHS
    assert {method for _, method in found} == {"GET", "POST", "OPTIONS"}
    assert set(app.openapi()["paths"]) >= _PATHS
    assert set(described()["paths"]) == _PATHS


_ASKED = (
    ("POST", "/v1/batch", 401),
    ("POST", "/sa", 400),
    ("POST", "/mp/collect", 401),
    ("POST", "/v1/devices", 401),
    ("POST", "/hooks/nobody", 401),
    ("GET", "/v1/projects/nobody/settings", 404),
    ("GET", "/v1/batch", 405),
    ("OPTIONS", "/v1/batch", 204),
)


def test_the_route_and_the_short_way_answer_alike(shop: Shop) -> None:
    async def asked(*, by_route: bool) -> list[httpx.Response]:
        app = create_app(shop)
        if by_route:
            app.user_middleware = [each for each in app.user_middleware if each.cls is not EventLane]
        transport, headers = httpx.ASGITransport(app), {"content-type": "application/json"}
        async with httpx.AsyncClient(transport=transport, base_url="http://console.example", headers=headers) as client:
            return [
                await client.request(method, path, content=b'{"batch": [{}]}' if method == "POST" else None)
                for method, path, _ in _ASKED
            ]

    short, routed = in_own_loop(asked(by_route=False)), in_own_loop(asked(by_route=True))
    for one, other, (method, path, status) in zip(short, routed, _ASKED, strict=True):
        assert (one.status_code, other.status_code) == (status, status), (method, path)
        if status != 405:  # the router says that by itself
            assert one.content == other.content, (method, path)


def test_what_nobody_foresaw_is_answered_and_not_quoted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> object:
        raise ValueError("13812345678")

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(shop)), base_url="http://x") as client:
            return await client.post("/v1/track", content=b"{}", headers={"content-type": "application/json"})

    monkeypatch.setattr("shopkeeper.web.collect.brought", broken)
    answer = in_own_loop(asked())
    assert (answer.status_code, answer.json()) == (500, {"success": False, "reason": "failed"})
    assert answer.headers["retry-after"]
    said = "".join(capsys.readouterr())
    assert "ValueError in test_event_routes.py" in said
    assert "13812345678" not in said
