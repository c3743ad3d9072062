"""Which refused rows hold a person: by identifiers in any spelling, not by a name that others have too."""

import json
from typing import Any

import pytest

from shopkeeper.privacy.body import bodies_of_erased, bodies_that_say, needles_of
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
def test_a_body_is_found_by_what_it_says(vault: Vault, cells: dict[str, Any], *, is_theirs: bool) -> None:
    vault.keep_body("r1", json.dumps({"cells": cells, "typed": False}, ensure_ascii=False).encode(), now=NOW)
    assert bodies_that_say(vault, NEEDLES) == (["r1"] if is_theirs else [])


def test_after_a_restore_bodies_are_found_by_the_tombstones(vault: Vault, tokens: Tokens) -> None:
    for name, cells in (("r1", {"手机": "138 1234 5678"}), ("r2", {"手机": "13900001111"}), ("r3", {"n": None})):
        vault.keep_body(name, json.dumps({"cells": cells}).encode(), now=NOW)
    assert bodies_of_erased(vault, tokens) == []
    vault.shred("till|1")
    assert bodies_of_erased(vault, tokens) == ["r1"]
