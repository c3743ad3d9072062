"""New names for old: what is a token by its place, what is known as one in a text, and what only looks like one."""

from collections.abc import Collection

import pytest

from shopkeeper.storage.keys import Key
from shopkeeper.storage.renaming import Renaming
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.token_chain import Chain

BEFORE, AFTER = Tokens(Key(b"a" * 32), "CN"), Tokens(Key(b"a" * 32), "CN", [Key(b"b" * 32)])
OLD, NEW = BEFORE.token("phone", "13800138000"), AFTER.token("phone", "13800138000")
COOKIE, COOKIE_NOW = BEFORE.token("cookie", "c"), AFTER.token("cookie", "c")
SLUG = "em_newsletter_of_november_x"


@pytest.fixture
def renaming() -> Renaming:
    def known(texts: Collection[str]) -> Collection[str]:
        return [text for text in texts if text == OLD]

    return Renaming(Chain([Key(b"b" * 32)]), known)


def test_a_name_is_told_by_its_form(renaming: Renaming) -> None:
    given = [OLD, None, f"app:{COOKIE}", "till:007", f"told {OLD}", f"rf_{OLD[3:]}_2"]
    expected = [NEW, None, f"app:{COOKIE_NOW}", "till:007", f"told {NEW}", f"rf_{NEW[3:]}_2"]
    assert renaming.names(given) == expected


def test_a_text_is_left_but_for_tokens_that_are_known(renaming: Renaming) -> None:
    given = [f"x{OLD}y{OLD}", SLUG, f"us_{OLD}", COOKIE, None, ""]
    assert renaming.texts(given) == [f"x{NEW}y{NEW}", SLUG, f"us_{NEW}", COOKIE, None, ""]
    assert renaming.texts([f"{COOKIE} {SLUG}"], [COOKIE]) == [f"{COOKIE_NOW} {SLUG}"]
    assert renaming.texts([f'[["cookie","{COOKIE}"]]'], None) == [f'[["cookie","{COOKIE_NOW}"]]']


def test_messages_are_renamed_where_they_were_made_here(renaming: Renaming) -> None:
    ours = "m_" + OLD[3:]
    assert renaming.messages([ours, "ticket-1", OLD, None]) == ["m_" + NEW[3:], "ticket-1", OLD, None]


def test_trees_are_renamed_in_keys_and_values_and_else_the_same(renaming: Renaming) -> None:
    tree = {"a": [1, None, {OLD: f"to {OLD}"}], "b": {"c": f"app:{COOKIE}", "d": True}, "e": b"x", "f": 1.5}
    new = {"a": [1, None, {NEW: f"to {NEW}"}], "b": {"c": f"app:{COOKIE_NOW}", "d": True}, "e": b"x", "f": 1.5}
    assert renaming.trees([tree, {"a": 1}], with_names=True) == [new, {"a": 1}]
    assert renaming.trees([[OLD, COOKIE, SLUG]]) == [[NEW, COOKIE, SLUG]]
