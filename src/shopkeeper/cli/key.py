"""`shopkeeper key`: API keys, which programs show instead of signing in."""

import click

from shopkeeper.app.api_key import SCOPES, USER_KINDS, create_key, list_keys, revoke_key
from shopkeeper.app.hook import hook_secret
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import with_shop
from shopkeeper.cli.output import emit, rich_table
from shopkeeper.cli.terminal import caller

__all__ = ["key_command"]


@click.group("key")
def key_command() -> None:
    """API keys: create, list, revoke. A write key of the Segment API has the scope collect."""


@key_command.command("create")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="What it may do.")
@click.option("--source", help="The source of the events it brings, such as web, app or till.")
@click.option("--name", help="What it is for; the source by default.")
@click.option("--browser", is_flag=True, help="It will stand in a page or an app: it may bring no orders or consent.")
@click.option(
    "--user-id-is",
    "user_kind",
    type=click.Choice(USER_KINDS),
    default="user",
    show_default=True,
    help="What the user ids are that it brings.",
)
@click.option("--days", type=click.IntRange(1), help="For how many days it holds; for ever by default.")
@with_shop
def create(
    shop: Shop,
    scopes: tuple[str, ...],
    *,
    source: str | None,
    name: str | None,
    browser: bool,
    user_kind: str,
    days: int | None,
    as_json: bool,
) -> None:
    """Make a key; it is shown once."""
    key, secret = create_key(
        shop, scopes, source=source, name=name, is_browser=browser, user_kind=user_kind, days=days, by=caller()
    )
    signing = hook_secret(shop, key.id)
    document = {
        "id": key.id,
        "key": secret,
        "scopes": list(key.scopes),
        "source": key.source,
        "browser": key.is_browser,
        "webhook_secret": signing,
    }
    shown = f"[bold]{secret}[/]\nshown once; its id is {key.id}\nwebhooks to /hooks/{key.id} are signed with {signing}"
    emit(document, as_json=as_json, render=lambda console: console.print(shown, soft_wrap=True))


@key_command.command("list")
@with_shop
def list_(shop: Shop, *, as_json: bool) -> None:
    """The keys, the newest first."""
    keys = list_keys(shop)
    rows = [
        (key.id, key.prefix + "…", key.name, ", ".join(key.scopes), key.created_at, key.last_used_at, key.revoked_at)
        for key in keys
    ]
    emit(
        [
            {
                "id": key.id,
                "name": key.name,
                "prefix": key.prefix,
                "scopes": list(key.scopes),
                "source": key.source,
                "browser": key.is_browser,
                "created_at": key.created_at,
                "expires_at": key.expires_at,
                "last_used_at": key.last_used_at,
                "revoked_at": key.revoked_at,
            }
            for key in keys
        ],
        as_json=as_json,
        render=lambda c: c.print(
            rich_table(None, ("id", "begins", "for", "may", "made", "last used", "revoked"), rows)
        ),
    )


@key_command.command("revoke")
@click.argument("key_id")
@with_shop
def revoke(shop: Shop, key_id: str, *, as_json: bool) -> None:
    """End a key at once."""
    key = revoke_key(shop, key_id, by=caller())
    emit(
        {"id": key.id, "revoked_at": key.revoked_at},
        as_json=as_json,
        render=lambda console: console.print(f"{key.id} ({key.name}) holds no more"),
    )
