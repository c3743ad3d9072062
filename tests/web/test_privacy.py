"""Consent on a person's page, requests on their clock, and the same by the API."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shopkeeper.app.consent import add_sample_consents, consent_page
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init
from shopkeeper.app.traces import mark_of
from shopkeeper.app.user import add_user
from shopkeeper.web.language import LANGUAGE_COOKIE
from tests.shop import PASSWORD, USER, fill
from tests.web.conftest import new_session, post, serving, token

PERSON = "till:m1"
PAGE = f"/people/{PERSON}"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with init(tmp_path / "shop", {"engine.memory_limit": "1GB", "engine.threads": 1}) as made:
        add_user(made, USER, "admin", PASSWORD)
        fill(made, "customer", [{"source": "till", "customer_id": f"m{n}"} for n in range(30)])
        line = {"source": "till", "line_no": 1, "store_id": "S1", "product_id": "p", "quantity": 1, "net_amount": 5}
        at = datetime(2026, 1, 5, 10, tzinfo=UTC)
        lines = [
            line | {"order_id": f"A{n}", "customer_id": f"m{n}", "ordered_at": at, "business_day": date(2026, 1, 5)}
            for n in range(30)
        ]
        fill(made, "order_line", lines)
        run(made, until="profile", as_of=date(2026, 1, 6))
        yield made


@pytest.fixture
def client(shop: Shop) -> Iterator[httpx.Client]:
    with serving(shop) as address, httpx.Client(base_url=address, timeout=60) as made:
        made.cookies.set("shopkeeper_session", new_session(shop))
        yield made


def granted(shop: Shop, channel: str) -> bool:
    (found,) = [
        each for each in consent_page(shop, PERSON).standings if (each.purpose, each.channel) == ("marketing", channel)
    ]
    return found.granted


def test_giving_and_withdrawing_are_one_click_each_on_the_page(shop: Shop, client: httpx.Client) -> None:
    said = {"purpose": "marketing", "channel": "sms"}
    assert not granted(shop, "sms")
    assert post(client, f"{PAGE}/consent", said | {"granted": "true"}, form=PAGE).status_code == 303
    assert granted(shop, "sms")
    shown = client.get(PAGE).text
    assert "console · tester" in shown
    assert "console-1" in shown
    assert "sample data" not in shown
    assert post(client, f"{PAGE}/consent", said | {"granted": "false"}, form=PAGE).status_code == 303
    assert not granted(shop, "sms")
    assert post(client, f"{PAGE}/consent", said | {"granted": "true", "channel": "owl"}, form=PAGE).status_code == 400
    assert post(client, f"{PAGE}/decisions", {"allowed": "false"}, form=PAGE).status_code == 303
    assert not consent_page(shop, PERSON).may_decide
    client.cookies.set(LANGUAGE_COOKIE, "zh")
    for word in ("营销信息", "短信", "已关闭", "撤回"):
        assert word in client.get(PAGE).text
    rows = [row.what for row in shop.state.audit.rows(target=mark_of(shop, PERSON))]
    done = ["consent.give", "consent.withdraw", "decisions.stop"]
    assert [what for what in rows if what in done] == done
    assert {"people.read", "consent.write"} <= set(rows)  # who saw the person is found by the same mark


def test_what_a_sample_made_up_is_said_to_be(shop: Shop, client: httpx.Client) -> None:
    assert add_sample_consents(shop) > 30
    assert add_sample_consents(shop) == 0
    people = [f"till:m{n}" for n in range(30) if consent_page(shop, f"till:m{n}").is_sample]
    assert len(people) > 10
    assert "sample data" in client.get(f"/people/{people[0]}").text
    run(shop, ["consent"], as_of=date(2026, 1, 6))
    before = shop.lake.snapshot("consent")
    assert before is not None
    assert before.rows == len([change for person in people for change in consent_page(shop, person).history])
    (again,) = run(shop, ["consent"], as_of=date(2026, 1, 6)).steps
    assert again.skipped


def test_the_api_gives_and_withdraws_with_the_same_call(client: httpx.Client, shop: Shop) -> None:
    headers = {"origin": str(client.base_url).rstrip("/"), "x-csrf-token": token(client, PAGE)}

    def say(**more: object) -> httpx.Response:
        body = {"person_id": PERSON, "purpose": "marketing", "channel": "email", "text_version": "v3", **more}
        return client.post("/api/v1/consents", json=body, headers=headers)

    evidence = {"form": "7", "call": "13812345678"}
    assert say(granted=True, message_id="m1", evidence=evidence).json()["granted"] is True
    assert say(granted=True, message_id="m1").status_code == 200
    found = client.get("/api/v1/consents", params={"person_id": PERSON}).json()
    assert [(each["channel"], each["text_version"], each["evidence"]) for each in found["changes"]] == [
        ("email", "v3", evidence | {"call": shop.tokens.token("phone", "13812345678")})
    ]
    assert granted(shop, "email")
    assert say(granted=False).status_code == 200
    assert not granted(shop, "email")
    assert say(granted=True, text_version=None).status_code == 400
    assert say(granted=True, is_admin=True).status_code == 422
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert say(granted=True, occurred_at=ahead).status_code == 400
    assert client.get("/api/v1/consents", params={"person_id": "till:nobody"}).status_code == 404
    asked = client.post("/api/v1/requests", json={"person_id": PERSON, "kind": "access"}, headers=headers).json()
    clock = datetime.fromisoformat(asked["due_at"]) - datetime.fromisoformat(asked["asked_at"])
    assert clock == timedelta(days=15)


def test_a_request_is_taken_in_runs_on_its_clock_and_is_done(shop: Shop, client: httpx.Client) -> None:
    for kind in ("access", "erasure"):
        assert post(client, "/requests", {"person_id": PERSON, "kind": kind}, form=PAGE).status_code == 303
    assert post(client, "/requests", {"person_id": "till:nobody", "kind": "access"}, form=PAGE).status_code == 404
    shown = client.get("/requests").text
    assert "14 days left" in shown
    assert "overdue" not in shown
    by_kind = {each.kind: each.id for each in shop.state.requests.all()}
    file = post(client, f"/requests/{by_kind['access']}/export", {}, form="/requests")
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        assert "m1" in archive.read("tables/order_line.json").decode()
    assert post(client, f"/requests/{by_kind['access']}/close", {}, form="/requests").status_code == 303
    unsure = post(client, f"/requests/{by_kind['erasure']}/erase", {}, form="/requests")
    assert unsure.status_code == 400
    closed = post(client, f"/requests/{by_kind['erasure']}/close", {}, form="/requests")
    assert closed.status_code == 400
    erased = post(client, f"/requests/{by_kind['erasure']}/erase", {"sure": "true"}, form="/requests")
    assert "Receipt of erasure" in erased.text
    assert PERSON not in erased.text
    assert client.get(PAGE).status_code == 404
    assert {each.state for each in shop.state.requests.all()} == {"done"}
    shop.state.requests.add(
        "access", "till:m2", by="x", asked_at=datetime(2020, 1, 1, tzinfo=UTC), due_at=datetime(2020, 1, 16, tzinfo=UTC)
    )
    assert "overdue" in client.get("/requests").text
