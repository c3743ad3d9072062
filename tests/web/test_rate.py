import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from shopkeeper.app.shop import Shop, init
from shopkeeper.web import create_app
from shopkeeper.web.rate import RateLimit
from tests.web.conftest import in_own_loop

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_so_many_tries_then_a_wait_until_one_has_come_back() -> None:
    limit = RateLimit(tries=3, seconds=30)
    assert [limit.wait("ada", NOW) for _ in range(3)] == [0, 0, 0]
    assert limit.wait("ada", NOW) == 10
    assert limit.wait("eve", NOW) == 0
    assert limit.wait("ada", NOW + timedelta(seconds=10)) == 0
    assert limit.wait("ada", NOW + timedelta(seconds=10)) > 0


def test_several_at_once_wait_until_all_are_there_and_more_than_a_bucket_leave_a_debt() -> None:
    limit = RateLimit(tries=10, seconds=10)
    assert limit.wait("till", NOW, 8) == 0
    assert limit.wait("till", NOW, 5) == 3
    assert limit.wait("till", NOW + timedelta(seconds=20), 30) == 0
    assert limit.wait("till", NOW + timedelta(seconds=30), 1) == 11


def test_a_clock_that_goes_back_gives_no_tries() -> None:
    limit = RateLimit(tries=1, seconds=10)
    assert limit.wait("ada", NOW) == 0
    assert limit.wait("ada", NOW - timedelta(hours=1)) == 10


def test_fifty_guesses_are_stopped_and_say_when_to_come_back(tmp_path: Path) -> None:
    async def guessed(shop: Shop) -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(shop))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            found = re.search(r'name="csrf" value="(\w+)"', (await client.get("/sign-in")).text)
            assert found is not None
            given = {"name": "nobody", "password": "guess", "csrf": found[1]}
            headers = {"origin": "http://localhost"}
            return [await client.post("/sign-in", data=given, headers=headers) for _ in range(12)]

    with init(tmp_path / "shop") as shop:
        answers = in_own_loop(guessed(shop))
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
