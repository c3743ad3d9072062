"""Passwords are hashed by argon2id, slowly, few at a time."""

import threading
import time

import pytest

from shopkeeper.base.errors import UnavailableError, UsageError
from shopkeeper.storage.state.password import Passwords


def test_the_defaults_are_what_owasp_asks() -> None:
    hashed = Passwords().hash("correct horse battery")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_hash_matches_its_password_alone_and_never_repeats() -> None:
    passwords = Passwords(memory_kib=64, passes=1)
    one, two = passwords.hash("ｐａｓｓｗｏｒｄ８"), passwords.hash("password8")
    assert one != two
    assert passwords.matches(one, "password8")
    assert not passwords.matches(one, "password9")
    assert not passwords.matches("no hash at all", "password8")
    assert not passwords.matches(None, "nobody has this password")
    assert not passwords.matches(one, "x" * 5_000)


@pytest.mark.parametrize("password", ["seven77", "x" * 1_025])
def test_a_password_of_no_sensible_length_is_refused_unseen(password: str) -> None:
    with pytest.raises(UsageError) as caught:
        Passwords().hash(password)
    assert password not in str(caught.value)


def test_no_more_hash_at_once_than_allowed() -> None:
    passwords = Passwords(memory_kib=19 * 1024, passes=60, at_once=1, wait_seconds=0.01)
    started = threading.Event()

    def slow() -> None:
        started.set()
        passwords.hash("correct horse battery")

    thread = threading.Thread(target=slow)
    thread.start()
    started.wait()
    time.sleep(0.1)  # the other takes a second, once it has its turn
    with pytest.raises(UnavailableError, match="too many"):
        passwords.matches(None, "x" * 9)
    thread.join()
