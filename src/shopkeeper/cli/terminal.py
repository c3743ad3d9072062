"""Who sits at the terminal, and the audit row that stands before they are shown persons."""

import os
import pwd

import click

from shopkeeper.app.audit import done
from shopkeeper.app.shop import Shop, now

__all__ = ["TERMINAL", "caller", "note_view"]

TERMINAL = "terminal"
"""From where, in the audit log."""


def caller() -> str:
    """Gives who typed the command, as the system knows them: the name of the process's user, no variable of theirs."""
    number = os.getuid()
    try:
        return f"os:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"os:{number}"


def note_view(shop: Shop, what: str, target: str, **detail: object) -> None:
    """Writes that persons are about to be shown or taken away; what cannot be written is not shown.

    Args:
        shop: The shop.
        what: The permission that the console would ask for.
        target: A table, a segment or the mark of a person; never a raw identifier.
        **detail: More, such as how many rows.

    Raises:
        StorageError: The log cannot be written.
    """
    command = click.get_current_context().command_path
    row = done(caller(), what, target, now=now(shop), origin=TERMINAL, detail={"command": command, **detail})
    shop.state.audit.append_many([row])
