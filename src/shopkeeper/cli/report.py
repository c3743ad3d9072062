"""`shopkeeper report`: the morning report (早报) as text or JSON."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import click
from rich.console import Console

from shopkeeper.app.report import Anomaly, Measure, Report, report
from shopkeeper.app.report_document import report_document
from shopkeeper.app.report_words import (
    change,
    factor_label,
    figure,
    measure_label,
    next_sentence,
    stage_label,
    words,
)
from shopkeeper.app.shop import Shop
from shopkeeper.cli.options import day_option, with_shop, working
from shopkeeper.cli.output import emit, rich_table

__all__ = ["render_report", "report_command"]

_CHILDREN_SHOWN = 15


@click.command("report")
@day_option("--as-of", "The day reported; the last with data by default.")
@click.option("--level", metavar="UNIT", help="A region, an area or a store; the whole chain by default.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; what the settings say by default.")
@with_shop
def report_command(shop: Shop, *, as_of: date | None, level: str | None, lang: str | None, as_json: bool) -> None:
    """Print the morning report (早报)."""
    language = lang or shop.settings.chain.language
    with working("report", quiet=as_json):
        found = report(shop, as_of=as_of, level=level, language=language)
    emit(
        report_document(shop, found),
        as_json=as_json,
        render=lambda console: render_report(console, found, language, shop.settings.chain.currency),
    )


def render_report(console: Console, found: Report, language: str, currency: str) -> None:
    """Prints the report for a person."""
    page = found.morning
    console.rule(f"[bold]{words('title', language)}[/] · {page.level_name or page.level}")
    by = words(page.span.last_year.by, language)
    console.print(
        f"{words('as_of', language)} [bold]{page.as_of}[/] · {words('last_week', language)} {page.span.last_week} · "
        f"{words('last_year', language)} {page.span.last_year.day} ({by})"
    )
    _print_measures(console, page.measures, language, currency)
    if page.comparable["growth"] is not None:
        stores, growth = f"{page.comparable['stores'] or 0:,.0f}", f"{page.comparable['growth']:+.1%}"
        console.print(words("comparable_stores", language, stores=stores, growth=growth))
    shares = {key: figure(value, "share", currency) for key, value in found.coverage.items()}
    console.print(words("coverage", language, **shares), style="dim")
    if page.late:
        late = ", ".join(found.names.get(store, store) for store in page.late[:12])
        console.print(f"[yellow]{words('late', language)}:[/] {late} ({len(page.late)})")
    _print_anomalies(console, found, language, currency)
    _print_children(console, page.children, language, currency)
    _print_counts(console, found, language)
    _print_campaigns(console, found, language)
    console.print(f"\n[bold]{words('next', language)}[/]")
    for step in found.next:
        console.print(f"  • {next_sentence(step, currency, language)}")


def _print_measures(console: Console, measures: tuple[Measure, ...], language: str, currency: str) -> None:
    headings = [words(key, language) for key in ("measure", "value", "target", "last_week", "last_year")]
    rows = [
        (
            measure_label(measure.name, language),
            figure(measure.value, measure.unit, currency),
            change(measure.value, measure.target, measure.unit),
            change(measure.value, measure.last_week, measure.unit),
            change(measure.value, measure.last_year, measure.unit),
        )
        for measure in measures
    ]
    table = rich_table(None, headings, rows)
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)


def _print_anomalies(console: Console, found: Report, language: str, currency: str) -> None:
    if not found.morning.anomalies:
        console.print(words("no_anomalies", language))
        return
    headings = ("", *(words(key, language) for key in ("kind", "sales", "usual", "difference", "moved")))
    rows = [
        (
            found.names.get(anomaly.place, anomaly.place),
            words(anomaly.kind, language),
            figure(anomaly.sales, "currency", currency),
            figure(anomaly.usual, "currency", currency),
            f"{anomaly.difference:+,.2f}",
            _moved(anomaly, language),
        )
        for anomaly in found.morning.anomalies
    ]
    console.print(rich_table(words("anomalies", language), headings, rows))


def _moved(anomaly: Anomaly, language: str) -> str:
    if anomaly.moved is None:
        return words("none", language)
    parts = {key: getattr(anomaly.moved, key) for key in ("people", "visits", "items", "price")}
    ordered = sorted(parts.items(), key=lambda part: -abs(part[1]))[:2]
    return ", ".join(f"{factor_label(key, language)} {value:+,.0f}" for key, value in ordered)


def _print_children(console: Console, children: tuple[Mapping[str, Any], ...], language: str, currency: str) -> None:
    if not children:
        return
    aimed = any(child["measures"]["sales"].target is not None for child in children)
    against = ["target", "last_week", "last_year"] if aimed else ["last_week", "last_year"]
    shown = ("tickets", "average_ticket", "member_sales_share")
    headings = ["", words("sales", language), *(words(key, language) for key in against)]
    rows = []
    for child in children[:_CHILDREN_SHOWN]:
        sales, others = child["measures"]["sales"], [child["measures"][name] for name in shown]
        marked = f" · {words('comparable', language)}" if child["comparable"] else ""
        rows.append(
            (
                f"{child['name'] or child['id']}{marked}",
                figure(sales.value, "currency", currency),
                *(change(sales.value, getattr(sales, key), "currency") for key in against),
                *(figure(each.value, each.unit, currency) for each in others),
            )
        )
    table = rich_table(
        words("one_level_down", language), [*headings, *(measure_label(name, language) for name in shown)], rows
    )
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)
    if len(children) > _CHILDREN_SHOWN:
        console.print(words("more_below", language, n=f"{len(children) - _CHILDREN_SHOWN:,}"), style="dim")


def _of_chain(title: str, found: Report, table: str, language: str) -> str:
    """A heading of what is always of the whole chain, with the day at whose end it stands."""
    day = found.stands_at[table]
    return f"{title} · {words('whole_chain', language, day=str(day or words('none', language)))}"


def _print_counts(console: Console, found: Report, language: str) -> None:
    stages = [(stage_label(stage, language), count) for stage, count in found.lifecycle.items()]
    title = _of_chain(f"{words('lifecycle', language)} ({found.people:,})", found, "profile", language)
    console.print(title, style="italic")
    console.print(rich_table(None, (words("stage", language), words("people", language)), stages))
    if found.segments:
        headings = (words("segment", language), words("people", language))
        named = [(found.names.get(name, name), count) for name, count in found.segments.items()]
        console.print(_of_chain(words("segments", language), found, "segment_member", language), style="italic")
        console.print(rich_table(None, headings, named))


def _effect(campaign: Mapping[str, Any]) -> str:
    if campaign["effect"] is None:
        return "–"
    return f"{campaign['effect']:+.2f} ({campaign['effect_low']:+.2f} … {campaign['effect_high']:+.2f})"


def _print_campaigns(console: Console, found: Report, language: str) -> None:
    campaigns = found.campaigns
    if not campaigns:
        return
    headings = (
        "",
        *(words(key, language) for key in ("starts", "ends", "targeted", "redeemers", "response", "effect", "verdict")),
    )
    rows = [
        (
            campaign["name"] or f"{campaign['campaign_id']} · {campaign['kind'] or ''}",
            str(campaign["starts_on"]),
            str(campaign["ends_on"] or ""),
            campaign["targeted"],
            campaign["redeemers"],
            figure(campaign["response"], "share", ""),
            _effect(campaign),
            words(campaign["verdict"] or "none", language),
        )
        for campaign in campaigns[:6]
    ]
    console.print(rich_table(_of_chain(words("campaigns", language), found, "effect", language), headings, rows))
    console.print(words("effect_note", language), style="dim")
