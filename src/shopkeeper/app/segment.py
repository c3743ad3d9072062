"""Audiences and segments: starters, counts, members, and who entered and left."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from shopkeeper.app.pages.builder import catalogue_of
from shopkeeper.app.pages.segments import save_segment
from shopkeeper.app.shop import Shop, as_of_or_last, now
from shopkeeper.app.table import export_rows
from shopkeeper.base.clock import end_of_day
from shopkeeper.base.errors import FaultsError, MissingError, UsageError
from shopkeeper.schema.query import Query
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.check import audience
from shopkeeper.segment.compile import count as count_query
from shopkeeper.segment.compile import members as members_query
from shopkeeper.segment.definition import Definition, in_order
from shopkeeper.segment.document import from_document, to_document
from shopkeeper.segment.membership import refreshed
from shopkeeper.segment.said import Said, wrong
from shopkeeper.segment.sentence import sentence
from shopkeeper.segment.starter import starters
from shopkeeper.segment.tree import Node
from shopkeeper.storage.state.segments import SegmentVersion

__all__ = [
    "Counted",
    "add_starters",
    "count",
    "create",
    "export",
    "members",
    "read_audience",
    "refresh_members",
    "say",
]


@dataclass(frozen=True, slots=True)
class Counted:
    """The size of an audience.

    Args:
        count: People in it.
        of: People known.
        seconds: How long the count took, from the tree to the number.
        as_of: The day at whose end it was counted.
        sql: The query, for anybody's own tables.
    """

    count: int
    of: int
    seconds: float
    as_of: date
    sql: str


def add_starters(shop: Shop) -> None:
    """Saves the segments that any chain wants, where the shop has no segment yet."""
    if shop.state.segments.all() or shop.state.segments.all(archived=True):
        return
    for found in starters():
        shop.state.segments.save(
            found.name,
            to_document(found.tree),
            label_en=found.english,
            label_zh=found.chinese,
            by="shopkeeper",
            now=now(shop),
            published=True,
        )


def read_audience(shop: Shop, name_or_file: str) -> tuple[Node, str]:
    """Reads an audience: a saved segment's name, a file of JSON or of one line, or the line itself.

    Returns:
        The checked tree and where it came from.

    Raises:
        FaultsError: The tree is wrong; every fault is named with its path.
        MissingError: It is neither a segment, a file nor a rule.
    """
    catalogue = catalogue_of(shop)
    file = Path(name_or_file)
    if file.suffix in {".json", ".txt", ".audience"} or "/" in name_or_file:
        if not file.exists():
            raise MissingError(f"there is no file {file}", next_step="shopkeeper segment list")
        text = file.read_text(encoding="utf-8")
        return audience(_document_or_line(text, file), catalogue), str(file)
    if any(mark in name_or_file for mark in " =<>"):
        return audience(name_or_file, catalogue), "line"
    saved = shop.state.segments.get(name_or_file)
    return audience(saved.tree, catalogue, saved.name), name_or_file


def create(shop: Shop, file: Path, *, by: str = "cli") -> SegmentVersion:
    """Saves a segment from a JSON file: name, label_en, label_zh and audience (a tree or a line).

    Raises:
        FaultsError: The audience is wrong.
        UsageError: Something is missing in the file.
    """
    if not file.exists():
        raise MissingError(f"there is no file {file}")
    document = _document_or_line(file.read_text(encoding="utf-8"), file)
    if not isinstance(document, Mapping) or "audience" not in document or "name" not in document:
        raise UsageError(
            f"{file} is no segment",
            next_step='write {"name": "…", "label_en": "…", "label_zh": "…", "audience": "recency_days > 60"}',
        )
    name = str(document["name"])
    tree = audience(document["audience"], catalogue_of(shop), name)
    english, chinese = (str(document.get(key) or "") for key in ("label_en", "label_zh"))
    return save_segment(shop, name, to_document(tree), label_en=english, label_zh=chinese, by=by, now=now(shop))


def count(shop: Shop, tree: Node, as_of: date | None = None) -> Counted:
    """Counts an audience as of the end of a day."""
    began = time.perf_counter()
    day = _profile_day(shop, as_of)
    query = count_query(tree, day, catalogue_of(shop))
    (row,) = shop.arrow(query).to_pylist()
    return Counted(row["count"], row["of"], round(time.perf_counter() - began, 4), day, query.sql())


def members(shop: Shop, tree: Node, as_of: date | None = None) -> pa.Table:
    """The people of an audience."""
    return shop.arrow(members_query(tree, _profile_day(shop, as_of), catalogue_of(shop)))


def export(shop: Shop, tree: Node, file: Path, called: str, *, by: str = "cli") -> int:
    """Writes the people of an audience with a few traits to a file; leaves an audit row; gives the number of rows.

    Args:
        shop: The shop.
        tree: The audience.
        file: Where to, a format by its ending.
        called: What the audience is called in the audit row: a segment's name, or the rule.
        by: Who takes it.
    """
    inside = members_query(tree, _profile_day(shop, None), catalogue_of(shop))
    text = (
        "SELECT person_id, lifecycle, rfm_class, recency_days, orders_365d, monetary_365d, favourite_store "
        "FROM profile WHERE person_id IN (SELECT person_id FROM profile) ORDER BY person_id"
    )
    query = Query.from_sql(text, name="export")
    place = query.tree.args["where"].this.args["query"]
    place.set("this", inside.tree)
    people = export_rows(shop.duckdb.batches(Query(query.tree, name="export")), file)
    detail = {"people": people, "as": file.suffix.removeprefix(".")}
    shop.state.audit.append(by, "segment.export", called, now=now(shop), detail=detail)
    return people


def say(shop: Shop, tree: Node | Mapping[str, Any], language: str) -> str:
    """An audience in one sentence."""
    catalogue = catalogue_of(shop)
    node = audience(tree, catalogue) if isinstance(tree, Mapping) else tree
    return sentence(node, "zh" if language == "zh" else "en", catalogue)


def refresh_members(shop: Shop, as_of: date, *, segments: Sequence[SegmentVersion]) -> pa.Table:
    """Gives all stays in all segments after each was computed again as of a day.

    When the day lies before the last one computed, what happened after it is taken back first. Whoever was in a segment
    that is none of these any more leaves at the end of the day.

    Args:
        shop: The shop.
        as_of: The day.
        segments: The segments as they stood when the run began, whatever is saved meanwhile.

    Raises:
        FaultsError: The rule of a segment, which is named, is no longer right.
    """
    trees = {saved.name: from_document(saved.tree) for saved in segments}
    catalogue = replace(catalogue_of(shop), segments=trees, by_rule={})
    found = in_order(_definition(saved, catalogue) for saved in segments)
    end = end_of_day(as_of, shop.settings.chain.time_zone)
    known = Query.from_sql(
        """
        SELECT
            segment,
            person_id,
            entered_at,
            CASE
                WHEN left_at <= $moment THEN left_at
                WHEN COALESCE(NOT segment IN $kept, TRUE) THEN $moment
            END AS left_at,
            version
        FROM segment_member
        WHERE entered_at <= $moment
        """,
        name="stays",
        moment=end,
        kept=tuple(definition.name for definition in found),
    )
    rows = shop.duckdb.arrow(known)
    for definition in found:
        rows = shop.duckdb.arrow(refreshed(definition, as_of, catalogue), {"segment_member": rows})
    return rows


def _definition(saved: SegmentVersion, catalogue: Catalogue) -> Definition:
    try:
        tree = audience(saved.tree, catalogue, saved.name)
    except FaultsError as error:
        what = Said(f"the rule of segment '{saved.name}'", f"人群“{saved.name}”的规则")
        raise wrong(error.faults, what) from error
    return Definition(saved.name, tree, saved.label_en, saved.label_zh, version=saved.version)


def _profile_day(shop: Shop, as_of: date | None) -> date:
    """The day of the profile, or the one asked for."""
    if as_of is not None:
        return as_of
    found = shop.lake.snapshot("profile")
    noted = found.properties.get("shopkeeper.as_of") if found else None
    return date.fromisoformat(noted) if noted else as_of_or_last(shop, None)


def _document_or_line(text: str, file: Path) -> Any:
    if not text.lstrip().startswith("{"):
        return text.strip()
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{file} is no JSON: {error}") from error
