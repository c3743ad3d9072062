"""`shopkeeper vault`: the keys of the vault."""

import click

from shopkeeper.app.shop import Shop
from shopkeeper.app.vault_keys import retire, rotate, sealed_by
from shopkeeper.cli.options import with_shop
from shopkeeper.cli.output import emit, rich_table

__all__ = ["vault_command"]


@click.group("vault")
def vault_command() -> None:
    """The keys of the vault: list, rotate, retire. All while the shop runs."""


@vault_command.command("keys")
@with_shop
def keys(shop: Shop, *, as_json: bool) -> None:
    """How much each key seals."""
    in_use = shop.sealing.key_id
    found = {in_use: 0} | sealed_by(shop)
    emit(
        [{"id": key_id, "in_use": key_id == in_use, "seals": count} for key_id, count in found.items()],
        as_json=as_json,
        render=lambda console: console.print(
            rich_table(
                None,
                ("key", "in use", "seals"),
                [(key_id, "yes" if key_id == in_use else "", count) for key_id, count in found.items()],
            )
        ),
    )


@vault_command.command("rotate")
@with_shop
def rotate_(shop: Shop, *, as_json: bool) -> None:
    """Put a new key into use and wrap with it whatever older ones wrap; the old ones stay until `retire`."""
    done = rotate(shop)
    emit(
        {"key": done.key_id, "rewrapped": done.rewrapped},
        as_json=as_json,
        render=lambda console: console.print(
            f"{done.key_id} is in use; {done.rewrapped:,} data keys were wrapped anew\n"
            "a minute from now the old ones may go: shopkeeper vault retire"
        ),
    )


@vault_command.command("retire")
@with_shop
def retire_(shop: Shop, *, as_json: bool) -> None:
    """End the keys that seal nothing any more; backups made while they were in use open no more."""
    done = retire(shop)
    said = [f"{key_id} is gone" for key_id in done.retired]
    said += [f"{key_id} still seals {count:,}: shopkeeper vault rotate" for key_id, count in done.needed.items()]
    emit(
        {"retired": list(done.retired), "needed": dict(done.needed)},
        as_json=as_json,
        render=lambda console: console.print("\n".join(said) or "there is no older key"),
    )
