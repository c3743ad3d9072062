"""Who may do what, over all routes: each declares what it asks for, and each role gets just what its table says."""

import time
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from shopkeeper.app.api_key import create_key
from shopkeeper.app.segment import add_starters
from shopkeeper.app.shop import Shop
from shopkeeper.base.permission import KEY_SCOPES, PERMISSIONS, ROLES
from shopkeeper.schema.query import Query
from shopkeeper.web import create_app
from shopkeeper.web.audited import leaves_row
from shopkeeper.web.permit import COLLECT, PUBLIC, SELF, Declared, Permit, declared, may
from tests.shop import chain_shop
from tests.web.conftest import serving
from tests.web.roles import SCOPED, Places, add_everybody, asking_as, filled, form_headers

_SIGN_OUT = "/sign-out"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with chain_shop(tmp_path_factory.mktemp("roles") / "shop") as made:
        add_starters(made)
        yield made


@pytest.fixture(scope="module")
def places(chain: Shop) -> Places:
    return add_everybody(chain)


@pytest.fixture(scope="module")
def served(chain: Shop, places: Places) -> Iterator[str]:
    del places
    with serving(chain) as address:
        yield address


@pytest.fixture(scope="module")
def routes(chain: Shop) -> list[Declared]:
    found = declared(create_app(chain))
    assert len(found) > 50
    return found


@pytest.fixture(scope="module")
def names(chain: Shop, places: Places) -> dict[str, str]:
    """A value for each parameter of a path; the person is one of the first store."""
    own = _people(chain, places.stores[:1])
    return {"person_id": min(own), "ending": "csv", "name": chain.state.segments.all()[0].name}


def _people(shop: Shop, stores: tuple[str, ...]) -> set[str]:
    """Who has an order in some stores within 365 days, worked out from the order lines themselves."""
    found = shop.arrow(
        Query.from_sql(
            "SELECT DISTINCT r.person_id FROM order_line AS l "
            "JOIN person AS r ON r.source = l.source AND r.customer_id = l.customer_id AND r.valid_to IS NULL "
            "CROSS JOIN (SELECT MAX(as_of) AS until FROM profile) AS u "
            "WHERE l.store_id IN $stores AND l.quantity > 0 AND DATE_DIFF('DAY', l.business_day, u.until) < 365 "
            "AND l.business_day <= u.until",
            name="people of stores",
            stores=list(stores),
        )
    )
    return set(found["person_id"].to_pylist())


def test_every_route_declares_what_it_asks_for(routes: list[Declared]) -> None:
    assert [route for route in routes if route.permission is None] == []
    assert {route.permission for route in routes} <= {*PERMISSIONS, PUBLIC, SELF, COLLECT}


def test_a_route_that_declares_nothing_or_two_things_is_found_and_a_plain_one_may_declare() -> None:
    async def collect(request: object) -> None:
        del request

    collect.permission = COLLECT  # type: ignore[attr-defined]
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.get("/silent")(lambda: None)
    app.get("/double", dependencies=[may("people.read"), may("data.read")])(lambda: None)
    app.router.routes.append(Route("/v1/batch", collect, methods=["POST"]))
    app.router.routes.append(Route("/v1/silent", lambda _: None, methods=["POST"]))
    assert {route.path: route.permission for route in declared(app)} == {
        "/silent": None,
        "/double": None,
        "/v1/batch": COLLECT,
        "/v1/silent": None,
    }
    with pytest.raises(ValueError, match="no such permission"):
        Permit("people.raed")


def test_public_routes_are_few(routes: list[Declared]) -> None:
    assert {route.path for route in routes if route.permission == PUBLIC} == {
        "/api/openapi.json",
        "/healthz",
        "/looks",
        "/readyz",
        "/sign-in",
        "/static/{digest}/{name:path}",
    }


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_what_its_table_says(
    role: str, routes: list[Declared], chain: Shop, served: str, names: dict[str, str]
) -> None:
    with asking_as(chain, served, role) as client:
        headers = form_headers(client)
        for route in routes:
            if route.permission in (PUBLIC, COLLECT) or route.path == _SIGN_OUT:
                continue
            asked = {"person_id": names["person_id"]} if route.path == "/api/v1/consents" else None
            answer = client.request(route.method, filled(route.path, names), headers=headers, params=asked)
            allowed = route.permission == SELF or route.permission in ROLES[role].permissions
            assert (answer.status_code != 403) == allowed, (route, answer.status_code)
            assert answer.status_code < 500, route
            if allowed and route.method == "GET" and "{" not in route.path:
                assert answer.status_code == 200, route


def test_who_has_no_role_of_ours_may_do_nothing(chain: Shop, served: str, routes: list[Declared]) -> None:
    chain.state.users.add("nobody", "a long enough password", "owner", now=chain.clock())
    with asking_as(chain, served, "nobody") as client:
        for route in routes:
            if route.method == "GET" and route.permission in PERMISSIONS:
                assert client.get(filled(route.path, {})).status_code == 403, route


def test_another_stores_person_is_nowhere(chain: Shop, served: str, places: Places, routes: list[Declared]) -> None:
    mine = _people(chain, places.stores[:1])
    others = _people(chain, tuple(sorted({*places.stores, places.other} - set(places.stores[:1])))) - mine
    assert mine
    assert others
    foreign = min(others)
    with asking_as(chain, served, "store_manager") as client, asking_as(chain, served, "admin") as admin:
        nobody = client.get("/api/v1/persons/nobody").json()
        of_a_person = [route for route in routes if "{person_id}" in route.path and route.permission == "people.read"]
        assert len(of_a_person) >= 6
        for route in of_a_person:
            assert route.method == "GET"
            path = filled(route.path, {"person_id": foreign})
            assert client.get(path).status_code == 404, path
            if "baskets" not in path:
                assert admin.get(path).status_code == 200, path  # the positive control
        assert client.get(f"/api/v1/persons/{foreign}").json() == nobody
        assert _listed(client) == mine
        assert f'href="/people/{foreign}"' not in client.get("/people", params={"search": foreign}).text
        with asking_as(chain, served, "regional_manager") as regional:
            assert _listed(regional) == _people(chain, places.stores)


def test_a_store_sees_its_own_figures_of_a_person_only(
    chain: Shop, served: str, places: Places, names: dict[str, str]
) -> None:
    store = places.stores[0]
    both = sorted(_people(chain, (store,)) & _people(chain, (*places.stores[1:], places.other)))
    assert both
    with asking_as(chain, served, "store_manager") as client, asking_as(chain, served, "admin") as admin:
        person = both[0]
        mine = client.get(f"/api/v1/persons/{person}").json()
        whole = admin.get(f"/api/v1/persons/{person}").json()
        assert mine["traits"]["orders_365d"] < whole["traits"]["orders_365d"]
        assert mine["traits"]["favourite_store"] in (None, store)
        assert mine["scores"] == []
        seen = {"lifecycle", "trend", "rfm_class", "recency_days", "orders_365d", "monetary_365d", "basket_value"}
        assert {name for name, value in mine["traits"].items() if value is not None} <= {*seen, "favourite_store"}
        entries = client.get(f"/api/v1/persons/{person}/timeline").json()["entries"]
        assert {entry["store_id"] for entry in entries if entry["kind"] == "basket"} == {store}
        assert "redemption" not in {entry["kind"] for entry in entries}
        elsewhere = next(
            entry
            for entry in admin.get(f"/api/v1/persons/{person}/timeline").json()["entries"]
            if entry["kind"] == "basket" and entry["store_id"] != store
        )
        basket = f"/people/{person}/baskets/{elsewhere['source']}/{elsewhere['order_id']}"
        assert admin.get(basket).status_code == 200
        assert client.get(basket).status_code == 404
    del names


@pytest.mark.parametrize("role", SCOPED)
def test_the_report_ends_at_the_stores_of_the_reader(role: str, chain: Shop, served: str, places: Places) -> None:
    with asking_as(chain, served, role) as client:
        own = client.get("/api/v1/report").json()
        stores = places.stores if role in ("regional_manager", "supervisor") else places.stores[:1]
        assert own["morning"]["level"] in (places.branch, stores[0])
        assert own["morning"]["stores"] <= len(stores)
        for key in ("lifecycle", "segments", "campaigns", "models", "tables", "stands_at"):
            assert not own[key], key
        assert places.other not in own["names"]
        for level in ("chain", places.other, "nowhere"):
            for path in ("/api/v1/report", "/report"):
                answer = client.get(path, params={"level": level})
                assert answer.status_code == 404, (path, level)
        said = client.get("/api/v1/report", params={"level": "nowhere"}).text
        assert places.other not in said
        page = client.get("/report").text
        assert "chain" not in page.split("<main")[1].split('name="level"')[1].split("</select>")[0]


def test_a_branch_that_is_gone_and_stores_not_given_show_nothing(chain: Shop, served: str) -> None:
    chain.state.users.add("gone", "a long enough password", "supervisor", now=chain.clock(), org_unit="not there")
    chain.state.users.add("none", "a long enough password", "store_manager", now=chain.clock())
    for name in ("gone", "none"):
        with asking_as(chain, served, name) as client:
            assert _listed(client) == set()
            assert client.get("/api/v1/report").status_code == 404


def test_a_key_does_what_its_scopes_say_without_a_form_token(
    chain: Shop, served: str, routes: list[Declared], names: dict[str, str]
) -> None:
    keyed = [route for route in routes if route.path.startswith(("/api/v1/", "/metrics"))]
    assert {route.permission for route in keyed} <= KEY_SCOPES
    for scope in sorted(KEY_SCOPES):
        _, secret = create_key(chain, [scope], name="test")
        with httpx.Client(base_url=served, headers={"authorization": f"Bearer {secret}"}, timeout=60) as client:
            for route in keyed:
                answer = client.request(route.method, filled(route.path, names))
                assert (answer.status_code != 403) == (route.permission == scope), (route, scope)
            assert client.get("/people").status_code == 303  # pages are for people
    _, write_key = create_key(chain, ["collect"], source="web", is_browser=True)
    with httpx.Client(base_url=served, headers={"authorization": f"Bearer {write_key}"}) as client:
        assert {client.get(filled(each.path, names)).status_code for each in keyed if each.method == "GET"} == {403}


def test_beside_a_key_no_cookie_counts(chain: Shop, served: str) -> None:
    with asking_as(chain, served, "admin") as client:
        answer = client.post(
            "/api/v1/segments/preview", json={"tree": {"all": []}}, headers={"authorization": "Bearer x"}
        )
        assert answer.status_code == 401
        assert client.post("/api/v1/segments/preview", json={"tree": {"all": []}}).status_code == 403


def test_a_wrong_key_is_refused_alike_whatever_it_is_and_not_for_ever(chain: Shop) -> None:
    key, revoked = create_key(chain, ["people.read"], name="old")
    chain.state.api_keys.revoke(key.id, now=chain.clock())
    _, right = create_key(chain, ["people.read"], name="new")
    with serving(chain) as address, httpx.Client(base_url=address, timeout=60) as client:

        def asked(secret: str) -> httpx.Response:
            return client.get("/api/v1/persons?limit=1", headers={"authorization": f"Bearer {secret}"})

        first, second = asked(revoked), asked("nonsense")
        assert (first.status_code, first.content) == (second.status_code, second.content)
        assert first.status_code == 401
        tries = [asked("nonsense") for _ in range(50)]
        assert tries[-1].status_code == 429
        assert int(tries[-1].headers["retry-after"]) > 0
        assert asked(right).status_code == 200


def test_what_is_done_and_seen_leaves_a_row(chain: Shop, routes: list[Declared], names: dict[str, str]) -> None:
    with serving(chain) as address, asking_as(chain, address, "admin") as client:
        headers = form_headers(client)
        for route in routes:
            if route.path == _SIGN_OUT or route.permission in (PUBLIC, COLLECT):
                continue
            before = chain.state.audit.head()[0]
            answer = client.request(route.method, filled(route.path, names), headers=headers)
            written = answer.status_code < 400 and leaves_row(route.method, route.permission)
            if written and str(route.permission).endswith((".read", ".rows")):
                _wait_for_rows(chain, before)
            rows = chain.state.audit.rows(after=before)
            general = [row for row in rows if row.what == route.permission]
            assert bool(general) == written, (route, answer.status_code)
            for row in general:
                assert (row.who, row.origin) == ("admin", "127.0.0.1")
                assert row.detail["method"] == route.method
                if "{person_id}" in route.path:
                    assert names["person_id"] in row.target
    assert chain.state.audit.verify() > 0


def test_what_is_not_found_puts_nothing_typed_into_the_log(chain: Shop, served: str) -> None:
    with asking_as(chain, served, "admin") as client:
        client.get("/people/13800138000")
        client.get("/people", params={"search": "13800138000"})
    rows = chain.state.audit.newest(limit=500)
    assert not any("13800138000" in str(row) for row in rows)


def _wait_for_rows(shop: Shop, before: int) -> None:
    until = time.monotonic() + 5
    while shop.state.audit.head()[0] == before and time.monotonic() < until:
        time.sleep(0.02)


def _listed(client: httpx.Client) -> set[str]:
    """Everybody whom the list shows, page by page; their number is the one the list says."""
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = client.get("/api/v1/persons", params={"limit": 100, "cursor": cursor}).json()
        seen += [person["person_id"] for person in page["people"]]
        cursor = page["cursor"]
    assert len(seen) == len(set(seen)) == page["total"]
    return set(seen)
