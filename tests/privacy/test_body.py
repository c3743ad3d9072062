"""Which refused rows hold a person: by identifiers in any spelling, not by a name that others have too."""

import json
from typing import Any

import pytest

from shopkeeper.privacy.body import bodies_of_erased, bodies_that_say, named_in, needles_of, saying
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault
from tests.privacy.conftest import NOW

HELD = [("phone", "+8613812345678"), ("email", "canary.one@example.com"), ("name", "张伟"), ("text", "hello there all")]
NEEDLES = needles_of(HELD, ["8", "MEMBER-0077"])


@pytest.mark.parametrize(
    ("cells", "is_theirs"),
    [
        ({"手机": "13812345678"}, True),
        ({"手机": "+86 138-1234-5678"}, True),
        ({"手机": "１３８１２３４５６７８"}, True),
        ({"备注": "请打138 1234 5678，谢谢"}, True),
        ({"Mail": "Canary.One@Example.COM"}, True),
        ({"13812345678": "x"}, True),
        ({"": "a;b;13812345678"}, True),
        ({"会员": "member-0077"}, True),
        ({"customer_id": "8"}, True),
        ({"数量": "8"}, False),
        ({"姓名": "张伟"}, False),
        ({"手机": "13812345679"}, False),
        ({"text": "hello there all"}, False),
    ],
)
def test_a_body_is_found_by_what_it_says(
    vault: Vault, tokens: Tokens, cells: dict[str, Any], *, is_theirs: bool
) -> None:
    vault.keep_body("r1", json.dumps({"cells": cells, "typed": False}, ensure_ascii=False).encode(), now=NOW)
    assert bodies_that_say(vault, saying(NEEDLES, tokens, ())) == (["r1"] if is_theirs else [])


def test_after_a_restore_bodies_are_found_by_the_tombstones(vault: Vault, tokens: Tokens) -> None:
    for name, cells in (("r1", {"手机": "138 1234 5678"}), ("r2", {"手机": "13900001111"}), ("r3", {"n": None})):
        vault.keep_body(name, json.dumps({"cells": cells}).encode(), now=NOW)
    assert bodies_of_erased(vault, tokens) == []
    vault.shred("till|1")
    assert bodies_of_erased(vault, tokens) == ["r1"]


@pytest.mark.parametrize(
    ("message", "is_theirs"),
    [
        ({"type": "track", "userId": "m1"}, True),
        ({"type": "track", "userId": 77}, True),
        ({"type": "track", "anonymousId": " c1 "}, True),
        ({"client_id": "c1", "events": 1}, True),
        ({"type": "alias", "previousId": "c1"}, True),
        ({"type": "track", "userId": "m2", "properties": {"note": "m1"}}, False),
    ],
)
def test_a_refused_event_is_found_by_an_id_of_which_only_the_token_is_known(
    vault: Vault, tokens: Tokens, message: dict[str, Any], *, is_theirs: bool
) -> None:
    traced = {tokens.token("user", "m1"), tokens.token("user", "77"), tokens.token("cookie", "c1")}
    body = json.dumps(message).encode()
    assert saying(set(), tokens, traced)(body) is is_theirs
    assert (not named_in(body, tokens).isdisjoint(traced)) is is_theirs
    vault.keep_body("r1", body, now=NOW)
    vault.bar(tokens=traced)
    assert bodies_of_erased(vault, tokens) == (["r1"] if is_theirs else [])


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", '"\\ud800"', "[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900]
)
def test_no_body_that_anybody_can_send_stops_an_erasure(vault: Vault, tokens: Tokens, value: str) -> None:
    for name, phone in (("r1", "13812345678"), ("r2", "13900001111")):
        vault.keep_body(name, f'{{"userId":"u","properties":{{"p":{value},"t":"{phone}"}}}}'.encode(), now=NOW)
    assert bodies_that_say(vault, saying(NEEDLES, tokens, ())) == ["r1"]
    vault.bar(tokens=[tokens.token("phone", "13900001111")])
    assert bodies_of_erased(vault, tokens) == ["r2"]
