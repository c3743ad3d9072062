import json
import time
from collections import Counter
from contextlib import closing

import httpx
import msgspec
import pytest

from shopkeeper.app.api_key import create_key, revoke_key
from shopkeeper.app.audit import AuditRow
from shopkeeper.app.model import list_models
from shopkeeper.app.pages.person import person_page
from shopkeeper.app.pages.personal import masked_fields
from shopkeeper.app.pages.scores import scores_of
from shopkeeper.app.person import Persons
from shopkeeper.app.shop import Shop
from shopkeeper.app.traces import mark_of
from shopkeeper.storage.state.live_segments import NewChange, Turn
from tests.web.conftest import token

EVERYONE = {"all": []}


def _post(client: httpx.Client, path: str, body: object) -> httpx.Response:
    headers = {"origin": str(client.base_url).rstrip("/"), "x-csrf-token": token(client, "/people")}
    return client.post(path, json=body, headers=headers)


def test_people_come_page_by_page_and_each_once(client: httpx.Client) -> None:
    first = client.get("/api/v1/persons", params={"limit": 100}).json()
    seen = [person["person_id"] for person in first["people"]]
    page = first
    while page["cursor"]:
        page = client.get("/api/v1/persons", params={"limit": 100, "cursor": page["cursor"]}).json()
        seen += [person["person_id"] for person in page["people"]]
    assert len(seen) == len(set(seen)) == first["total"]


def test_people_are_sorted_across_pages(client: httpx.Client) -> None:
    values, cursor = [], None
    while True:
        page = client.get(
            "/api/v1/persons", params={"limit": 60, "sort": "recency_days", "rising": True, "cursor": cursor or ""}
        ).json()
        values += [person["traits"]["recency_days"] for person in page["people"]]
        cursor = page["cursor"]
        if not cursor:
            break
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert values[: len(known)] == known


def test_a_person_has_all_traits_and_a_timeline(client: httpx.Client) -> None:
    person = client.get("/api/v1/persons", params={"limit": 1}).json()["people"][0]["person_id"]
    found = client.get(f"/api/v1/persons/{person}").json()
    assert found["as_of"] == "2017-12-31"
    assert found["traits"]["orders_ever"] > 0
    entries, counts, page = [], {}, 0
    while page is not None:
        answer = client.get(f"/api/v1/persons/{person}/timeline", params={"page": page}).json()
        entries += answer["entries"]
        counts, page = answer["counts"], answer["next_page"]
    assert counts == dict(Counter(entry["kind"] for entry in entries))
    assert [entry["day"] for entry in entries] == sorted((entry["day"] for entry in entries), reverse=True)
    ordered = {entry["order_id"] for entry in entries if entry["kind"] == "basket" and entry["lines"] > 0}
    assert len(ordered) >= found["traits"]["orders_ever"]


def test_an_audience_is_counted_said_and_sampled(client: httpx.Client) -> None:
    tree = {"all": [{"trait": "lifecycle", "op": "=", "value": "active"}]}
    everyone, active = (
        _post(client, "/api/v1/segments/preview", {"tree": EVERYONE}),
        _post(client, "/api/v1/segments/preview", {"tree": tree}),
    )
    listed = client.get("/api/v1/persons", params={"stage": "active", "limit": 1}).json()["total"]
    assert everyone.json()["size"] == everyone.json()["of"]
    assert active.json()["size"] == listed > 0
    assert "SELECT" in active.json()["sql"]
    assert len(active.json()["sample"]) == 5


def test_the_report_adds_up_by_level(client: httpx.Client) -> None:
    found = client.get("/api/v1/report").json()
    sales = next(each for each in found["morning"]["measures"] if each["name"] == "sales")["value"]
    below = sum(child["measures"]["sales"]["value"] or 0 for child in found["morning"]["children"])
    assert sales == pytest.approx(below)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/persons/nobody", 404),
        ("/api/v1/persons/complete_journey:8/timeline?kind=nothing", 400),
        ("/api/v1/segments/nothing", 404),
        ("/api/v1/nowhere", 404),
        ("/api/v1/persons?sort=password_hash", 400),
        ("/api/v1/persons?cursor=rubbish", 400),
        ("/api/v1/persons?limit=0", 422),
        ("/api/v1/persons?stage=dead", 400),
        ("/api/v1/report?as_of=yesterday", 400),
        ("/api/v1/report?level=nowhere", 404),
    ],
)
def test_every_failure_has_the_one_shape(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "errors"} <= body.keys()
    assert body["status"] == status


def test_a_wrong_audience_names_every_fault_with_its_path(client: httpx.Client) -> None:
    tree = {
        "all": [
            {"trait": "no_such", "op": "=", "value": 1},
            {"any": [{"trait": "recency_days", "op": ">", "value": "x"}]},
        ]
    }
    answer = _post(client, "/api/v1/segments/preview", {"tree": tree})
    assert answer.status_code == 422
    paths = {error["path"] for error in answer.json()["errors"]}
    assert any(path.startswith("all[0]") for path in paths)
    assert any(path.startswith("all[1].any[0]") for path in paths)


def test_hidden_fields_are_refused(client: httpx.Client) -> None:
    answer = _post(client, "/api/v1/segments/preview", {"tree": EVERYONE, "is_admin": True})
    assert answer.status_code == 422


def test_the_description_of_the_api_is_there(visitor: httpx.Client) -> None:
    found = visitor.get("/api/openapi.json").json()
    assert json.dumps(found).count("person_id")
    assert "/api/v1/segments/preview" in found["paths"]
    others = {"/healthz", "/readyz", "/metrics", "/sa", "/mp/collect", "/hooks/{key_id}"}
    assert not [path for path in found["paths"] if not path.startswith(("/api/", "/v1/")) and path not in others]


def test_health_is_told_to_anybody(visitor: httpx.Client) -> None:
    assert visitor.get("/healthz").json() == {"status": "ok"}
    answer = visitor.get("/readyz", params={"of": ["lake", "state"]})
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "dependencies": {"lake": "ok", "state": "ok"}})
    assert visitor.get("/readyz", params={"of": "secrets"}).status_code == 422


def test_changes_of_a_segment_come_behind_a_cursor(client: httpx.Client, shop: Shop) -> None:
    path = "/api/v1/segments/champions/changes"
    begin = client.get(path).json()["cursor"]
    people = [f"p{place}" for place in range(5)]
    entered = [NewChange("champions", 1, who, "entered", shop.clock(), "event") for who in people]
    shop.state.live_segments.keep(Turn(entered), {})
    seen, cursor = [], begin
    while page := client.get(path, params={"after": cursor, "limit": 2}).json()["changes"]:
        seen += [(change["person_id"], change["kind"], change["cause"]) for change in page]
        cursor = page[-1]["seq"]
    assert seen == [(who, "entered", "event") for who in people]
    assert client.get(path, params={"after": cursor}).json() == {"changes": [], "cursor": cursor}
    assert client.get("/api/v1/segments/nothing/changes").status_code == 404
    assert client.get(path, params={"after": -1}).status_code == 422


def test_a_model_that_learned_from_somebody_erased_since_says_so(client: httpx.Client, shop: Shop) -> None:
    (name,) = {entry.name for entry in shop.models.list()}
    said = "was erased on"
    assert said not in client.get("/models").text
    assert list_models(shop)[0]["stale_since"] is None
    at = shop.clock()
    assert shop.models.mark_stale(at, "a person was erased") > 0
    try:
        assert said in client.get("/models").text
        assert said in client.get(f"/models/{name}").text
        assert list_models(shop)[0]["stale_since"] == at
    finally:
        (shop.models.folder / "stale.json").unlink()


def test_the_faults_of_a_rule_are_in_the_language_that_is_asked_for(client: httpx.Client) -> None:
    client.headers["accept-language"] = "zh-CN,zh;q=0.9"
    answer = _post(client, "/api/v1/segments/preview", {"tree": {"trait": "nothing", "op": "=", "value": 1}})
    assert answer.status_code == 422
    assert "没有会员特征" in answer.json()["errors"][0]["message"]
    client.headers["accept-language"] = "fr"
    answer = _post(client, "/api/v1/segments/preview", {"tree": {"trait": "nothing", "op": "=", "value": 1}})
    assert "there is no trait" in answer.json()["errors"][0]["message"]


def test_the_serving_set_tells_of_a_person_what_the_lake_tells(client: httpx.Client, shop: Shop) -> None:
    listed = client.get("/api/v1/persons", params={"limit": 25}).json()["people"]
    scored = 0
    for person_id in (each["person_id"] for each in listed):
        with closing(Persons(shop)) as persons:
            found = persons.document(person_id, with_scores=True)
        assert found is not None, "the run made a serving set"
        page = person_page(shop, person_id)
        assert (found["person_id"], found["as_of"]) == (page.person_id, page.as_of)
        assert tuple(found["records"]) == page.records
        assert tuple(found["personal"]) == masked_fields(shop, person_id)
        assert tuple(found["scores"]) == scores_of(shop, person_id)
        assert _as_json(found["traits"]) == _as_json(dict(page.traits))
        ever = {name: found["now"][name]["ever"] for name in ("orders", "monetary")}
        assert ever == {"orders": page.traits["orders_ever"], "monetary": page.traits["monetary_ever"]}
        assert found["now"]["last_purchase_on"] == page.traits["last_purchase_on"]
        scored += len(found["scores"])
    assert scored


def _as_json(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def test_a_key_gets_at_once_what_the_route_gives_and_leaves_the_same_row(
    client: httpx.Client, address: str, shop: Shop
) -> None:
    person = client.get("/api/v1/persons", params={"limit": 1}).json()["people"][0]["person_id"]
    path = f"/api/v1/persons/{person}"
    key, secret = create_key(shop, ["people.read"], name="looks at persons")
    blind = create_key(shop, ["report.read"])[1]
    with httpx.Client(base_url=address, headers={"authorization": f"Bearer {secret}"}, timeout=60) as program:
        # The first look notes that the key was used, and goes by the route; the second is answered before it.
        answers = [program.get(path) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json() == client.get(path).json() | {"scores": []}
        first, second = ({*answer.headers} - {"content-encoding", "vary"} for answer in answers)
        assert first == second
        assert program.get("/api/v1/persons/nobody").status_code == 404
        assert program.get(path, headers={"authorization": f"Bearer {blind}"}).status_code == 403
        revoke_key(shop, key.id)
        assert program.get(path).status_code == 401
    wanted, until = 2, time.monotonic() + 10
    rows: list[AuditRow] = []
    while len(rows) < wanted and time.monotonic() < until:
        rows = [row for row in shop.state.audit.newest(limit=50) if row.who == "key looks at persons"]
        time.sleep(0.05)
    assert [(row.what, row.target, row.detail) for row in rows] == [
        ("people.read", mark_of(shop, person), {"method": "GET", "route": "/api/v1/persons/{person_id}"})
    ] * wanted
