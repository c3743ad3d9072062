"""Who may do what, over all routes: each declares what it asks for, and each role gets just what its table says."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from reliability.api import asking, hints_of, tried
from shopkeeper.app.api_key import create_key
from shopkeeper.app.segment import add_starters
from shopkeeper.app.shop import Shop
from shopkeeper.app.traces import mark_of
from shopkeeper.base.permission import KEY_SCOPES, PERMISSIONS, ROLES, Reach, Role
from shopkeeper.schema.query import Query
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.web import create_app
from shopkeeper.web.audited import leaves_row
from shopkeeper.web.file_form import FILE_PATH
from shopkeeper.web.permit import COLLECT, PUBLIC, SELF, Declared, Permit, declared, may
from tests.shop import chain_shop, fill
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


KEEPS_TO_STORES = frozenset({"report.read", "people.read", "people.lookup", "consent.write"})
"""The permissions whose routes show or change nothing beyond the stores of the visitor."""


def test_roles_of_stores_have_only_what_keeps_to_stores() -> None:
    for role in SCOPED:
        assert ROLES[role].permissions <= KEEPS_TO_STORES, role


def test_whatever_a_role_of_stores_may_do_another_stores_person_is_nowhere(
    chain: Shop, served: str, places: Places, routes: list[Declared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that may do all of it, for one store: whoever gives it to such a role later finds it held."""
    everything = Role("all of a store", "", Reach.STORES, KEEPS_TO_STORES | {"person.unmask"})
    monkeypatch.setattr("shopkeeper.app.visitor.ROLES", {**ROLES, "everything": everything})
    chain.state.users.add(
        "everything", "a long enough password", "everything", now=chain.clock(), stores=places.stores[:1]
    )
    mine = _people(chain, places.stores[:1])
    foreign = min(_people(chain, tuple({*places.stores, places.other} - set(places.stores[:1]))) - mine)
    source, customer_id = foreign.split(":", 1)
    phone = chain.tokens.token("phone", "13812345678")
    identifier = {"kind": "phone", "token": phone, "source": source, "customer_id": customer_id}
    fill(chain, "identifier", [identifier])
    said = {"purpose": "marketing", "channel": "sms", "granted": False}
    bodies: dict[str, tuple[dict[str, object], dict[str, str]]] = {
        "/api/v1/persons/lookup": ({"kind": "phone", "value": "13812345678"}, {}),
        "/api/v1/persons/{person_id}/unmask": ({"reason": "calls back"}, {}),
        "/api/v1/consents": ({"person_id": foreign, **said}, {}),
        "/people/lookup": ({}, {"kind": "phone", "value": "13812345678"}),
        "/people/{person_id}/unmask": ({}, {"reason": "calls back"}),
        "/people/{person_id}/consent": ({}, {"purpose": "marketing", "channel": "sms", "granted": "false"}),
        "/people/{person_id}/decisions": ({}, {"allowed": "false"}),
    }
    with asking_as(chain, served, "everything") as client, asking_as(chain, served, "admin") as admin:
        headers = {"here": form_headers(client), "admin": form_headers(admin)}
        # What unmasks one person keeps to stores; what reveals a refused event, which is nobody's yet, does not.
        unsafe = [
            each
            for each in routes
            if each.method != "GET"
            and (
                each.permission in KEEPS_TO_STORES or (each.permission == "person.unmask" and "person_id" in each.path)
            )
        ]
        assert {each.path for each in unsafe} == set(bodies)
        for route in unsafe:
            body, form = bodies[route.path]
            path = filled(route.path, {"person_id": foreign})
            sent = {"json": body} if body else {"data": {"csrf": "x", **form}}
            asked = [
                each.request(route.method, path, headers=headers[name], **sent)  # type: ignore[arg-type]
                for each, name in ((client, "here"), (admin, "admin"))
            ]
            assert asked[0].status_code == 404, route
            assert foreign not in asked[0].text.replace(path, ""), route
            assert asked[1].status_code in (200, 303), (route, asked[1].text)  # the control: the chain may
        assert client.get("/api/v1/consents", params={"person_id": foreign}).status_code == 404
        assert client.get("/api/v1/persons", params={"segment": "anything"}).status_code == 403
        own = client.get(f"/api/v1/persons/{min(mine)}").json()
        assert own["live"] is None
        assert client.get(f"/api/v1/persons/{min(mine)}/segments").json() == []


def test_a_foreign_person_and_nobody_cost_the_same(
    chain: Shop, served: str, places: Places, routes: list[Declared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of a 404 tells nothing where both do the same: the same queries, as many, of the same text."""
    mine = _people(chain, places.stores[:1])
    foreign = min(_people(chain, tuple({*places.stores, places.other} - set(places.stores[:1]))) - mine)
    asked: list[str] = []
    kept = DuckDBEngine.arrow

    def noted(self: DuckDBEngine, query: Query, *more: Any, **named: Any) -> Any:
        asked.append(query.name)
        return kept(self, query, *more, **named)

    monkeypatch.setattr(DuckDBEngine, "arrow", noted)
    of_a_person = [each for each in routes if "{person_id}" in each.path and each.permission == "people.read"]
    with asking_as(chain, served, "store_manager") as client:
        for route in of_a_person:
            found = []
            for person in (foreign, "nobody:at-all"):
                asked.clear()
                assert client.get(filled(route.path, {"person_id": person})).status_code == 404
                found.append(tuple(asked))
            assert found[0] == found[1], route
            assert found[0], route


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
                    assert row.target.split("/")[0] == mark_of(chain, names["person_id"])
    assert chain.state.audit.verify() > 0


def test_no_form_takes_a_field_that_it_does_not_have(
    chain: Shop, served: str, routes: list[Declared], names: dict[str, str]
) -> None:
    hidden = {"tenant_id": "1", "granted_by": "admin", "is_admin": "true"}
    forms = [
        each
        for each in routes
        if each.method == "POST" and not each.path.startswith("/api/") and each.permission != COLLECT
    ]
    assert len(forms) > 25
    with asking_as(chain, served, "admin") as client:
        headers = form_headers(client)
        before = chain.state.audit.head()
        for route in forms:
            file = {"file": ("a.csv", b"id\n1\n", "text/csv")} if route.path == FILE_PATH else None
            answer = client.post(filled(route.path, names), data=hidden, files=file, headers=headers)
            assert answer.status_code == 422, route
            assert all(f"<code>{field}</code>" in answer.text for field in hidden), route
            said = client.post(filled(route.path, names), json=hidden, headers=headers)
            assert said.status_code == 400, route
        assert chain.state.audit.head() == before
        # A right form with one field too many changes nothing; without it, it does.
        right = {"csrf": "x", "purpose": "marketing", "channel": "sms", "granted": "true"}
        consent = f"/people/{names['person_id']}/consent"
        assert client.post(consent, data=right | {"role": "admin"}, headers=headers).status_code == 422
        assert chain.state.audit.head() == before
        assert client.post(consent, data=right, headers=headers).status_code == 303
        assert chain.state.audit.head() != before


def test_a_form_read_by_hand_takes_what_its_route_names(chain: Shop, served: str) -> None:
    with asking_as(chain, served, "admin") as client:
        headers = form_headers(client)
        for path, field in (
            ("/segments/preview", "r.all[0].trait"),
            ("/segments/preview", "label_zh"),
            ("/people/lifecycle/preview", "kind"),
        ):
            assert "no such field" not in client.post(path, data={field: "lifecycle"}, headers=headers).text, field
        of_another_set = {"kind": "lifecycle", "recency_cuts": "7"}
        assert client.post("/people/lifecycle/preview", data=of_another_set, headers=headers).status_code == 422


def test_no_request_breaks_the_api_and_every_answer_is_declared(
    chain: Shop, served: str, names: dict[str, str], routes: list[Declared]
) -> None:
    del served
    with asking(chain) as client:
        found = tried(
            client, hints_of(chain) | {"person_id": [names["person_id"], "nobody"]}, examples=5, number=20260301
        )
    assert found.faults == []
    calls = {f"{each.method} {each.path}" for each in routes if each.path.startswith("/api/v1/")}
    assert {call for call, _ in found.statuses} == calls
    assert calls - found.answered <= {"POST /api/v1/persons/lookup"}  # nobody here has a phone
    assert found.requests > 100


def test_what_an_answer_of_the_api_names_is_there(chain: Shop, served: str) -> None:
    _, secret = create_key(chain, sorted(KEY_SCOPES), name="follows")
    followed = 0
    with httpx.Client(base_url=served, headers={"authorization": f"Bearer {secret}"}, timeout=60) as client:
        for person in client.get("/api/v1/persons", params={"limit": 2}).json()["people"]:
            where = f"/api/v1/persons/{person['person_id']}"
            assert client.get(where).json()["person_id"] == person["person_id"]
            for below in ("timeline", "segments"):
                assert client.get(f"{where}/{below}").status_code == 200
            said = {"person_id": person["person_id"], "purpose": "marketing", "channel": "sms", "granted": False}
            assert client.post("/api/v1/consents", json=said).status_code == 200
            kept = client.get("/api/v1/consents", params={"person_id": person["person_id"]}).json()
            assert kept["changes"][0]["granted"] is False
            followed += 5
            for membership in client.get(f"{where}/segments").json():
                assert client.get(f"/api/v1/segments/{membership['segment']}").status_code == 200
                followed += 1
        for segment in client.get("/api/v1/segments").json()[:3]:
            for path in ("", "/changes"):
                assert client.get(f"/api/v1/segments/{segment['name']}{path}").status_code == 200
                followed += 1
            listed = client.get("/api/v1/persons", params={"segment": segment["name"], "limit": 1}).json()
            assert listed["total"] == segment["people"]
            followed += 1
    assert followed >= 19


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
