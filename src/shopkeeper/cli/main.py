"""The command `shopkeeper`."""

import gc
import os
import sys
from collections.abc import Sequence

import click

from shopkeeper.base.errors import ShopkeeperError, UsageError
from shopkeeper.cli.options import WANTS_DEBUG, WANTS_JSON
from shopkeeper.cli.output import fail

__all__ = ["main"]

_COMMANDS = {
    # command: (module that has it, sentence); modules are loaded when their command is typed, so that help is instant
    "init": ("shop", "Make a shop folder."),
    "demo": ("demo", "Load a sample into a new shop, run every step, print the report, serve the console."),
    "load": ("load", "Load files or a database query into a source table."),
    "refused": ("refused", "See what was turned away, and replay it after a fix."),
    "run": ("run", "Refresh what changed."),
    "report": ("report", "Print the morning report (早报)."),
    "check": ("check", "Check the quality of every table."),
    "table": ("table", "Look into the lake: list, describe, show, export."),
    "person": ("person", "One person: show, export, forget."),
    "segment": ("segment", "Audiences: list, create, count, members, export, versions, back."),
    "cuts": ("cuts", "The cut-points of lifecycle and RFM: show, list, set, back."),
    "campaign": ("campaign", "Campaigns: what they brought; the plan of the next one, and its export."),
    "model": ("model", "Models: list, show the card, back-test."),
    "serve": ("serve", "Serve the console and the API, with the worker."),
    "web": ("web", "Only the console and the API, for several machines."),
    "worker": ("worker", "Only the worker, for several machines."),
    "loader": ("worker", "Only the half of the worker that fills the lake and does the jobs of the schedule."),
    "log": ("log", "Only the process that writes the log of events."),
    "live": ("live", "Live state: make it anew."),
    "consent": ("consent", "What people agreed to and withdrew: import."),
    "mqtt": ("mqtt", "Only the bridge that takes signals of devices from a broker."),
    "hook": ("hook", "Web hooks that hear of who enters and leaves segments."),
    "user": ("user", "Add people who may sign in."),
    "key": ("key", "API keys: create, list, revoke."),
    "vault": ("vault", "The keys of the vault: list, rotate, retire."),
    "token": ("token", "The key of the tokens: rekey, off-line; what persons are called since."),
    "audit": ("audit", "The audit log: verify that nobody changed it, list its newest rows."),
    "doctor": ("shop", "Say what is configured, reachable and missing."),
    "backup": ("backup", "Write a consistent copy while the shop runs."),
    "restore": ("backup", "Make a shop from a backup."),
}


class _Commands(click.Group):
    """Loads each command's module only when it is typed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        # Loaded late on purpose: an analysis library takes seconds to import and most commands need none.
        from importlib import import_module  # noqa: PLC0415

        gc.disable()  # nothing that a module brings is garbage, and looking for some takes a sixth of the time
        module = import_module(f"shopkeeper.cli.{_COMMANDS[cmd_name][0]}")
        gc.enable()
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - only for a mistyped command

            near = difflib.get_close_matches(args[0], _COMMANDS, 1)
            hint = f"did you mean '{near[0]}'?" if near else "shopkeeper --help lists the commands"
            raise UsageError(f"there is no command '{args[0]}'", next_step=hint)
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="shopkeeper")
def shopkeeper() -> None:
    """Shopkeeper: the open customer data platform and decision engine for retail chains.

    Every command takes --shop DIR (or SHOPKEEPER_SHOP; default ./shop), --json and --debug.
    Exit codes: 0 done, 1 failed, 2 used wrongly, 3 done but some input was refused.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; every known failure is said in one line with what to do next."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json, debug = WANTS_JSON in given, WANTS_DEBUG in given
    try:
        code = shopkeeper.main(given, prog_name="shopkeeper", standalone_mode=False)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "shopkeeper"
        return fail(UsageError(error.format_message(), next_step=f"{where} --help"), as_json=as_json)
    except click.exceptions.Abort:
        return 1
    except ShopkeeperError as error:
        if debug:
            raise
        return fail(error, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        unknown = ShopkeeperError(
            f"something went wrong that Shopkeeper did not expect: {type(error).__name__}: {error}",
            next_step="the same command with --debug shows where; please report it",
        )
        return fail(unknown, as_json=as_json)
    return code if isinstance(code, int) else 0


def entry() -> None:
    """The entry point of the installed command.

    It leaves at once: taking the libraries apart object by object would be a fifth of a short command's time, and all
    that was opened is closed by then.
    """
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass
    except OSError:
        code = code or 1
    os._exit(code)
