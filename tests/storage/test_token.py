"""Tokens: one person's identifier has one token however it is written, and nothing ever shows the identifier."""

import base64
import hmac
import traceback

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.errors import DataError, UsageError
from shopkeeper.storage import token as module
from shopkeeper.storage.keys import Key
from shopkeeper.storage.token import KINDS, Tokens, mask, normalise

KEY = Key(b"k" * 32)
TOKENS = Tokens(KEY, "CN")


def test_a_token_is_hmac_sha256_of_kind_and_normal_form() -> None:
    digest = hmac.digest(KEY.secret, b"phone\x1f+8613800138000", "sha256")[:18]
    assert TOKENS.token("phone", "138 0013 8000") == "ph_" + base64.urlsafe_b64encode(digest).decode()


@pytest.mark.parametrize(
    "written", ["13800138000", "+8613800138000", "+86 138-0013-8000", "１３８００１３８０００", "008613800138000"]
)
def test_one_phone_has_one_token(written: str) -> None:
    assert TOKENS.token("phone", written) == TOKENS.token("phone", "13800138000")


def test_a_phone_belongs_to_the_shops_country() -> None:
    assert normalise("phone", "(212) 555-0123", "US") == "+12125550123"
    assert normalise("phone", "020 7946 0958", "GB") == "+442079460958"
    assert Tokens(KEY, "US").token("phone", "2125550123") == TOKENS.token("phone", "+12125550123")


@pytest.mark.parametrize(
    ("kind", "raw", "normal"),
    [
        ("email", " Ann.Lee@Example.COM ", "ann.lee@example.com"),
        ("email", "ａnn@example.com", "ann@example.com"),
        ("name", " 张　三 ", "张 三"),
        ("member_no", " ００１２３ ", "00123"),
        ("openid", "oAbC_-9", "oAbC_-9"),
        ("text", "两行\n话", "两行\n话"),
    ],
)
def test_normal_forms(kind: str, raw: str, normal: str) -> None:
    assert normalise(kind, raw, "CN") == normal


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("phone", "138001380"), ("phone", "1380013800012345"), ("phone", "call me"), ("phone", ""),
        ("email", "ann@"), ("email", "ann.example.com"), ("email", "ann 13800138000@example.com"),
        ("email", "ann@x.test"),
        ("member_no", "12\x0034"), ("card", "6" * 600), ("name", "  "), ("name", "\ud800"),
    ],
)  # fmt: skip
def test_a_malformed_value_is_refused_and_stands_in_no_message_or_traceback(kind: str, raw: str) -> None:
    with pytest.raises(DataError) as caught:
        TOKENS.token(kind, raw)
    assert caught.value.__context__ is None
    told = str(caught.value) + "".join(traceback.format_exception_only(caught.value))
    assert len(raw.strip()) < 3 or raw not in told


def test_a_kind_or_country_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="'fax' is no kind"):
        TOKENS.token("fax", "1")
    with pytest.raises(UsageError, match="'XX'"):
        Tokens(KEY, "XX")


def test_kinds_keys_and_prefixes_never_mix() -> None:
    tokens = {TOKENS.token(kind, "13800138000") for kind in KINDS if kind != "email"}
    assert len(tokens) == len(KINDS) - 1
    assert Tokens(Key(b"x" * 32), "CN").token("phone", "13800138000") not in tokens
    assert len(set(KINDS.values())) == len(KINDS)


@pytest.mark.parametrize(
    ("kind", "raw", "masked"),
    [
        ("phone", "13800138000", "138****8000"), ("phone", "+86 138-0013-8000", "+86138****8000"),
        ("phone", "1380013800", "****"), ("email", "zhang@qq.com", "z***@qq.com"),
        ("email", "zhang@13800138000", "z***@***"), ("email", "13800138000", "****"),
        ("name", "欧阳修", "欧*"), ("address", "人民路1号", "人*"), ("card", "6222020000001234", "****1234"),
        ("member_no", "0012345", "****"), ("text", "我的电话是13800138000", "(16 characters)"),
    ],
)  # fmt: skip
def test_masks(kind: str, raw: str, masked: str) -> None:
    assert mask(kind, raw) == masked


def test_a_column_keeps_its_rows_and_says_which_are_malformed() -> None:
    values = pa.chunked_array([["13800138000", None, " "], ["138001380", "138 0013 8000"]])
    done = TOKENS.tokenise("phone", values)
    token = TOKENS.token("phone", "13800138000")
    assert done.tokens.to_pylist() == [token, None, None, None, token]
    assert done.normalised.to_pylist() == ["+8613800138000", None, None, None, "+8613800138000"]
    assert done.malformed.to_pylist() == [False, False, False, True, False]
    with pytest.raises(DataError, match=r"1 of 5 values are no phone, the first \*\*\*\* \(row 3\)"):
        TOKENS.tokens("phone", values)
    assert TOKENS.tokens("phone", pa.array([], pa.string())).to_pylist() == []
    assert TOKENS.tokens("phone", [None, None]).to_pylist() == [None, None]


digits = st.text("0123456789", min_size=9, max_size=12)
phones = st.one_of(
    digits,
    st.from_regex(r"\A\+?(86|1)?1?[0-9]{9,11}\Z"),
    st.from_regex(r"\A1[3-9][0-9]{9}\Z"),
    st.from_regex(r"\A[2-9][0-9]{2}[2-9][0-9]{6}\Z"),
    st.text(max_size=14),
).map(lambda text: text.encode("utf-8", "ignore").decode())  # fmt: skip
emails = st.one_of(
    st.emails(),
    st.from_regex(r"\A[a-zA-Z0-9._+-]{1,8}@[a-zA-Z0-9.-]{1,12}\.[a-zA-Z]{2,6}\Z"),
    st.from_regex(r"\A[a-z]{1,5}@[a-z]{1,5}\.(test|local|arpa|com|xn--a|localhost)\Z"),
)
others = st.text(max_size=20).map(lambda text: text.encode("utf-8", "ignore").decode())


def slow(tokens: Tokens, kind: str, raw: str) -> str | None:
    try:
        return module.normalise(kind, raw, tokens.country)
    except DataError:
        return None


@given(st.sampled_from(["CN", "US", "CA", "GB"]), st.lists(phones, max_size=6))
def test_the_fast_path_of_phones_equals_phonenumbers(country: str, values: list[str]) -> None:
    tokens = Tokens(KEY, country)
    assert tokens.tokenise("phone", values).normalised.to_pylist() == [slow(tokens, "phone", one) for one in values]


@given(st.lists(emails, max_size=6))
def test_the_fast_path_of_emails_equals_email_validator(values: list[str]) -> None:
    assert TOKENS.tokenise("email", values).normalised.to_pylist() == [slow(TOKENS, "email", one) for one in values]


@given(st.sampled_from([kind for kind in KINDS if kind not in ("phone", "email")]), st.lists(others, max_size=6))
def test_the_fast_path_of_other_kinds_equals_the_slow_one(kind: str, values: list[str]) -> None:
    assert TOKENS.tokenise(kind, values).normalised.to_pylist() == [slow(TOKENS, kind, one) for one in values]


@given(st.sampled_from(["phone", "email", "name", "card"]), others | phones | emails)
def test_normalising_twice_changes_nothing_and_a_column_agrees_with_one_value(kind: str, raw: str) -> None:
    normal = slow(TOKENS, kind, raw)
    if normal is not None:
        assert slow(TOKENS, kind, normal) == normal
        assert TOKENS.tokens(kind, [raw]).to_pylist() == [TOKENS.token(kind, raw)]


@given(st.sampled_from(["CN", "US", "GB"]), st.sampled_from(list(KINDS)), others | phones | emails)
def test_a_pair_is_the_token_and_the_normal_form(country: str, kind: str, raw: str) -> None:
    tokens = Tokens(KEY, country)
    normal = slow(tokens, kind, raw)
    assert tokens.pair(kind, raw) == (None if normal is None else (tokens.token(kind, raw), normal))


def test_a_user_id_is_only_trimmed() -> None:
    assert normalise("user", " Ａb１ ", "CN") == "Ａb１"
    assert TOKENS.token("user", "A1") != TOKENS.token("user", "Ａ1") != TOKENS.token("user", "a1")


def test_a_digest_is_keyed_and_told_apart_by_its_label() -> None:
    assert TOKENS.digest("a", b"1") == hmac.digest(KEY.secret, b"a\x1f1", "sha256")[:18]
    assert TOKENS.digest("a", b"1") != TOKENS.digest("b", b"1") != TOKENS.digest("b", b"2")
