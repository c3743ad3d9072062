"""The chain of token keys: a standard permutation, the same one by one and many at once, and back."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shopkeeper.storage.keys import Key
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.token_chain import DIGEST, Chain, _derived

FIRST, SECOND, THIRD = (Key(bytes([number]) * 32) for number in (1, 2, 3))
DIGESTS = os.urandom(DIGEST * 200)
EACH = [DIGESTS[start : start + DIGEST] for start in range(0, len(DIGESTS), DIGEST)]


def test_turning_is_the_xts_of_openssl() -> None:
    cipher = Cipher(algorithms.AES(_derived(SECOND, b"data") + _derived(SECOND, b"tweak")), modes.XTS(bytes(16)))
    expected = []
    for digest in EACH:
        encryptor = cipher.encryptor()
        expected.append(encryptor.update(digest) + encryptor.finalize())
    assert Chain([SECOND]).forward(DIGESTS) == b"".join(expected)


def test_one_by_one_and_many_at_once_are_the_same_and_lead_back() -> None:
    chain = Chain([SECOND, THIRD])
    turned = chain.forward(DIGESTS)
    assert b"".join(chain.forward(digest) for digest in EACH) == turned
    assert chain.backward(turned) == DIGESTS
    assert b"".join(chain.backward(chain.forward(digest)) for digest in EACH) == DIGESTS
    assert chain.part(1, 2).forward(chain.part(0, 1).forward(DIGESTS)) == turned
    assert Chain().forward(DIGESTS) == DIGESTS
    assert chain.forward(b"") == b""
    mark = DIGESTS[:16]
    assert chain.mark_back(chain.mark(mark)) == mark != chain.mark(mark)


def test_threads_turn_tokens_at_once() -> None:
    chain, many = Chain([SECOND]), DIGESTS * 50
    one, all_of_them, mark = chain.forward(EACH[0]), chain.forward(many), chain.mark(EACH[0][:16])

    def turned(_: int) -> bool:
        return (
            chain.forward(EACH[0]) == one
            and chain.forward(many) == all_of_them
            and chain.backward(all_of_them) == many
            and chain.mark(EACH[0][:16]) == mark
        )

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(turned, range(120)))


def test_content_counts_by_what_the_log_keeps_of_it() -> None:
    chain, content = Chain([SECOND, THIRD]), DIGESTS[:16]
    assert chain.content(content) == chain.content(content[:8] + bytes(8)) != content
    assert chain.content(content) == chain.part(1, 2).content(chain.part(0, 1).content(content))


@pytest.mark.parametrize(("kind", "raw"), [("phone", "13800138000"), ("email", "a@b.cn"), ("cookie", "c-1")])
def test_tokens_keep_their_form_and_no_one_key_alone_makes_them(kind: str, raw: str) -> None:
    made = {
        keys: Tokens(keys[0], "CN", keys[1:]).token(kind, raw)
        for keys in ((FIRST,), (SECOND,), (FIRST, SECOND), (SECOND, FIRST), (FIRST, SECOND, THIRD))
    }
    assert len(set(made.values())) == len(made)
    assert len({token[:3] for token in made.values()}) == 1
    assert {len(token) for token in made.values()} == {27}
    whole = Tokens(FIRST, "CN", [SECOND, THIRD])
    assert whole.pair(kind, raw) == (whole.token(kind, raw), (whole.pair(kind, raw) or ("", ""))[1])
    assert whole.tokens(kind, [raw]).to_pylist() == [whole.token(kind, raw)]


def test_the_first_form_of_a_name_is_that_of_the_token_it_ends_with() -> None:
    before, after = Tokens(FIRST, "CN").token("user", "ann"), Tokens(FIRST, "CN", [SECOND]).token("user", "ann")
    chain = Chain([SECOND])
    for name in ("{}", "app:{}", "till|{}", "\x1fperson|app:{}"):
        assert chain.first_of(name.format(after)) == name.format(before)
    for name in ("till:007", f"app:{after}1", "us_short", ""):
        assert chain.first_of(name) == name
    assert Chain().first_of(f"app:{after}") == f"app:{after}"


def test_a_senders_own_id_that_looks_like_ours_is_turned_and_no_other() -> None:
    own = "m_" + "a" * 24
    turned = Tokens(FIRST, "CN", [SECOND]).carried(own)
    assert turned != own
    assert len(turned) == len(own)
    assert Tokens(FIRST, "CN").carried(own) == own
    assert Tokens(FIRST, "CN", [SECOND]).carried("ticket-7") == "ticket-7"
