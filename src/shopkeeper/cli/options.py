"""Options that every command takes, and the progress bar of long ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shopkeeper.base.errors import FaultsError, UsageError

if TYPE_CHECKING:
    from shopkeeper.app.shop import Shop

__all__ = ["WANTS_DEBUG", "WANTS_JSON", "common", "day_option", "progress_bar", "with_shop", "working"]

WANTS_JSON = "--json"
WANTS_DEBUG = "--debug"


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --shop, --json and --debug."""
    command = click.option(WANTS_DEBUG, "debug", is_flag=True, help="Show the traceback of a failure.")(command)
    command = click.option(WANTS_JSON, "as_json", is_flag=True, help="One JSON document on standard output.")(command)
    return click.option(
        "--shop",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="SHOPKEEPER_SHOP",
        default=Path("shop"),
        show_default="./shop",
        help="The shop folder.",
    )(command)


def with_shop(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the common options and hands the opened shop to the command as `shop`."""

    @wraps(command)
    def opened(*arguments: Any, folder: Path, debug: bool, **named: Any) -> Any:
        # Loaded late on purpose: a shop stands on libraries that take a second to import, and help needs none.
        from shopkeeper.app.log import configure_log  # noqa: PLC0415
        from shopkeeper.app.shop import open_shop  # noqa: PLC0415

        del debug  # main reads it
        engine = named.get("engine")
        with open_shop(folder, engine=engine) as shop:
            configure_log(shop.settings.log)
            try:
                return command(shop, *arguments, **named)
            except FaultsError as error:
                error.message = error.said(shop.settings.chain.language)
                raise

    return common(opened)


def day_option(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that takes a day."""

    def parsed(_context: click.Context, _parameter: click.Parameter, value: str | None) -> date | None:
        if value is None:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise UsageError(f"{name} '{value}' is no day", next_step="write it as 2017-12-31") from None

    return click.option(name, callback=parsed, metavar="YYYY-MM-DD", help=text)


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on standard error; gives the function that is told (what, place from 1, of how many)."""
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def tell(what: str, place: int, of: int) -> None:
            bar.update(task, description=what, completed=place - 1, total=of)

        yield tell


@contextmanager
def working(what: str, quiet: bool = False) -> Iterator[None]:
    """A bar with the time that went by, for what cannot say how far it is; it is gone before anything is printed."""
    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        bar.add_task(what, total=None)
        yield


def shop_of(shop: "Shop") -> str:
    """How to name the shop in a command that is suggested."""
    return f"--shop {shop.folder}"
