"""A cursor over the tokens of a line: what comes next, taken or refused with its column."""

from datetime import date

from shopkeeper.base.errors import FaultsError
from shopkeeper.segment.catalogue import nearest
from shopkeeper.segment.lexer import Token, TokenKind, text_fault
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

    def wrong(self, expected: str, words: tuple[str, ...] = ()) -> FaultsError:
        """The error that something else was expected here, with the nearest of some words."""
        token = self.now
        seen = "the end" if token.kind is TokenKind.END else f"'{str(token.value)[:60]}'"
        hint = nearest(str(token.value), words) if token.kind is TokenKind.WORD else ""
        return text_fault(token.column, f"expected {expected}, found {seen}{hint}")

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
            raise self.wrong(f"'{word}'", (word,))

    def need_mark(self, mark: str) -> None:
        """Takes this mark or fails."""
        if not self.took_mark(mark):
            raise self.wrong(f"'{mark}'")

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
            raise self.wrong("one of = != < <= > >= between in contains is")
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
        raise self.wrong("a value: a number, a day, true, false, or text in quotes")

    def values(self) -> tuple[Scalar, ...]:
        """Takes a bracketed list of values."""
        self.need_mark("(")
        found = [self.value()]
        while self.took_mark(","):
            found.append(self.value())
        self.need_mark(")")
        return tuple(found)

    def text(self, expected: str) -> str:
        """Takes a text in quotes."""
        if self.now.kind is not TokenKind.TEXT:
            raise self.wrong(expected)
        self.place += 1
        return str(self.found[self.place - 1].value)

    def number(self) -> int | float:
        """Takes a number."""
        if self.now.kind is not TokenKind.NUMBER:
            raise self.wrong("a number")
        self.place += 1
        return self.found[self.place - 1].value  # type: ignore[return-value]

    def whole(self) -> int:
        """Takes a whole number."""
        if not isinstance(self.now.value, int) or self.now.kind is not TokenKind.NUMBER:
            raise self.wrong("a whole number")
        return int(self.number())

    def day(self) -> date:
        """Takes a day."""
        if self.now.kind is not TokenKind.DAY:
            raise self.wrong("a day such as 2017-12-31")
        self.place += 1
        return date.fromisoformat(str(self.found[self.place - 1].value))
