import json
import time

import pytest

from shopkeeper.collect.scan import Scanner
from shopkeeper.storage.keys import Key
from shopkeeper.storage.token import Tokens
from tests.canary import EMAILS, PHONES

TOKENS = Tokens(Key(b"k" * 32), "CN")
SCANNER = Scanner(TOKENS)
PHONE = TOKENS.token("phone", "13812345678")


def found(text: str, scanner: Scanner = SCANNER, *, is_thing: bool = False) -> list[str]:
    redacted, hits = scanner.redact(text, is_thing=is_thing)
    assert bool(hits) == (redacted != text)
    if hits:
        assert scanner.suspects(json.dumps({"a": text}, ensure_ascii=False).encode())
    return [f"{hit.what}:{hit.raw}" for hit in hits]


@pytest.mark.parametrize(
    "text",
    [
        "13812345678",
        "call 138 1234 5678 now",
        "138-1234-5678",
        "138.1234.5678",
        "+86 138 1234 5678",
        "+8613812345678",
        "0086-13812345678",
        "86 13812345678",
        "(138) 1234-5678",
        "１３８１２３４５６７８",
        "＋８６　１３８－１２３４－５６７８",
        "电话13812345678，谢谢",
        "tel:13812345678;",
        "138\u200b1234\u200b5678",
        "138‐1234–5678",
        "138\u00a01234\u00a05678",
        "a13812345678b",
        "138/1234/5678",
        "138_1234_5678",
        "138·1234·5678",
        "１３８～１２３４～５６７８",
        "138|1234|5678",
        "一三八一二三四五六七八",
        "我的电话是幺三八一二三四五六七八，晚上打",
        "一三八 一二三四 五六七八",
        "壹叁捌壹贰叁肆伍陆柒捌",
        "138一二三四5678",
        "电话 1 3 8 1 2 3 4 5 6 7 8",
        "手机：1-3-8-1-2-3-4-5-6-7-8",
    ],
)
def test_a_phone_is_found_however_it_is_written(text: str) -> None:
    assert found(text) == ["phone:+8613812345678"]
    assert PHONE in SCANNER.redact(text)[0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("write to Canary.One@Example.com.", "email:canary.one@example.com"),
        ("https://x.cn/?e=canary.one@example.com&a=1", "email:canary.one@example.com"),
        ("e=canary.one%40example.com", "email:canary.one@example.com"),
        ("canary.one＠example.com", "email:canary.one@example.com"),
        ("我的邮箱是canary.one@example.com谢谢", "email:canary.one@example.com"),
        ("canary.one@example.com@elsewhere", "email:canary.one@example.com"),
        ("id 11010519491231002X", "id_card:11010519491231002X"),
        ("110105 19491231 002x", "id_card:11010519491231002X"),
        ("card 6222 0212 3456 7894", "bank_card:6222021234567894"),
        ("4111-1111-1111-1111", "bank_card:4111111111111111"),
        ("座机 021-55512345", "phone:+862155512345"),
        ("+1 212 555 0123", "phone:+12125550123"),
        ("+33 6 12 34 56 78", "phone:+33612345678"),
        ("我叫张三", "name:张三"),
        ("你好，我叫欧阳小明，来问发票", "name:欧阳小明"),
        ("姓名：李四光", "name:李四光"),
        ("收货人: 王芳 地址见下", "name:王芳"),
        ("Hello, my name is Ann Miller. I bought tea", "name:Ann Miller"),
    ],
)
def test_other_identifiers_are_found(text: str, what: str) -> None:
    assert found(text) == [what]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-05T10:00:00.000Z",
        "2024-01-05 10:00:00",
        "1700000000000",
        "6901234567892",
        "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.7258.139 Safari/537.36",
        "139.162.10.123",
        "550e8400-e29b-41d4-a716-446655440000",
        "b302099a13812345678f0123456789ab",
        "11010519491231002",
        "110105194912310021",
        "4111111111111112",
        "12345678901",
        "a @ b, c@d",
        "GMT+8 2024-01-05 10:00",
        "400-820-8820",
        "999138123456789",
        "138/123/45678",
        "1,3,8,1,2,3,4,5,6,7,8",
        "评分 1 3 8 1 2 3 4 5 6 7 8",
        "130,1400,1500",
        "二零二四年一月五日",
        "一三八",
        "一二三四五六七八九零一",
        "一三八一二三四五六七八万",
        "我叫了外卖",
        "我叫张阿姨来拿",
        "姓名 金额 电话",
        "品牌名字很好记",
        "my name is not important",
        "the product name is Green Tea",
    ],
)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_several_are_found_each() -> None:
    text = f"{PHONES[0]} {PHONES[1]},{EMAILS[0]};{PHONES[2]}"
    assert found(text) == [
        f"phone:+86{PHONES[0]}",
        f"phone:+86{PHONES[1]}",
        f"email:{EMAILS[0]}",
        f"phone:+86{PHONES[2]}",
    ]


def test_numbers_without_anything_between_them_are_found_together() -> None:
    text, hits = SCANNER.redact(f"x{PHONES[0]}{PHONES[1]}" + f",{PHONES[0] * 900}")
    assert [hit.kind for hit in hits] == ["text", "text"]
    assert PHONES[0] not in text
    assert found("2024010122001413812345678") == []


def test_the_number_of_a_thing_is_no_phone_but_a_text_about_it_may_hold_one() -> None:
    assert found("13812345678", is_thing=True) == []
    assert found("SO13812345678", is_thing=True) == []
    assert found("4111111111111111", is_thing=True) == []
    assert found("11010519491231002X", is_thing=True) == ["id_card:11010519491231002X"]
    assert found("order of 13812345678", is_thing=True) == ["phone:+8613812345678"]
    assert found("canary.one@example.com", is_thing=True) == ["email:canary.one@example.com"]


@pytest.mark.parametrize(
    ("country", "text", "what"),
    [
        ("US", "call (212) 555-0123", "phone:+12125550123"),
        ("US", "2125550123", "phone:+12125550123"),
        ("US", "212.555.0123", "phone:+12125550123"),
        ("US", "13812345678", "phone:+8613812345678"),
        ("GB", "ring 020 7946 0958", "phone:+442079460958"),
        ("JP", "電話 03-1234-5678", "phone:+81312345678"),
    ],
)
def test_a_country_knows_its_own_phones(country: str, text: str, what: str) -> None:
    assert found(text, Scanner(Tokens(Key(b"k" * 32), country))) == [what]


@pytest.mark.parametrize(
    "text", ["@" * 30_000, "a@" * 15_000, "1" * 30_000, "1 " * 15_000, "a" * 30_000 + "@", "+1-" * 9_000]
)
def test_no_text_makes_it_slow(text: str) -> None:
    began = time.process_time()
    SCANNER.redact(text)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("https://x.cn/?q=call%2013812345678", "phone:+8613812345678"),
        ("https://x.cn/?q=%E6%89%8B%E6%9C%BA%E5%8F%B713812345678", "phone:+8613812345678"),
        ("?q=138%201234%205678&r=1", "phone:+8613812345678"),
        ("?p=%252B8613812345678", "phone:+8613812345678"),
        ("?p=%31%33%38%31%32%33%34%35%36%37%38", "phone:+8613812345678"),
        ("?e=canary.one%2540example.com", "email:canary.one@example.com"),
        ("?e=canary.one%2Bshop%40example.com", "email:canary.one+shop@example.com"),
    ],
)
def test_what_an_address_writes_with_percent_signs_is_read(text: str, what: str) -> None:
    assert found(text) == [what]
    assert what.partition(":")[2].removeprefix("+86") not in SCANNER.redact(text)[0]
    assert "canary" not in SCANNER.redact(text)[0]


@pytest.mark.parametrize("text", ["https://x.cn/%E5%95%86%E5%93%81?id=42", "100% 13 of 20", "%2020-01-01%zz", "50%"])
def test_an_address_without_anybody_stays_as_it_is(text: str) -> None:
    assert found(text) == []
