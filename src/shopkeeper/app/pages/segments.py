"""Segments: the list with sizes, the page of one, overlap, saving, and files of members."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from shopkeeper.app.pages.builder import catalogue_of
from shopkeeper.app.pages.download import downloaded
from shopkeeper.app.pages.live import LiveSize, live_sizes
from shopkeeper.app.pages.membership import within
from shopkeeper.app.pages.people import LISTED
from shopkeeper.app.pages.reading import first_row, kept_segments, rows, stands_at
from shopkeeper.app.shop import Shop
from shopkeeper.app.table import export_rows
from shopkeeper.base.errors import Fault, FaultsError, UsageError
from shopkeeper.schema.query import Query
from shopkeeper.segment.catalogue import Catalogue, refers_to
from shopkeeper.segment.check import checked
from shopkeeper.segment.document import from_document, to_document
from shopkeeper.segment.membership import overlap as overlap_query
from shopkeeper.segment.phrase import phrase
from shopkeeper.segment.sentence import sentence
from shopkeeper.storage.state.segments import SegmentVersion

__all__ = [
    "COMPARED",
    "Compared",
    "Overlap",
    "SegmentPage",
    "SegmentRow",
    "SegmentRule",
    "archive_segment",
    "archived_segments",
    "export_members",
    "free_name",
    "go_back",
    "overlap",
    "restore_segment",
    "save_segment",
    "segment_page",
    "segment_versions",
    "segments",
]

COMPARED = (
    "monetary_365d",
    "orders_365d",
    "basket_value",
    "recency_days",
    "categories_ever",
    "discount_line_share",
    "coupon_order_share",
    "private_label_share",
)
"""The traits by which the people of a segment are held against all people."""

_OVERLAPPED = 12
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One saved segment.

    Args:
        name: Its name.
        label_en: What it is called in English.
        label_zh: What it is called in Chinese.
        english: Its rule in words.
        chinese: The same in Chinese.
        version: Which version of its definition.
        published: Whether it runs live and for everybody.
        saved_by: Who saved this version.
        saved_at: When.
        people: How many are in it; None before the first run.
        spend: What they spent in 365 days.
        is_kept: Whether the last run worked out this version; else people and spend are by the rule as it stands.
        live_people: How many are in it live; None when it does not run live.
        live_at: As of when.
    """

    name: str
    label_en: str
    label_zh: str
    english: str
    chinese: str
    version: int
    published: bool
    saved_by: str
    saved_at: datetime
    people: int | None
    spend: float | None
    is_kept: bool
    live_people: int | None = None
    live_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SegmentRule:
    """One version of a segment with its rule in words."""

    saved: SegmentVersion
    english: str
    chinese: str

    def rule(self, language: str) -> str:
        """The rule in one of the languages."""
        return self.chinese if language == "zh" else self.english


@dataclass(frozen=True, slots=True)
class Compared:
    """The mean of a trait among the people of a segment and among all people."""

    trait: str
    inside: float | None
    everybody: float | None


@dataclass(frozen=True, slots=True)
class SegmentPage:
    """One segment.

    Args:
        row: What the list shows of it.
        as_of: The day at whose end memberships stand.
        of: How many people there are.
        tree: Its definition as a JSON document.
        line: Its definition as one line of text.
        compared: What sets its people apart.
        versions: All versions, newest first, each with its rule in English and Chinese.
    """

    row: SegmentRow
    as_of: date | None
    of: int
    tree: Mapping[str, Any] = field(hash=False)
    line: str
    compared: tuple[Compared, ...]
    versions: tuple[SegmentRule, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many people each two of the largest segments share; `people[i][i]` is the size of the i-th."""

    names: tuple[str, ...]
    labels_en: tuple[str, ...]
    labels_zh: tuple[str, ...]
    people: tuple[tuple[int, ...], ...]


def segments(shop: Shop) -> tuple[SegmentRow, ...]:
    """Gives the saved segments, the largest first."""
    sizes = _sizes(shop)
    catalogue, kept = catalogue_of(shop), kept_segments(shop)
    live = live_sizes(shop, catalogue)
    every = shop.state.segments.all()
    found = [_with_live(_row(shop, _rule(saved, catalogue), kept, sizes), live.get(saved.name)) for saved in every]
    return tuple(sorted(found, key=lambda row: (-(row.people or 0), row.name)))


def archived_segments(shop: Shop) -> tuple[SegmentVersion, ...]:
    """Gives the segments that were put away, by name."""
    return tuple(shop.state.segments.all(archived=True))


def segment_page(shop: Shop, name: str) -> SegmentPage:
    """Gives one segment.

    Raises:
        MissingError: There is none of the name.
    """
    saved = shop.state.segments.get(name)
    catalogue = catalogue_of(shop)
    row = _row(shop, _rule(saved, catalogue), kept_segments(shop), _sizes(shop))
    row = _with_live(row, live_sizes(shop, catalogue).get(name))
    snapshot = shop.lake.snapshot("profile")
    return SegmentPage(
        row=row,
        as_of=stands_at(shop, "segment_member") or stands_at(shop, "profile"),
        of=snapshot.rows if snapshot else 0,
        tree=saved.tree,
        line=phrase(from_document(saved.tree)),
        compared=_compared(shop, saved) if row.people else (),
        versions=segment_versions(shop, name),
    )


def segment_versions(shop: Shop, name: str) -> tuple[SegmentRule, ...]:
    """Gives all versions of a segment, newest first, each with its rule in words.

    Raises:
        MissingError: There is none of the name.
    """
    shop.state.segments.get(name)
    catalogue = catalogue_of(shop)
    return tuple(_rule(each, catalogue) for each in shop.state.segments.versions(name))


def overlap(shop: Shop) -> Overlap:
    """Gives how many people the largest segments share."""
    largest = [row for row in segments(shop) if row.people and row.is_kept][:_OVERLAPPED]
    names = tuple(row.name for row in largest)
    as_of = stands_at(shop, "segment_member") or stands_at(shop, "profile")
    if not names or as_of is None:
        return Overlap((), (), (), ())
    found = rows(shop, overlap_query(names, as_of, catalogue_of(shop)))
    shared = {(row["segment"], row["other"]): row["people"] for row in found}
    return Overlap(
        names,
        tuple(row.label_en for row in largest),
        tuple(row.label_zh for row in largest),
        tuple(tuple(shared.get((one, other), 0) for other in names) for one in names),
    )


def save_segment(
    shop: Shop,
    name: str,
    draft: Mapping[str, Any],
    *,
    label_en: str,
    label_zh: str,
    by: str,
    now: datetime,
    expected: int | None = None,
) -> SegmentVersion:
    """Saves a draft as the next version of a segment, and leaves an audit row.

    Raises:
        FaultsError: The draft is wrong.
        ConflictError: Somebody saved another version meanwhile.
        UsageError: The name does not serve.
    """
    if not name or len(name) > _LONGEST_NAME or not name.replace("_", "").replace("-", "").isalnum():
        raise UsageError(f"'{name}' is no name for a segment", next_step="letters, digits, _ and -, at most 80")
    tree = checked(from_document(draft), catalogue_of(shop), name)
    saved = shop.state.segments.save(
        name,
        to_document(tree),
        label_en=label_en or label_zh or name,
        label_zh=label_zh or label_en or name,
        by=by,
        now=now,
        expected=expected,
    )
    shop.state.audit.append(by, "segment.save", name, now=now, detail={"version": saved.version})
    return saved


def free_name(shop: Shop, title: str) -> str:
    """Makes a short name of a title that no segment has, put away or not; `segment` where no Latin letter is in it."""
    plain = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[: _LONGEST_NAME - 10] or "segment"
    taken = {each.name for put_away in (False, True) for each in shop.state.segments.all(archived=put_away)}
    numbered = (f"{plain}_{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (plain, *numbered) if name not in taken)


def go_back(shop: Shop, name: str, version: int, *, by: str, now: datetime) -> SegmentVersion:
    """Saves an earlier version's rule and titles as the next version.

    Raises:
        FaultsError: Its rule is no longer right, as when it refers to a segment that was put away.
        MissingError: There is no such version.
    """
    old = shop.state.segments.get(name, version)
    return save_segment(shop, name, old.tree, label_en=old.label_en, label_zh=old.label_zh, by=by, now=now)


def archive_segment(shop: Shop, name: str, *, by: str, now: datetime) -> None:
    """Puts a segment away; its versions and stays are kept, and its people leave at the next run.

    Raises:
        FaultsError: Other segments refer to it; each is named.
        MissingError: There is none of the name.
    """
    users = [each.name for each in shop.state.segments.all() if name in refers_to(from_document(each.tree))]
    if users:
        faults = [Fault(user, "refers to it", "引用了它") for user in users]
        raise FaultsError(
            f"putting '{name}' away", faults, chinese=f"停用人群“{name}”", next_step="change what refers to it first"
        )
    shop.state.segments.archive(name, by=by, now=now)
    shop.state.audit.append(by, "segment.archive", name, now=now)


def restore_segment(shop: Shop, name: str, *, by: str, now: datetime) -> None:
    """Takes a segment back that was put away.

    Raises:
        FaultsError: Its rule is no longer right, as when it refers to a segment that is put away.
        MissingError: None of the name was put away.
    """
    for put_away in archived_segments(shop):
        if put_away.name == name:
            checked(from_document(put_away.tree), catalogue_of(shop), name)
    shop.state.segments.restore(name)
    shop.state.audit.append(by, "segment.restore", name, now=now)


def export_members(shop: Shop, name: str, ending: str, *, by: str, now: datetime) -> Path:
    """Writes the people of a segment, with the traits of the list, to a temporary file that the caller removes.

    Texts that a spreadsheet would take for a formula are made harmless; the export leaves an audit row.

    Raises:
        MissingError: There is no such segment.
        UsageError: The ending is neither csv nor xlsx.
    """
    columns = ", ".join(f"p.{trait}" for trait in LISTED)
    query = within(
        shop,
        shop.state.segments.get(name),
        f"""
        SELECT m.person_id, m.entered_at, {columns}
        FROM inside AS m
        JOIN profile AS p ON p.person_id = m.person_id
        ORDER BY m.person_id
        """,
        name="members",
    )

    def write(file: Path) -> None:
        people = export_rows(shop.duckdb.batches(query), file)
        shop.state.audit.append(by, "segment.export", name, now=now, detail={"people": people, "as": ending})

    return downloaded(shop, ending, write)


def _sizes(shop: Shop) -> dict[str, tuple[int, float]]:
    query = Query.from_sql(
        """
        SELECT
            m.segment,
            COUNT(*) AS people,
            CAST(SUM(COALESCE(p.monetary_365d, 0)) AS DOUBLE) AS spend
        FROM segment_member AS m
        LEFT JOIN profile AS p ON p.person_id = m.person_id
        WHERE m.left_at IS NULL
        GROUP BY m.segment
        """,
        name="sizes of segments",
    )
    return {row["segment"]: (row["people"], row["spend"]) for row in rows(shop, query)}


def _row(
    shop: Shop, rule: SegmentRule, versions: Mapping[str, int], sizes: Mapping[str, tuple[int, float]]
) -> SegmentRow:
    saved, kept = rule.saved, versions.get(rule.saved.name) == rule.saved.version
    people: int | None
    spend: float | None
    if kept:
        people, spend = sizes.get(saved.name, (0, 0.0))
    else:
        people, spend = _size_by_rule(shop, saved)
    return SegmentRow(
        saved.name,
        saved.label_en,
        saved.label_zh,
        rule.english,
        rule.chinese,
        saved.version,
        saved.published,
        saved.created_by,
        saved.created_at,
        people,
        spend,
        kept,
    )


def _with_live(row: SegmentRow, live: LiveSize | None) -> SegmentRow:
    return row if live is None else replace(row, live_people=live.people, live_at=live.at)


def _rule(saved: SegmentVersion, catalogue: Catalogue) -> SegmentRule:
    tree = from_document(saved.tree)
    return SegmentRule(saved, sentence(tree, "en", catalogue), sentence(tree, "zh", catalogue))


def _size_by_rule(shop: Shop, saved: SegmentVersion) -> tuple[int | None, float | None]:
    if stands_at(shop, "profile") is None:
        return None, None
    text = """
        SELECT COUNT(*) AS people, CAST(SUM(COALESCE(p.monetary_365d, 0)) AS DOUBLE) AS spend
        FROM inside AS i
        JOIN profile AS p ON p.person_id = i.person_id
        """
    found = first_row(shop, within(shop, saved, text, name="size by the rule"))
    return found["people"], found["spend"] or 0.0


def _compared(shop: Shop, saved: SegmentVersion) -> tuple[Compared, ...]:
    among = ", ".join(f"CAST(AVG(p.{trait}) FILTER (WHERE p.is_in) AS DOUBLE) AS {trait}_inside" for trait in COMPARED)
    everybody = ", ".join(f"CAST(AVG(p.{trait}) AS DOUBLE) AS {trait}_all" for trait in COMPARED)
    text = f"""
        SELECT {among}, {everybody}
        FROM (
            SELECT {", ".join(COMPARED)}, person_id IN (SELECT i.person_id FROM inside AS i) AS is_in FROM profile
        ) AS p
        """
    row = first_row(shop, within(shop, saved, text, name="what sets them apart"))
    return tuple(Compared(trait, row[f"{trait}_inside"], row[f"{trait}_all"]) for trait in COMPARED)
