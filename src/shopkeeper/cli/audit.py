"""`shopkeeper audit`: the log of who did what, and whether anybody changed it."""

import click

from shopkeeper.app.audit import audit_page, verify_audit
from shopkeeper.app.shop import Shop
from shopkeeper.app.traces import mark_of
from shopkeeper.base.errors import UsageError
from shopkeeper.cli.options import with_shop
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.cli.terminal import note_view

__all__ = ["audit_command"]


@click.group("audit")
def audit_command() -> None:
    """The audit log: verify its chain, list its newest rows."""


@audit_command.command("verify")
@click.option("--anchor", metavar="SEQ:HASH", help="A head noted earlier, which must still be in the chain.")
@with_shop
def verify(shop: Shop, *, anchor: str | None, as_json: bool) -> None:
    """Check that no row was changed, removed or added; fails when one was. Note the head it prints elsewhere."""
    length, head = verify_audit(shop, _anchor(anchor) if anchor else None)
    emit(
        {"ok": True, "rows": length, "head": f"{length}:{head}"},
        as_json=as_json,
        render=lambda console: console.print(f"{length} rows, the chain holds; head {length}:{head}", soft_wrap=True),
    )


@audit_command.command("list")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many rows.")
@click.option("--person", metavar="ID", help="Only what was done to this person or seen of them.")
@with_shop
def list_(shop: Shop, *, count: int, person: str | None, as_json: bool) -> None:
    """The newest rows; of one person those that bear their mark, which is all that the log keeps of a person's id."""
    mark = mark_of(shop, person) if person else None
    note_view(shop, "audit.read", mark or "", rows=count)
    rows = audit_page(shop, limit=count, target=mark)
    emit(
        rows,
        as_json=as_json,
        render=lambda c: c.print(
            rich_table(
                None,
                ("row", "when", "who", "what", "to what", "from"),
                [(row.seq, row.happened_at, row.who, row.what, row.target, row.origin) for row in rows],
            )
        ),
    )


def _anchor(text: str) -> tuple[int, str]:
    place, _, digest = text.partition(":")
    if not place.isdigit() or not digest:
        raise UsageError(f"'{text}' is no head", next_step="write it as audit verify printed it: SEQ:HASH")
    return int(place), digest
