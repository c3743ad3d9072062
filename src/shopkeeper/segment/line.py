"""The one line of text that says an audience: parsed by hand, with the column of what is wrong.

    recency_days > 60 and monetary_365d >= 500 and bought category "MILK" at least 3 times in last 90 days
    and not in segment "new_without_second"

`or` binds weaker than `and`, `and` weaker than `not`; brackets group. See docs/audiences.md for every form.
"""

from collections.abc import Callable

from shopkeeper.segment.catalogue import nearest
from shopkeeper.segment.cursor import Cursor
from shopkeeper.segment.field import ACTS, ActKind
from shopkeeper.segment.lexer import TokenKind, text_fault, tokens
from shopkeeper.segment.said import Said
from shopkeeper.segment.tree import (
    EVER,
    Act,
    All,
    Behaviour,
    Comparison,
    Consent,
    Filter,
    Leaf,
    Member,
    Near,
    Node,
    Not,
    Score,
    Sequel,
    Some,
    Threshold,
    Window,
)

__all__ = ["MAX_DEPTH", "MAX_TEXT", "parse"]

MAX_DEPTH = 12
"""Levels a tree may have."""
MAX_TEXT = 20_000
"""Characters a line may have."""

_ACT_WORDS = {"bought": "order_line", "did": "event", "redeemed": "redemption"}
_STARTS = ("all", "any", "everyone", "nobody", "in", "score", "decile", "within", "consents", *_ACT_WORDS)
_MEASURE_WORDS = {"time": "times", "order": "orders", "line": "lines", "unit": "units", "day": "days"}
_ENOUGH = {("at", "least"): ">=", ("at", "most"): "<=", ("more", "than"): ">", ("less", "than"): "<"}


def parse(line: str) -> Node:
    """Reads an audience from one line of text; names are not checked yet (`check` does).

    Raises:
        FaultsError: The line does not follow the language; the fault's path is the column.
    """
    if len(line) > MAX_TEXT:
        said = Said(
            f"the line has {len(line)} characters, more than {MAX_TEXT}",
            f"这一行有 {len(line)} 个字符，超过 {MAX_TEXT} 个",
        )
        raise text_fault(MAX_TEXT, said)
    reader = _Reader(tokens(line))
    tree = reader.either(0)
    if reader.now.kind is not TokenKind.END:
        raise reader.wrong(Said("and, or, or the end", " and、or 或结尾"), ("and", "or"))
    return tree


class _Reader(Cursor):
    """Reads an audience by recursive descent, one method a rule."""

    def either(self, depth: int) -> Node:
        return self._chain("or", lambda: self._chain("and", lambda: self.single(depth + 1), All), Some)

    def _chain(self, word: str, part: Callable[[], Node], join: Callable[[tuple[Node, ...]], Node]) -> Node:
        parts = [part()]
        while self.took(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def single(self, depth: int) -> Node:
        if depth > 3 * MAX_DEPTH:
            raise self.wrong(Said("fewer brackets: the audience is nested too deep", "更少的括号：嵌套过深"))
        if self.took("not"):
            return Not(self.single(depth + 1))
        if self.took_mark("("):
            inside = self.either(depth)
            self.need_mark(")")
            return inside
        for word, join in (("all", All), ("any", Some)):
            if self.took(word):
                return join(self._inside(depth))
        if self.took("everyone"):
            return All()
        return Some() if self.took("nobody") else self.leaf()

    def _inside(self, depth: int) -> tuple[Node, ...]:
        self.need_mark("(")
        parts = [self.either(depth)]
        while self.took_mark(","):
            parts.append(self.either(depth))
        self.need_mark(")")
        return tuple(parts)

    def leaf(self) -> Leaf:
        if self.now.kind is not TokenKind.WORD:
            words = "bought, did, redeemed, in segment, score, decile, within"
            raise self.wrong(
                Said(f"a condition: a trait, {words} or consents", f"一个条件：会员特征，或 {words}, consents")
            )
        if self.is_word("in", "segment"):
            self.place += 2
            return Member(self.text(Said("the segment's name in quotes", "加引号的人群名称")))
        for word in ("score", "decile"):
            if self.took(word):
                return self.score("value" if word == "score" else "decile")
        if self.took("within"):
            return self.near()
        if self.took("consents"):
            return self.consent()
        for word, table in _ACT_WORDS.items():
            if self.took(word):
                return self.behaviour(ACTS[table])
        return self.comparison()

    def comparison(self) -> Comparison:
        name, key, column = str(self.now.value), None, self.now.column
        self.place += 1
        if self.took_mark("["):
            key = self.text(Said("the entry's name in quotes", "加引号的条目名称"))
            self.need_mark("]")
        if self.took("is"):
            unknown = self.took("not")
            if not unknown and self.took("unknown"):
                return Comparison(name, "unknown", None, key)
            self.need("known")
            return Comparison(name, "unknown" if unknown else "known", None, key)
        if self.now.kind is TokenKind.WORD and not self.is_word("between") and not self.is_operator():
            hint = nearest(name, _STARTS)
            if hint.english:
                said = Said(f"'{name}' is no trait that is compared", f"“{name}”不是可比较的会员特征")
                raise text_fault(column, said.then(hint))
            said = Said(f"an operator after '{name}'", f"“{name}”之后的比较方式")
            raise self.wrong(said, ("between", "in", "not", "is", "contains"))
        op, value = self.operation()
        return Comparison(name, op, value, key)

    def score(self, measure: str) -> Score:
        model = self.text(Said("the model's name in quotes", "加引号的模型名称"))
        subject = self.text(Said("what was scored, in quotes", "加引号的评分对象")) if self.took("for") else None
        op, value = self.operation()
        return Score(model, measure, op, value, subject)

    def near(self) -> Near:
        kilometres = self.number()
        self.need("km")
        self.took("of")
        self.need("store")
        return Near(self.text(Said("the store's id in quotes", "加引号的门店编码")), float(kilometres))

    def consent(self) -> Consent:
        self.took("to")
        purpose = self.text(Said("the purpose in quotes", "加引号的用途"))
        self.need("by")
        return Consent(purpose, self.text(Said("the channel in quotes", "加引号的渠道")))

    def behaviour(self, kind: ActKind) -> Behaviour | Sequel:
        act, having = self.act(kind)
        if not self.is_word("then"):
            default = Threshold(next(iter(kind.measures)), ">=", 1)
            return Behaviour(act, having or (default,))
        if having:
            raise self.wrong(
                Said(
                    "no counts before 'then': what comes first only has to happen",
                    " then 之前不带次数：先发生的行为只需发生",
                )
            )
        self.place += 1
        return self.sequel(act)

    def sequel(self, first: Act) -> Sequel:
        absent = self.took("did", "not") or self.took("not")
        word = next((word for word in ("bought", "buy", "did", "do", "redeemed") if self.is_word(word)), None)
        if word is None:
            raise self.wrong(Said("bought, did or redeemed", " bought、did 或 redeemed"), tuple(_ACT_WORDS))
        self.place += 1
        table = {"buy": "order_line", "do": "event"}.get(word) or _ACT_WORDS[word]
        column = self.now.column
        then, having = self.act(ACTS[table])
        if having or then.window != EVER:
            raise text_fault(
                column,
                Said(
                    "what follows 'then' has no counts and no window but 'within n days'",
                    "then 之后的行为不带次数，时间只能写 within n days",
                ),
            )
        self.need("within")
        days = self.whole()
        self.days_word()
        return Sequel(first, then, days, absent)

    def act(self, kind: ActKind) -> tuple[Act, tuple[Threshold, ...]]:
        """Filters, thresholds and at most one window, in any order."""
        where: list[Filter] = []
        having: list[Threshold] = []
        window = EVER
        while True:
            if (found := self.window()) is not None:
                if window != EVER:
                    raise self.wrong(Said("one window only", "唯一的时间范围"))
                window = found
            elif (threshold := self.threshold(kind)) is not None:
                having.append(threshold)
            elif (condition := self.filter(kind)) is not None:
                where.append(condition)
            else:
                return Act(kind.table, tuple(where), window), tuple(having)

    def window(self) -> Window | None:
        if self.took("ever"):
            return EVER
        if self.is_word("in", "last") or self.is_word("in", "the", "last"):
            self.place += 2 if self.is_word("in", "last") else 3
            days = self.whole()
            self.days_word()
            return Window(last_days=days)
        if self.took("between"):
            first = self.day()
            self.need("and")
            return Window(first=first, last=self.day())
        if self.took("since"):
            return Window(first=self.day(), last=self.day() if self.took("until") else None)
        return Window(last=self.day()) if self.took("until") else None

    def days_word(self) -> None:
        """Takes the word `days` or `day`."""
        if not self.took("days"):
            self.need("day")

    def threshold(self, kind: ActKind) -> Threshold | None:
        words = 1 if self.is_word("for") or self.is_word("on") else 0
        op = next((op for pair, op in _ENOUGH.items() if self.is_word(*pair, ahead=words)), None)
        taken = 2
        if op is None and self.is_word("exactly", ahead=words):
            op, taken = "=", 1
        if op is None:
            return None
        amount = bool(words) and self.is_word("for")
        self.place += words + taken
        value = self.number()
        return Threshold("amount" if amount else self.measure(kind), op, value)

    def measure(self, kind: ActKind) -> str:
        token = self.now
        word = str(token.value).lower() if token.kind is TokenKind.WORD else ""
        word = _MEASURE_WORDS.get(word, word)
        if word == "times":
            word = next(iter(kind.measures))
        if word not in kind.measures or word == "amount":
            known = ("times", *(name for name in kind.measures if name != "amount"))
            counted = ", ".join(dict.fromkeys(known))
            raise self.wrong(Said(f"what is counted: {counted}", f"计数单位：{counted}"), known)
        self.place += 1
        return word

    def filter(self, kind: ActKind) -> Filter | None:
        skipped = 1 if any(self.is_word(word) for word in ("at", "of", "from")) else 0
        token = self.found[self.place + skipped] if skipped else self.now
        name = str(token.value).lower() if token.kind is TokenKind.WORD else ""
        if name not in kind.fields:
            if skipped or (name and name not in _AFTER_ACT):
                self.place += skipped
                said = Said(
                    f"a field of '{kind.word}', a count, a window, and, or",
                    f"“{kind.word}”的字段、次数、时间范围、and 或 or",
                )
                raise self.wrong(said, (*kind.fields, *_AFTER_ACT))
            return None
        self.place += skipped + 1
        if self.is_operator():
            op, value = self.operation()
            return Filter(name, op, value)
        return Filter(name, "=", self.value())


_AFTER_ACT = ("and", "or", "then", "within")
