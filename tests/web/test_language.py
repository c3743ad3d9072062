import subprocess
import sys
from pathlib import Path

import pytest
from starlette.requests import Request

from shopkeeper.web.language import LANGUAGES, catalogue, language_of

ROOT = Path(__file__).resolve().parents[2]


def _request(accept: str = "", cookie: str = "") -> Request:
    headers = [(b"accept-language", accept.encode()), (b"cookie", cookie.encode())]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("accept", "cookie", "expected"),
    [
        ("", "", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh"),
        ("fr, en;q=0.2, zh;q=0.7", "", "zh"),
        ("en-GB", "shopkeeper_language=zh", "zh"),
        ("zh", "shopkeeper_language=../../etc", "zh"),
        ("de", "", "en"),
        ("en;q=nonsense, zh;q=0.1", "", "zh"),
    ],
)
def test_what_was_chosen_wins_then_what_the_browser_asks_for(accept: str, cookie: str, expected: str) -> None:
    assert language_of(_request(accept, cookie)) == expected


def test_every_text_is_in_every_catalogue_and_translated() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "translations.py", "--check"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_words_of_the_field_are_used() -> None:
    chinese = catalogue("zh").gettext
    assert [chinese(word) for word in ("People", "Baskets", "Average ticket", "Items per ticket", "Overview")] == [
        "会员",
        "小票",
        "客单价",
        "连带率",
        "总览",
    ]
    assert set(LANGUAGES) == {"en", "zh"}
