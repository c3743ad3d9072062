"""A cursor over the tokens of a line: what comes next, taken or refused with its column."""

from datetime import date

from shopkeeper.base.errors import FaultsError
from shopkeeper.segment.catalogue import nearest
from shopkeeper.segment.lexer import Token, TokenKind, text_fault
from shopkeeper.segment.said import Said
from shopkeeper.segment.tree import COMPARISONS, Scalar, TreeValue

__all__ = ["Cursor"]


class Cursor:
    """Reads tokens from left to right."""

    def __init__(self, found: list[Token]) -> None:
        self.found = found
        self.place = 0

    @property
    def now(self) -> Token:
        """What comes next."""
        return self.found[self.place]

    def wrong(self, expected: Said, words: tuple[str, ...] = ()) -> FaultsError:
        """The error that something else was expected here, with the nearest of some words."""
        token = self.now
        found = str(token.value)[:60]
        seen = Said("the end", "结尾") if token.kind is TokenKind.END else Said(f"'{found}'", f"“{found}”")
        said = Said(
            f"expected {expected.english}, found {seen.english}", f"此处应为{expected.chinese}，却是{seen.chinese}"
        )
        hint = nearest(str(token.value), words) if token.kind is TokenKind.WORD else Said("", "")
        return text_fault(token.column, said.then(hint))

    def is_word(self, *words: str, ahead: int = 0) -> bool:
        """Whether the next tokens are these words."""
        coming = self.found[self.place + ahead : self.place + ahead + len(words)]
        return len(coming) == len(words) and all(
            token.kind is TokenKind.WORD and str(token.value).lower() == word
            for token, word in zip(coming, words, strict=True)
        )

    def took(self, *words: str) -> bool:
        """Takes these words if they come next."""
        if not self.is_word(*words):
            return False
        self.place += len(words)
        return True

    def took_mark(self, mark: str) -> bool:
        """Takes this mark if it comes next."""
        if self.now.kind is TokenKind.MARK and self.now.value == mark:
            self.place += 1
            return True
        return False

    def need(self, word: str) -> None:
        """Takes this word or fails."""
        if not self.took(word):
            raise self.wrong(Said(f"'{word}'", f"“{word}”"), (word,))

    def need_mark(self, mark: str) -> None:
        """Takes this mark or fails."""
        if not self.took_mark(mark):
            raise self.wrong(Said(f"'{mark}'", f"“{mark}”"))

    def is_operator(self) -> bool:
        """Whether an operator comes next."""
        token = self.now
        return (token.kind is TokenKind.MARK and token.value in COMPARISONS) or any(
            self.is_word(*words) for words in (("between",), ("in",), ("not", "in"), ("contains",))
        )

    def operation(self) -> tuple[str, TreeValue]:
        """An operator and what it is held against."""
        if self.took("between"):
            low = self.value()
            self.need("and")
            return "between", (low, self.value())
        if self.took("in"):
            return "in", self.values()
        if self.took("not", "in"):
            return "not in", self.values()
        if self.took("contains"):
            return "contains", self.value()
        token = self.now
        if token.kind is not TokenKind.MARK or token.value not in COMPARISONS:
            known = "= != < <= > >= between in contains is"
            raise self.wrong(Said(f"one of {known}", f" {known} 之一"))
        self.place += 1
        return str(token.value), self.value()

    def value(self) -> Scalar:
        """Takes one plain value."""
        token = self.now
        if token.kind in (TokenKind.TEXT, TokenKind.NUMBER, TokenKind.DAY):
            self.place += 1
            return token.value
        for word, truth in (("true", True), ("yes", True), ("false", False), ("no", False)):
            if self.took(word):
                return truth
        raise self.wrong(
            Said(
                "a value: a number, a day, true, false, or text in quotes",
                "一个值：数字、日期、true、false 或加引号的文本",
            )
        )

    def values(self) -> tuple[Scalar, ...]:
        """Takes a bracketed list of values."""
        self.need_mark("(")
        found = [self.value()]
        while self.took_mark(","):
            found.append(self.value())
        self.need_mark(")")
        return tuple(found)

    def text(self, expected: Said) -> str:
        """Takes a text in quotes."""
        if self.now.kind is not TokenKind.TEXT:
            raise self.wrong(expected)
        self.place += 1
        return str(self.found[self.place - 1].value)

    def number(self) -> int | float:
        """Takes a number."""
        if self.now.kind is not TokenKind.NUMBER:
            raise self.wrong(Said("a number", "数字"))
        self.place += 1
        return self.found[self.place - 1].value  # type: ignore[return-value]

    def whole(self) -> int:
        """Takes a whole number."""
        if not isinstance(self.now.value, int) or self.now.kind is not TokenKind.NUMBER:
            raise self.wrong(Said("a whole number", "整数"))
        return int(self.number())

    def day(self) -> date:
        """Takes a day."""
        if self.now.kind is not TokenKind.DAY:
            raise self.wrong(Said("a day such as 2017-12-31", "日期，如 2017-12-31"))
        self.place += 1
        return date.fromisoformat(str(self.found[self.place - 1].value))
