"""Cuts one line of the audience language into tokens, each with its column; Chinese words stand for English ones."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from shopkeeper.base.errors import FaultsError
from shopkeeper.segment.said import Said, fault, wrong
from shopkeeper.segment.tree import Scalar

__all__ = ["CHINESE", "Token", "TokenKind", "is_day", "text_fault", "tokens"]

CHINESE = {
    "并且": "and",
    "且": "and",
    "或者": "or",
    "或": "or",
    "不是": "not",
    "非": "not",
    "没有": "not",
    "未": "not",
    "不": "not",
    "全部满足": "all",
    "任一满足": "any",
    "所有人": "everyone",
    "无人": "nobody",
    "购买过": "bought",
    "购买": "bought",
    "买过": "bought",
    "核销过": "redeemed",
    "核销": "redeemed",
    "做过": "did",
    "行为": "event",
    "商品": "product",
    "品类": "category",
    "小类": "subcategory",
    "部类": "department",
    "部门": "department",
    "品牌": "brand",
    "门店": "store",
    "渠道": "channel",
    "星期": "weekday",
    "小时": "hour",
    "自有品牌": "private_label",
    "用券": "with_coupon",
    "折扣": "discounted",
    "支付方式": "payment",
    "优惠": "offer",
    "活动": "campaign",
    "搜索": "search",
    "至少": "at least",
    "至多": "at most",
    "最多": "at most",
    "恰好": "exactly",
    "多于": "more than",
    "少于": "less than",
    "次": "times",
    "单": "orders",
    "行": "lines",
    "件": "units",
    "天": "days",
    "金额": "for",
    "最近": "in last",
    "近": "in last",
    "历史上": "ever",
    "介于": "between",
    "到": "and",
    "至": "and",
    "自": "since",
    "截至": "until",
    "属于": "in",
    "人群": "segment",
    "已知": "is known",
    "未知": "is unknown",
    "包含": "contains",
    "然后": "then",
    "内": "",
    "以内": "",
    "之内": "",
    "得分": "score",
    "评分": "score",
    "十分位": "decile",
    "同意": "consents to",
    "通过": "by",
    "针对": "for",
    "距离": "distance",
    "公里": "km",
    "真": "true",
    "假": "false",
    "是": "true",
    "否": "false",
    "等于": "=",
    "大于": ">",
    "小于": "<",
}
"""Chinese words of the language and the English words they stand for."""

_LONGEST = max(map(len, CHINESE))
_STOPS = {"“": "”", "「": "」", "『": "』", "'": "'"}
_MARKS = {"≤": "<=", "≥": ">=", "≠": "!=", "＜": "<", "＞": ">", "＝": "=", "==": "=", "<>": "!=",
          "（": "(", "）": ")", "，": ",", "、": ",", "【": "[", "】": "]", "[": "[", "]": "]"}  # fmt: skip
_PATTERN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<quoted>'[^']*'|“[^”]*”|「[^」]*」|『[^』]*』)
    |(?P<date>\d{4}-\d{2}-\d{2}(?![\w.]))
    |(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<chinese>[\u3400-\u9fff]+)
    |(?P<mark><=|>=|!=|<>|==|[<>=(),\[\]≤≥≠＜＞＝（），、【】])""",
    re.VERBOSE | re.DOTALL,
)


class TokenKind(StrEnum):
    """What a token is."""

    WORD = "word"
    TEXT = "text"
    NUMBER = "number"
    DAY = "day"
    MARK = "mark"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token: what it is, what it says, and its column from 1."""

    kind: TokenKind
    value: Scalar
    column: int


def text_fault(column: int, said: Said) -> FaultsError:
    """The error of a line that cannot be read, naming the column."""
    return wrong([fault(f"at column {column}", said)])


def is_day(text: str) -> bool:
    """Whether a text is a day such as 2017-12-31."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def tokens(line: str) -> list[Token]:
    """Cuts a line into tokens, the last of which is its end.

    Raises:
        FaultsError: A character or a quote makes no token.
    """
    found: list[Token] = []
    place = 0
    while place < len(line):
        match = _PATTERN.match(line, place)
        if match is None:
            if line[place] in {'"', *_STOPS}:
                raise text_fault(place + 1, Said("a quote that is not closed", "引号没有闭合"))
            raise text_fault(place + 1, Said(f"'{line[place]}' means nothing here", f"“{line[place]}”在此没有意义"))
        found += _made(match.lastgroup or "", match.group(), place + 1)
        place = match.end()
    return [*found, Token(TokenKind.END, "", len(line) + 1)]


def _made(kind: str, text: str, column: int) -> list[Token]:
    if kind == "space":
        return []
    if kind == "chinese":
        return _chinese(text, column)
    token, value = _MAKERS[kind]
    return [Token(token, value(text, column), column)]


def _unquoted(text: str, column: int) -> str:
    try:
        return str(json.loads(text, strict=False))
    except json.JSONDecodeError as error:
        said = Said(
            "a backslash that escapes nothing; write \\\\ for a backslash",
            "反斜杠没有转义任何字符；反斜杠本身写作 \\\\",
        )
        raise text_fault(column + error.pos, said) from error


def _number(text: str, column: int) -> int | float:
    try:
        return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    except ValueError as error:
        raise text_fault(column, Said("a number too long to read", "数字过长，无法读取")) from error


def _day(text: str, column: int) -> str:
    if not is_day(text):
        raise text_fault(column, Said(f"{text} is no day of the calendar", f"{text} 不是日历上的日期"))
    return text


_MAKERS: Mapping[str, tuple[TokenKind, Callable[[str, int], Scalar]]] = {
    "text": (TokenKind.TEXT, _unquoted),
    "quoted": (TokenKind.TEXT, lambda text, _: text[1:-1]),
    "date": (TokenKind.DAY, _day),
    "number": (TokenKind.NUMBER, _number),
    "mark": (TokenKind.MARK, lambda text, _: _MARKS.get(text, text)),
    "word": (TokenKind.WORD, lambda text, _: text),
}


def _chinese(run: str, column: int) -> list[Token]:
    """Cuts a run of Chinese characters by the longest word that is known; what is not known stays one word."""
    found: list[Token] = []
    place = 0
    while place < len(run):
        known = next(
            (run[place : place + n] for n in range(_LONGEST, 0, -1) if run[place : place + n] in CHINESE), None
        )
        if known is None:
            found.append(Token(TokenKind.WORD, run[place:], column + place))
            break
        for word in CHINESE[known].split():
            kind = TokenKind.WORD if word.isidentifier() else TokenKind.MARK
            found.append(Token(kind, word, column + place))
        place += len(known)
    return found
