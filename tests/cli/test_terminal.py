"""Whoever reads of persons at the terminal leaves a row in the audit log before anything is shown."""

import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from shopkeeper.app.shop import Shop, open_shop
from shopkeeper.app.table import show
from shopkeeper.base.errors import StorageError
from shopkeeper.cli.main import shopkeeper
from shopkeeper.cli.terminal import TERMINAL, caller
from shopkeeper.schema.tables import TABLES
from shopkeeper.storage.state.audit import Audit, AuditRow
from tests.cli.conftest import Says

_RULE = "recency_days >= 0"
READS: dict[str, tuple[str, ...]] = {
    # command: how it is typed here; FILE stands for a file that it writes
    "audit list": (),
    "audit verify": (),
    "campaign list": (),
    "check": (),
    "cuts list": ("rfm",),
    "cuts show": ("rfm",),
    "doctor": (),
    "hook list": (),
    "key list": (),
    "model list": (),
    "person export": ("file:c1", "FILE.zip"),
    "person show": ("file:c1",),
    "refused list": (),
    "refused show": (),
    "report": (),
    "segment count": (_RULE,),
    "segment export": (_RULE, "FILE.csv"),
    "segment list": (),
    "segment members": (_RULE,),
    "table describe": ("customer",),
    "table export": ("order_line", "FILE.csv"),
    "table list": (),
    "table show": ("customer",),
    "user list": (),
    "vault keys": (),
}
CHANGES = {
    # what changes something and shows no person, or cannot run on this shop
    "backup",
    "campaign export",
    "campaign plan",
    "consent import",
    "cuts back",
    "cuts set",
    "demo",
    "hook add",
    "hook remove",
    "init",
    "key create",
    "key revoke",
    "live rebuild",
    "load",
    "log",
    "model backtest",
    "model show",
    "mqtt",
    "person forget",
    "refused replay",
    "restore",
    "run",
    "segment back",
    "segment create",
    "segment versions",
    "serve",
    "token now",
    "token rekey",
    "user add",
    "vault retire",
    "vault rotate",
    "web",
    "worker",
    "loader",
}
_PERSON = re.compile(r"\bfile:c\d\b|\bc[0-7]\b")
"""How a person of the shop of these tests is called: none but them bears such a name."""


@pytest.fixture
def opened(shop_folder: Path) -> Iterator[Shop]:
    with open_shop(shop_folder) as shop:
        yield shop


def _typed() -> set[str]:
    found: set[str] = set()

    def descend(command: click.Command, path: tuple[str, ...]) -> None:
        if not isinstance(command, click.Group):
            found.add(" ".join(path))
            return
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            descend(child, (*path, name))

    descend(shopkeeper, ())
    return found


def _rows(shop: Shop, after: int) -> list[AuditRow]:
    return [row for row in shop.state.audit.rows(after=after) if row.origin == TERMINAL]


def test_each_command_is_known_to_read_or_to_change() -> None:
    assert READS.keys() | CHANGES == _typed()
    assert not READS.keys() & CHANGES


def test_what_shows_a_person_leaves_a_row_and_what_shows_none_leaves_none(
    says: Says, opened: Shop, tmp_path: Path
) -> None:
    shown = set()
    for command, arguments in READS.items():
        before = opened.state.audit.head()[0]
        file = tmp_path / command.replace(" ", "_")
        typed = [each.replace("FILE", str(file)) for each in arguments]
        said = says(*command.split(), *typed, "--json")
        assert said.code == 0, (command, said.err)
        written = "".join(each.read_text(errors="replace") for each in tmp_path.glob(f"{file.name}.*"))
        rows = _rows(opened, before)
        if _PERSON.search(said.out + written) or written or command == "audit list":
            shown.add(command)
            assert len(rows) == 1, command
            assert rows[0].who == f"os:{pwd.getpwuid(os.getuid()).pw_name}"
            assert rows[0].detail["command"] == f"shopkeeper {command}"
            assert "file:c1" not in rows[0].target
        elif command not in ("refused show", "check"):  # which may name some, and note it before they look
            assert rows == [], command
    assert {"person show", "person export", "segment members", "segment export", "table show", "table export"} < shown
    assert opened.state.audit.verify() > 0


def test_every_table_that_names_persons_says_so_and_leaves_a_row(says: Says, opened: Shop) -> None:
    for name in opened.lake.tables():
        if _PERSON.search(str(show(opened, name, 100).to_pylist())):
            assert TABLES[name].is_personal, f"{name} names persons and does not say so"
    for name in ("segment_member", "product"):
        before = opened.state.audit.head()[0]
        says("table", "show", name, "-n", "3", "--json")
        rows = _rows(opened, before)
        assert [(row.what, row.target) for row in rows] == [("data.rows", name)] * TABLES[name].is_personal


def test_a_name_in_the_environment_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "somebody")
    assert caller() == f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    assert caller() == "os:4000000000"


@pytest.mark.parametrize("command", ["table show person", "person show file:c1", "segment members"])
def test_where_the_log_cannot_be_written_nothing_is_shown(
    command: str, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(Audit, "append_many", full)
    typed = [*command.split(), *([_RULE] if command.endswith("members") else [])]
    said = says(*typed, "--json")
    assert (said.code, said.out) == (1, "")
    assert "the disk is full" in said.err
