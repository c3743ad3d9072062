import re

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from shopkeeper.app.shop import Shop
from shopkeeper.web import create_app
from shopkeeper.web.security import CONTENT_SECURITY_POLICY
from shopkeeper.web.signed_in import signed_in
from tests import shop as shops
from tests.web.conftest import in_own_loop, post, token

PUBLIC = {"/healthz", "/readyz", "/sign-in", "/looks", "/static/{digest}/{name:path}"}


def _routes(app: FastAPI) -> list[APIRoute]:
    found: list[APIRoute] = []
    pending = list(app.routes)
    while pending:
        route = pending.pop()
        if isinstance(route, APIRoute):
            found.append(route)
        else:
            pending += getattr(getattr(route, "original_router", None), "routes", [])
    return found


@pytest.fixture(scope="module")
def routes(shop: Shop) -> list[APIRoute]:
    found = _routes(create_app(shop))
    assert len(found) > 30
    return found


def _filled(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "x", path)


def test_every_route_but_the_public_ones_asks_who_is_there(routes: list[APIRoute]) -> None:
    def asks(route: APIRoute) -> bool:
        return any(dependency.call is signed_in for dependency in route.dependant.dependencies)

    assert {route.path for route in routes if not asks(route)} == PUBLIC


def test_nobody_sees_anything_without_signing_in(routes: list[APIRoute], visitor: httpx.Client) -> None:
    for route in routes:
        if "GET" in (route.methods or ()) and route.path not in PUBLIC:
            answer = visitor.get(_filled(route.path))
            expected = 401 if route.path.startswith(("/api/", "/metrics")) else 303
            assert answer.status_code == expected, route.path
            if expected == 303:
                assert answer.headers["location"].startswith("/sign-in")


def test_every_unsafe_route_refuses_a_request_without_token(routes: list[APIRoute], client: httpx.Client) -> None:
    origin = str(client.base_url).rstrip("/")
    unsafe = [(method, route) for route in routes for method in (route.methods or set()) - {"GET", "HEAD", "OPTIONS"}]
    assert len(unsafe) >= 10
    for method, route in unsafe:
        answer = client.request(method, _filled(route.path), headers={"origin": origin})
        assert answer.status_code == 403, route.path


def test_every_unsafe_route_refuses_another_origin(routes: list[APIRoute], client: httpx.Client) -> None:
    sealed = token(client, "/people")
    for headers in ({"origin": "https://evil.example"}, {}, {"origin": "null"}):
        for route in routes:
            for method in (route.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
                answer = client.request(method, _filled(route.path), headers={**headers, "x-csrf-token": sealed})
                assert answer.status_code == 403, route.path


def test_every_number_that_a_request_may_carry_has_an_end(routes: list[APIRoute]) -> None:
    """A larger one than a column holds is refused as such, not by the database."""
    asked = [
        (route.path, each) for route in routes for each in (*route.dependant.query_params, *route.dependant.body_params)
    ]
    numbers = [(path, each) for path, each in asked if each.field_info.annotation in (int, int | None)]
    assert len(numbers) > 8
    ends = ("lt", "le")
    endless = [
        (path, each.name)
        for path, each in numbers
        if not any(hasattr(said, end) for said in each.field_info.metadata for end in ends)
    ]
    assert endless == []


def test_digits_that_no_program_reads_are_no_number(client: httpx.Client) -> None:
    answer = post(client, "/keys", {"name": "x", "scopes": "report.read", "days": "²"}, form="/keys")
    assert answer.status_code == 422


def test_a_browser_that_says_cross_site_is_refused(client: httpx.Client) -> None:
    headers = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "cross-site"}
    answer = client.post("/sign-out", data={"csrf": token(client, "/people")}, headers=headers)
    assert answer.status_code == 403


def test_a_token_of_another_session_is_refused(client: httpx.Client, address: str) -> None:
    with httpx.Client(base_url=address) as other:
        foreign = token(other, "/sign-in")
    headers = {"origin": address}
    assert client.post("/sign-out", data={"csrf": foreign}, headers=headers).status_code == 403
    assert client.get("/people").status_code == 200


def test_two_answers_never_carry_the_same_token(client: httpx.Client) -> None:
    assert token(client, "/people") != token(client, "/people")


def test_every_answer_carries_the_policy(client: httpx.Client) -> None:
    for path in ("/", "/sign-in", "/nowhere", "/healthz", "/api/v1/nowhere", "/static/x/tokens.css"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "cache-control" in answer.headers
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_the_session_cookie_is_out_of_reach_and_new_at_each_sign_in(visitor: httpx.Client) -> None:
    given = {"name": shops.USER, "password": shops.PASSWORD}
    visitor.cookies.set("shopkeeper_session", "planted")
    first = visitor.post(
        "/sign-in",
        data={**given, "csrf": token(visitor, "/sign-in")},
        headers={"origin": str(visitor.base_url).rstrip("/")},
    )
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "planted" not in cookie


def test_https_gives_a_host_cookie_and_strict_transport(shop: Shop) -> None:
    transport = httpx.ASGITransport(create_app(shop))

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="https://console.example") as client:
            page = await client.get("/sign-in")
            sealed = re.search(r'name="csrf" value="(\w+)"', page.text)
            assert sealed is not None
            given = {"name": shops.USER, "password": shops.PASSWORD, "csrf": sealed[1]}
            return await client.post("/sign-in", data=given, headers={"origin": "https://console.example"})

    answer = in_own_loop(asked())
    assert answer.headers["set-cookie"].startswith("__Host-shopkeeper_session=")
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_signing_out_ends_the_session_on_the_server(client: httpx.Client) -> None:
    kept = client.cookies["shopkeeper_session"]
    assert post(client, "/sign-out", {}, form="/people").status_code == 303
    client.cookies.set("shopkeeper_session", kept)
    assert client.get("/people").status_code == 303


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(visitor: httpx.Client) -> None:
    def said(name: str) -> tuple[int, str]:
        answer = post(visitor, "/sign-in", {"name": name, "password": "wrong"}, form="/sign-in")
        return answer.status_code, re.sub(
            r'(name="(?:csrf|name)" value=")[^"]*"', r"\1", re.sub(name, "NAME", answer.text)
        )

    assert said(shops.USER) == said("nobody_here")


def test_the_next_page_is_always_ours(visitor: httpx.Client) -> None:
    given = {"name": shops.USER, "password": shops.PASSWORD}
    for evil in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"):
        answer = post(visitor, "/sign-in", {**given, "next": evil}, form="/sign-in")
        assert answer.headers["location"] == "/"
        visitor.cookies.delete("shopkeeper_session")
    answer = post(visitor, "/sign-in", {**given, "next": "/people?stage=new"}, form="/sign-in")
    assert answer.headers["location"] == "/people?stage=new"


def test_the_log_says_where_something_failed_and_not_of_whom(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    app = create_app(shop)

    @app.get("/broken/{person_id}")
    def broken(person_id: str) -> None:
        raise ValueError(person_id)

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/broken/13812345678")

    assert in_own_loop(asked()).status_code == 500
    said = "".join(capsys.readouterr())
    assert "/broken/{person_id}" in said
    assert "13812345678" not in said
