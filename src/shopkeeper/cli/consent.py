"""`shopkeeper consent`: what people agreed to, brought into the ledger."""

from pathlib import Path

import click

from shopkeeper.app.consent_import import import_consents
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError
from shopkeeper.cli.load import receipt_document, render_receipt
from shopkeeper.cli.options import with_shop, working
from shopkeeper.cli.output import emit

__all__ = ["consent_command"]

_REFUSED = 3


@click.group("consent")
def consent_command() -> None:
    """What people agreed to and withdrew."""


@consent_command.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--source", required=True, help="Where it was said, for rows that have no column of it.")
@with_shop
def import_(shop: Shop, files: tuple[str, ...], *, source: str, as_json: bool) -> int:
    """Bring the consents of FILE… (CSV, Parquet, JSON lines, Excel) into the ledger, each with its proof.

    A row names a person (person_id, customer_id, phone, email, member_no …), purpose, channel, granted, occurred_at,
    and text_version where it agrees.
    """
    for name in files:
        if not Path(name).exists():
            raise MissingError(f"there is no file {name}", place=str(Path.cwd()))
    with working("import of consents", quiet=as_json):
        receipt = import_consents(shop, files, source=source, by="cli")
    emit(receipt_document(receipt), as_json=as_json, render=lambda console: render_receipt(console, receipt, "fixed"))
    return _REFUSED if receipt.refused else 0
