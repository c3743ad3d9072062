"""Makes the docs that follow from the code: commands, settings, dictionary, traits; `--check` fails if they drifted."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from shopkeeper.base.settings import settings_table
from shopkeeper.cli.main import shopkeeper
from shopkeeper.schema.table import TableKind
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.traits import GROUPS, TRAITS

_DOCS = Path(__file__).parent.parent / "docs"


def commands() -> str:
    """The help of every command."""
    made = "Made from the program itself by `scripts/generate_docs.py`; every command takes `--help`."
    lines = ["# Commands", "", made, ""]
    # A width of its own, so that no terminal's shape gets into the page.
    root = click.Context(shopkeeper, info_name="shopkeeper", terminal_width=100, **shopkeeper.context_settings)
    lines += _command(shopkeeper, root, 2)
    return "\n".join(lines) + "\n"


def _command(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * min(level, 4)} `{context.command_path}`"
    yield ""
    yield "```text"
    yield command.get_help(context)
    yield "```"
    yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _command(child, click.Context(child, info_name=name, parent=context), level + 1)


def settings() -> str:
    """The table of settings."""
    lines = [
        "# Settings",
        "",
        "In `shopkeeper.toml` of the shop folder; the environment wins over the file.",
        "",
        "| setting | type | default | what it does | environment |",
        "|---|---|---|---|---|",
    ]
    for row in settings_table():
        kind, default = row.type.replace("|", "\\|"), f"`{row.default!r}`"
        lines.append(f"| `{row.name}` | {kind} | {default} | {row.sentence} | `{row.environment}` |")
    return "\n".join(lines) + "\n"


def dictionary() -> str:
    """Every table with its columns."""
    lines = [
        "# The dictionary",
        "",
        "Every table once: the SQL and Iceberg schemas and the checks of a load come from the same declaration.",
        "",
    ]
    for kind in TableKind:
        lines += [f"## {kind.value.capitalize()} tables", ""]
        for table in TABLES.values():
            if table.kind is kind:
                lines += _table(table)
    return "\n".join(lines) + "\n"


def _table(table: object) -> Iterator[str]:
    declared = TABLES[getattr(table, "name", "")]
    yield f"### {declared.name}"
    yield ""
    yield f"One row is {declared.meaning}. Key: {', '.join(f'`{name}`' for name in declared.key)}."
    yield ""
    yield "| column | type | unit | meaning |"
    yield "|---|---|---|---|"
    for column in declared.columns:
        choice = f" One of: {', '.join(column.values)}." if column.values else ""
        yield f"| `{column.name}` | {column.type.name.lower()} | {column.unit or ''} | {column.meaning}.{choice} |"
    yield ""


def traits() -> str:
    """Every trait in both languages."""
    lines = ["# Traits", "", "What is known of each person, in the table `profile`.", ""]
    for group, (english, chinese) in GROUPS.items():
        lines += [f"## {english} · {chinese}", "", "| trait | unit | meaning | 含义 |", "|---|---|---|---|"]
        for trait in TRAITS.values():
            if trait.group == group:
                lines.append(f"| `{trait.name}` | {trait.unit or ''} | {trait.english} | {trait.chinese} |")
        lines.append("")
    return "\n".join(lines) + "\n"


_MADE = {"commands.md": commands, "settings.md": settings, "dictionary.md": dictionary, "traits.md": traits}


def main() -> int:
    """Writes the pages, or with `--check` says which drifted."""
    drifted = []
    for name, make in _MADE.items():
        file, text = _DOCS / name, make()
        if "--check" not in sys.argv:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            drifted.append(name)
    if drifted:
        print(f"docs that drifted from the code: {', '.join(drifted)}; run python scripts/generate_docs.py")
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
