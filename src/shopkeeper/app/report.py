"""The morning report (早报): reads the facts of one level and puts the page together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from shopkeeper.app.organisation import CHAIN, Organisation, Unit, organisation
from shopkeeper.app.pages.reading import names_of, stands_at
from shopkeeper.app.shop import Shop, as_of_or_last
from shopkeeper.app.visitor import Scope
from shopkeeper.base.errors import MissingError
from shopkeeper.insight import morning
from shopkeeper.insight.morning import Anomaly, Measure, Morning
from shopkeeper.schema.query import Query

__all__ = ["Anomaly", "Measure", "Morning", "Report", "report"]

_STAND_BY_THEMSELVES = ("profile", "segment_member", "offer_plan", "effect")
_STEPS_OF_PLACES = frozenset({"late_stores", "fell"})
_CHILDREN_SHOWN = ("sales", "tickets", "average_ticket", "member_sales_share")


@dataclass(frozen=True, slots=True)
class Report:
    """The morning report of one level with what stands around it.

    Args:
        morning: Sales of the level and what stands out.
        people: How many persons are known.
        lifecycle: Persons by lifecycle stage.
        segments: Members by segment.
        campaigns: Campaigns that run on the day or ended lately, with what they brought.
        next: What to do next, most urgent first: a key, numbers for its sentence, and where.
        coverage: Share of sales and tickets that pages about members speak of.
        names: What stores and segments are called in the reader's language, by id; those without a name are left out.
        stands_at: The day at whose end people, segments, plans and effects stand, where they were computed: these are
            of the whole chain, and of the last run whatever day is reported.
    """

    morning: Morning
    people: int
    lifecycle: Mapping[str, int]
    segments: Mapping[str, int]
    campaigns: tuple[Mapping[str, Any], ...]
    next: tuple[Mapping[str, Any], ...]
    coverage: Mapping[str, float | None]
    names: Mapping[str, str]
    stands_at: Mapping[str, date | None]


def report(
    shop: Shop,
    *,
    as_of: date | None = None,
    level: str | None = None,
    language: str | None = None,
    scope: Scope | None = None,
    with_people: bool = True,
) -> Report:
    """Makes the report of a level as of the end of a day.

    Args:
        shop: The shop.
        as_of: The day; the last with data by default.
        level: A node of the organisation or a store, by id or name; the whole chain by default.
        language: In which segments are named; the shop's by default.
        scope: The stores of the reader, who gets no level beyond them and nothing of the whole chain.
        with_people: Whether the reader may see persons; else no count of people is in it.

    Raises:
        MissingError: There is no such level, or there are no data.
        DataError: The day is not over yet, or lies before all data.
    """
    day = as_of_or_last(shop, as_of)
    organised = organisation(shop, day)
    unit = organised.unit(level) if scope is None else _within(organised, level, scope)
    page = _morning(shop, organised, unit, day)
    lifecycle = _counts(shop, "SELECT lifecycle AS name, COUNT(*) AS n FROM profile GROUP BY lifecycle ORDER BY n DESC")
    segments = _counts(
        shop,
        "SELECT segment AS name, COUNT(*) AS n FROM segment_member WHERE left_at IS NULL "
        "GROUP BY segment ORDER BY name",
    )
    campaigns = _campaigns(shop, day)
    found = {measure.name: measure.value for measure in page.measures}
    names = _names(shop, organised, language or shop.settings.chain.language)
    whole = Report(
        morning=page,
        people=sum(lifecycle.values()),
        lifecycle=lifecycle,
        segments=segments,
        campaigns=tuple(campaigns),
        next=tuple(_next(shop, page, day, names)),
        coverage={"sales": found.get("member_sales_share"), "tickets": found.get("member_ticket_share")},
        names=names,
        stands_at={name: stands_at(shop, name) for name in _STAND_BY_THEMSELVES},
    )
    if scope is None and with_people:
        return whole
    return _of_places(whole, frozenset(organised.units) if scope is None else scope.units)


def _within(organised: Organisation, level: str | None, scope: Scope) -> Unit:
    """The level asked for, if all its stores are the reader's; the message names no other."""
    mine = [organised.units[unit] for unit in scope.units if unit in organised.units]
    wanted = level or scope.home
    found = [unit for unit in mine if unit.id == wanted] or [unit for unit in mine if unit.name == wanted]
    if len(found) != 1:
        said = ", ".join(sorted(unit.id for unit in mine if unit.kind != "store")) or ", ".join(sorted(scope.units))
        raise MissingError(f"there is no level '{wanted}'", place=f"levels: {said}", next_step="name one by its id")
    return found[0]


def _of_places(whole: Report, units: frozenset[str]) -> Report:
    """The report without what is of the whole chain: people, segments, campaigns, plans and other stores' names."""
    steps = tuple(step for step in whole.next if step["key"] in _STEPS_OF_PLACES)
    return replace(
        whole,
        people=0,
        lifecycle={},
        segments={},
        campaigns=(),
        next=steps or ({"key": "all_well", "where": "/people", "as_of": whole.morning.as_of.isoformat()},),
        names={place: name for place, name in whole.names.items() if place in units},
        stands_at={},
    )


def _names(shop: Shop, organised: Organisation, language: str) -> dict[str, str]:
    chinese = language == "zh"
    stores = {unit.id: unit.name for unit in organised.units.values() if unit.name}
    saved = shop.state.segments.all()
    return stores | {found.name: found.label_zh if chinese else found.label_en for found in saved}


def _morning(shop: Shop, organised: Organisation, unit: Unit, day: date) -> Morning:
    # No store named means all of them, so a level without stores names itself.
    stores = [] if unit.id == CHAIN else organised.stores_under(unit) or [unit.id]
    days = morning.span(day, shop.settings.chain.country)
    rows = shop.arrow(morning.store_query(days, stores)).to_pylist()
    departments = shop.arrow(morning.department_query(days, stores)).to_pylist()
    newcomers = shop.arrow(morning.newcomer_query(days, stores)).to_pylist()
    redemptions = shop.arrow(morning.redemption_query(days)).to_pylist()
    extra = {
        "new_members": _by_day(newcomers, "new_members"),
        "redemptions": _by_day([row for row in redemptions if not stores or row["store_id"] in stores], "redemptions"),
    }
    targets = _targets(shop, organised, day)
    outstanding = morning.anomalies(rows, days, "store") if unit.kind != "store" else []
    outstanding += morning.anomalies(departments, days, "department")
    outstanding.sort(key=lambda anomaly: -abs(anomaly.difference))
    return Morning(
        as_of=day,
        level=unit.id,
        level_kind=unit.kind,
        level_name=unit.name,
        stores=len({row["place"] for row in rows if row["business_day"] == day}),
        span=days,
        measures=morning.measures(rows, days, targets.get(unit.id, {}), extra),
        comparable=morning.comparable_growth(
            rows, days, {store: found["comparable_from"] for store, found in organised.stores.items()}
        ),
        children=tuple(_children(organised, unit, days, rows, targets)),
        anomalies=tuple(outstanding[:5]),
        late=tuple(
            morning.late_stores(rows, days, {store: found["closed_on"] for store, found in organised.stores.items()})
        ),
    )


def _children(
    organised: Organisation, unit: Unit, days: morning.Span, rows: list[Any], targets: Mapping[str, Mapping[str, float]]
) -> list[dict[str, Any]]:
    by_store: dict[str, list[Any]] = {}
    for row in rows:
        by_store.setdefault(row["place"], []).append(row)
    found = []
    for child in organised.children(unit):
        own = [row for store in organised.stores_under(child) for row in by_store.get(store, [])]
        if not own:
            continue
        measured = morning.measures(own, days, targets.get(child.id, {}), {})
        shown: dict[str, Measure] = {m.name: m for m in measured if m.name in _CHILDREN_SHOWN}
        begin = organised.stores[child.id]["comparable_from"] if child.kind == "store" else None
        comparable = begin is not None and begin <= days.day
        found.append(
            {"id": child.id, "kind": child.kind, "name": child.name, "comparable": comparable, "measures": shown}
        )
    return sorted(found, key=lambda child: -(child["measures"]["sales"].value or 0.0))


def _by_day(rows: list[Any], counted: str) -> dict[date, float]:
    sums: dict[date, float] = {}
    for row in rows:
        sums[row["business_day"]] = sums.get(row["business_day"], 0.0) + row[counted]
    return sums


def _targets(shop: Shop, organised: Organisation, day: date) -> dict[str, dict[str, float]]:
    """Targets by node: the node's own, else the sum of its stores'."""
    query = Query.from_sql(
        "SELECT org_unit_id, measure, CAST(value AS DOUBLE) AS value FROM target WHERE business_day = $day",
        name="targets",
        day=day,
    )
    own: dict[str, dict[str, float]] = {}
    for row in shop.arrow(query).to_pylist():
        own.setdefault(row["org_unit_id"], {})[row["measure"]] = row["value"]
    if not own:
        return {}
    for unit in organised.units.values():
        if unit.kind == "store" or unit.id in own:
            continue
        summed: dict[str, float] = {}
        for store in organised.stores_under(unit):
            for measure, value in own.get(store, {}).items():
                summed[measure] = summed.get(measure, 0.0) + value
        own[unit.id] = summed
    return own


def _counts(shop: Shop, text: str) -> dict[str, int]:
    rows = shop.arrow(Query.from_sql(text, name="counts")).to_pylist()
    return {row["name"]: row["n"] for row in rows if row["name"] is not None}


def _campaigns(shop: Shop, day: date) -> list[dict[str, Any]]:
    query = Query.from_sql(
        """
        WITH used AS (SELECT campaign_id, COUNT(DISTINCT source || ' ' || customer_id) AS redeemers,
                             COUNT(*) AS redemptions
                      FROM redemption WHERE redeemed_on <= $day GROUP BY campaign_id),
             sent AS (SELECT campaign_id, COUNT(*) AS targeted FROM campaign_target GROUP BY campaign_id)
        SELECT c.campaign_id, c.name, c.kind, c.starts_on, c.ends_on, s.targeted,
               COALESCE(u.redeemers, 0) AS redeemers, COALESCE(u.redemptions, 0) AS redemptions,
               e.value AS effect, e.value_low AS effect_low, e.value_high AS effect_high, e.verdict, e.is_observational,
               e.as_of AS effect_as_of
        FROM campaign AS c
        LEFT JOIN effect AS e ON e.campaign_id = c.campaign_id
        LEFT JOIN sent AS s ON s.campaign_id = c.campaign_id
        LEFT JOIN used AS u ON u.campaign_id = c.campaign_id
        WHERE c.starts_on <= $day
        ORDER BY c.starts_on DESC, c.campaign_id
        """,
        name="campaigns",
        day=day,
    )
    rows: list[dict[str, Any]] = shop.arrow(query).to_pylist()
    for row in rows:
        row["running"] = row["ends_on"] is None or row["ends_on"] >= day
        row["response"] = row["redeemers"] / row["targeted"] if row["targeted"] else None
    return rows


def _next(shop: Shop, page: Morning, day: date, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """What to do next, as keys with numbers; the faces have the sentences."""
    steps: list[dict[str, Any]] = []
    if page.late:
        steps.append({"key": "late_stores", "n": len(page.late), "where": "/data"})
    worst = [anomaly for anomaly in page.anomalies if anomaly.difference < 0]
    if worst:
        place, moved = worst[0].place, worst[0].moved.largest() if worst[0].moved else None
        steps.append(
            {
                "key": "fell",
                "place": place,
                "name": names.get(place, place),
                "amount": worst[0].difference,
                "moved": moved,
                "where": "/report",
            }
        )
    at_stake = Query.from_sql(
        "SELECT COUNT(*) AS n, CAST(SUM(monetary_365d) AS DOUBLE) AS amount FROM profile "
        "WHERE lifecycle = 'sleeping' AND rfm_monetary >= 4",
        name="sleeping but valuable",
    )
    (row,) = shop.arrow(at_stake).to_pylist()
    if row["n"]:
        steps.append({"key": "win_back", "n": row["n"], "amount": row["amount"], "where": "/segments"})
    planned = Query.from_sql(
        "SELECT campaign_id, COUNT(*) AS n, CAST(SUM(expected_value) AS DOUBLE) AS amount FROM offer_plan "
        "WHERE NOT is_holdout GROUP BY campaign_id ORDER BY amount DESC LIMIT 1",
        name="planned",
    )
    campaigns = names_of(shop, "campaign")
    steps += [
        {
            "key": "send_plan",
            "campaign": plan["campaign_id"],
            "name": campaigns.get(plan["campaign_id"], plan["campaign_id"]),
            "n": plan["n"],
            "amount": plan["amount"],
            "where": "/models",
        }
        for plan in shop.arrow(planned).to_pylist()
    ]
    if not steps:
        steps.append({"key": "all_well", "where": "/people", "as_of": day.isoformat()})
    return steps
