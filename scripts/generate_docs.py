"""Makes the docs that follow from the code: commands, settings, tables, traits, events; `--check` says what drifted."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from shopkeeper.base.settings import settings_table
from shopkeeper.cli.main import shopkeeper
from shopkeeper.schema.event_properties import PROPERTIES
from shopkeeper.schema.events import EVENTS, json_schema, slug
from shopkeeper.schema.events import GROUPS as EVENT_GROUPS
from shopkeeper.schema.happening import Happening
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


def events() -> str:
    """Every kind of event in both languages."""
    lines = [
        "# Events",
        "",
        "The names that Shopkeeper knows: Segment's e-commerce specification, version 2 (names of version 1 are",
        "aliases), and a retail extension. A name may come in any case, with blanks, `_` or `-` between its words. Any",
        "other name is taken too, unless the [tracking plan](../events.md#the-tracking-plan) says otherwise. Beside",
        "each event is its JSON Schema; a star marks what it must have.",
        "",
        "系统内置的事件名称：Segment 电商规范 v2（v1 名称为别名）与零售扩展。大小写不限，词间可用空格、`_`、`-`。",
        "其他名称同样接收，除非[埋点方案](../events.md#the-tracking-plan)另有规定。",
        "“仅服务端”的事件不接受浏览器密钥；星号表示必填属性。",
        "",
    ]
    for group, (english, chinese) in EVENT_GROUPS.items():
        lines += [f"## {english} · {chinese}", ""]
        for each in EVENTS.values():
            if each.group == group:
                lines += _event(each)
    return "\n".join(lines) + "\n"


def _event(each: Happening) -> Iterator[str]:
    yield f"### {each.name}"
    yield ""
    yield f"{each.english} {each.chinese} [JSON Schema]({slug(each.name)}.schema.json)"
    facts = [
        "only with a server key · 仅服务端" if each.server_only else "",
        f"becomes rows of `{each.becomes}` · 生成 `{each.becomes}` 记录" if each.becomes else "",
        "may be nobody's · 可不带身份" if each.nobodys else "",
        f"also · 别名: {', '.join(f'`{name}`' for name in each.aliases)}" if each.aliases else "",
    ]
    yield ""
    if any(facts):
        yield from (f"- {fact}" for fact in facts if fact)
        yield ""
    yield "| property | type | meaning | 含义 |"
    yield "|---|---|---|---|"
    for name in each.properties:
        declared = PROPERTIES[name]
        needed = " *" if name in each.required else ""
        yield f"| `{name}`{needed} | {declared.type.value} | {declared.english} | {declared.chinese} |"
    yield ""


_MADE = {
    "commands.md": commands,
    "settings.md": settings,
    "dictionary.md": dictionary,
    "traits.md": traits,
    "events/README.md": events,
}


def _schemas() -> dict[str, str]:
    """The JSON Schema of every kind of event, by file name."""
    return {
        f"events/{slug(each.name)}.schema.json": json.dumps(json_schema(each), indent=2) + "\n"
        for each in EVENTS.values()
    }


def main() -> int:
    """Writes the pages, or with `--check` says which drifted."""
    drifted = []
    pages = {name: make() for name, make in _MADE.items()} | _schemas()
    (_DOCS / "events").mkdir(exist_ok=True)
    for name, text in pages.items():
        file = _DOCS / name
        if "--check" not in sys.argv:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            drifted.append(name)
    named = {f"events/{file.name}" for file in (_DOCS / "events").glob("*.schema.json")}
    drifted += sorted(named - pages.keys())
    if drifted:
        print(f"docs that drifted from the code: {', '.join(drifted)}; run python scripts/generate_docs.py")
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
