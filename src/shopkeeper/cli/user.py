"""`shopkeeper user`: people who may sign in."""

import click

from shopkeeper.app.shop import Shop
from shopkeeper.app.user import add_user, list_users
from shopkeeper.base.permission import ROLES
from shopkeeper.cli.options import with_shop
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.cli.terminal import caller

__all__ = ["user_command"]


@click.group("user")
def user_command() -> None:
    """People who may sign in."""


@user_command.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(list(ROLES)), default="marketer", show_default=True, help="What they may do.")
@click.option(
    "--store", "stores", multiple=True, help="A store they see: store_manager and franchisee; may be repeated."
)
@click.option("--branch", help="The region or area they see, by id or name: regional_manager and supervisor.")
@click.option("--ask-password", is_flag=True, help="Ask for a password instead of making one up.")
@with_shop
def add(
    shop: Shop,
    name: str,
    *,
    role: str,
    stores: tuple[str, ...],
    branch: str | None,
    ask_password: bool,
    as_json: bool,
) -> None:
    """Add a person; the password is shown once."""
    typed = click.prompt("password", hide_input=True, confirmation_prompt=True, err=True) if ask_password else None
    user, password = add_user(shop, name, role, typed, branch=branch, stores=stores, by=caller())
    document = {"id": user.id, "name": user.name, "role": user.role, "password": None if typed else password}
    shown = f"added [bold]{user.name}[/] ({user.role})" + (
        "" if typed else f", password [bold]{password}[/] (shown once)"
    )
    emit(document, as_json=as_json, render=lambda console: console.print(shown))


@user_command.command("list")
@with_shop
def list_(shop: Shop, *, as_json: bool) -> None:
    """Who may sign in."""
    users = list_users(shop)
    rows = [(u.name, u.role, u.language, u.created_at, "no" if u.disabled else "yes") for u in users]
    emit(
        [{"id": u.id, "name": u.name, "role": u.role, "disabled": u.disabled} for u in users],
        as_json=as_json,
        render=lambda c: c.print(rich_table(None, ("name", "role", "language", "since", "may sign in"), rows)),
    )
