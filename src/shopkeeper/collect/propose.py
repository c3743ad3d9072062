"""A proposed mapping: headers matched to the dictionary, held against the values, each with a reason."""

import difflib
import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Pairs
from dataclasses import dataclass
from decimal import Decimal

import duckdb
import pyarrow as pa

from shopkeeper.base.errors import FaultsError
from shopkeeper.collect.cast import cast_to
from shopkeeper.collect.delimited import DelimitedReader
from shopkeeper.collect.headers import IDENTIFIER_HEADERS, NAMES, PERSONAL_HEADERS, SCALES, plain
from shopkeeper.collect.mapping import NULLS, FileShape, Mapping, Rule
from shopkeeper.collect.reader import Reader
from shopkeeper.collect.texts import cleaned
from shopkeeper.collect.workbook import WorkbookReader
from shopkeeper.schema.table import Column, Table, Type
from shopkeeper.schema.tables import table as declared_table

__all__ = ["Guess", "Proposal", "propose"]

_LOOK = 1_000
_CLOSE = 0.82
_MOBILE = re.compile(r"(\+?86)?1[3-9]\d{9}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_ELSEWHERE: Pairs[str, tuple[str, ...]] = {
    "product": ("店", "活动", "store"),
    "store": ("品", "活动", "product", "item"),
    "campaign": ("品", "店", "product", "item", "store"),
}
"""Words in a header that make it the name of something else."""
_OF_PEOPLE = frozenset(
    plain(name)[0]
    for names in (*IDENTIFIER_HEADERS.values(), *PERSONAL_HEADERS.values(), NAMES["customer_id"])
    for name in names
)
"""Headers by which a file speaks of people."""
_DAY_FIRST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})[/.-](\d{4})(.*)")
_CHOICES: Pairs[str, Pairs[str, str]] = {
    "channel": {
        "门店": "store",
        "线下": "store",
        "pos": "store",
        "小程序": "mini_program",
        "微信小程序": "mini_program",
        "app": "app",
        "APP": "app",
        "官网": "web",
        "网店": "web",
        "商城": "web",
        "美团": "marketplace",
        "饿了么": "marketplace",
        "京东到家": "marketplace",
        "外卖": "marketplace",
        "平台": "marketplace",
    },
    "ownership": {"直营": "own", "自营": "own", "加盟": "franchise", "特许": "franchise"},
    "trade_area": {
        "写字楼": "office",
        "办公": "office",
        "社区": "residential",
        "住宅": "residential",
        "学校": "school",
        "校园": "school",
        "交通": "transit",
        "枢纽": "transit",
        "地铁": "transit",
    },
    "kind": {
        "商品": "merchandise",
        "生鲜": "fresh",
        "香烟": "tobacco",
        "烟草": "tobacco",
        "服务": "service",
        "充值": "top_up",
        "购物袋": "bag",
        "押金": "deposit",
        "礼品卡": "gift_card",
        "评价": "review",
        "工单": "ticket",
        "问卷": "survey",
        "收货": "receipt",
        "调拨": "transfer",
        "盘点": "count",
        "报损": "write_off",
        "报废": "disposal",
    },
}


@dataclass(frozen=True, slots=True)
class Guess:
    """What one header is taken for.

    Args:
        header: The header.
        target: The column, `identifiers.KIND` or `personal.KIND`; None: it is left out.
        confidence: How sure that is, 0 to 1.
        reason: Why, in words.
        sample: Up to three values, none of a header that is personal.
    """

    header: str
    target: str | None
    confidence: float
    reason: str
    sample: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed mapping.

    Args:
        mapping: The mapping, None while required columns are missing.
        guesses: What each header is taken for, in the order of the file.
        missing: Required columns of the table that nothing was found for.
        draft: The mapping as plain data, for a person to mend.
        shape: How the file was found to be written.
    """

    mapping: Mapping | None
    guesses: tuple[Guess, ...]
    missing: tuple[str, ...]
    draft: Pairs[str, object]
    shape: FileShape


def propose(reader: Reader, table: str, *, source: str = "file") -> Proposal:
    """Proposes how a source becomes rows of a table.

    Args:
        reader: The opened source; its first thousand rows are looked at.
        table: The table.
        source: What the source system is called.

    Raises:
        MissingError: The dictionary has no such table.
    """
    declared = declared_table(table)
    values = _head(reader)
    guesses = _guesses(declared, reader.headers, values)
    rules = [_rule(declared, guess, values) for guess in guesses if guess.target and declared.has(guess.target)]
    if table == "order_line" and not any(rule.target == "channel" for rule in rules):
        rules.append(Rule("channel", constant="store"))
    side = {
        part: {
            guess.target.partition(".")[2]: guess.header
            for guess in guesses
            if guess.target and guess.target.startswith(f"{part}.")
        }
        for part in ("identifiers", "personal")
    }
    if not any(rule.target == "customer_id" for rule in rules):
        rules, side = _customer_from_identifier(declared, rules, side)
    shape = _shape(reader)
    draft = {"table": table, "source": source, "columns": {rule.target: rule.column for rule in rules}}
    try:
        mapping = Mapping(table, tuple(rules), source, side["identifiers"], side["personal"], shape)
    except FaultsError as error:
        missing = tuple(fault.path.removeprefix("columns.") for fault in error.faults)
        return Proposal(None, tuple(guesses), missing, draft, shape)
    return Proposal(mapping, tuple(guesses), (), mapping.to_dict(), shape)


def _head(reader: Reader) -> dict[str, list[str]]:
    batch = next(iter(reader.batches()), None)
    if batch is None:
        return {header: [] for header in reader.headers}
    rows = batch.rows.slice(0, _LOOK)
    return {header: cleaned(rows.column(header), NULLS).drop_null().to_pylist() for header in reader.headers}


def _guesses(table: Table, headers: Sequence[str], values: Pairs[str, list[str]]) -> list[Guess]:
    """The best pairing: surest pairs first, each header and each target once."""
    of_people = any(plain(header)[0] in _OF_PEOPLE for header in headers)
    pairs = sorted(
        (
            pair
            for place, header in enumerate(headers)
            for pair in _candidates(table, header, values[header], place, of_people=of_people)
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    chosen: dict[str, Guess] = {}
    taken: set[str] = set()
    for confidence, _, header, target, reason in pairs:
        if header not in chosen and target not in taken:
            personal = "." in target or _looks_personal(values[header]) is not None
            shown = () if personal else _shown(values[header])
            chosen[header] = Guess(header, target, round(confidence, 2), reason, shown)
            taken.add(target)
    return [chosen.get(header) or Guess(header, None, 0.0, "nothing in this table is called so") for header in headers]


def _candidates(
    table: Table, header: str, values: list[str], place: int, *, of_people: bool
) -> Iterator[tuple[float, int, str, str, str]]:
    bare, _ = plain(header)
    kind = _looks_personal(values)
    names_person = bare == "name" and of_people
    if table.has("customer_id"):
        for confidence, target, reason in _personal(bare, kind, names_person=names_person):
            yield confidence, place, header, target, reason
    if names_person:
        return
    for column in table.columns:
        if column.name == "name" and any(word in bare for word in _ELSEWHERE.get(table.name, ())):
            continue
        score, reason = _name_score(bare, column.name)
        if not score or column.name == "source":
            continue
        fitting = _fitting(column, values)
        if fitting < 0.5:  # noqa: PLR2004 - most values must be of the type
            continue
        if kind is not None and column.name != "customer_id":
            continue
        yield (
            score * (0.5 + 0.5 * fitting),
            place,
            header,
            column.name,
            reason + ("" if fitting == 1 else f", but {1 - fitting:.0%} of the values do not fit"),
        )


def _personal(bare: str, kind: str | None, *, names_person: bool) -> Iterator[tuple[float, str, str]]:
    for part, names in (("identifiers", IDENTIFIER_HEADERS), ("personal", PERSONAL_HEADERS)):
        for word, spelled in names.items():
            if bare in {plain(name)[0] for name in spelled}:
                yield 0.97, f"{part}.{word}", "the header says so"
    if kind is not None:
        yield 0.9, f"identifiers.{kind}", f"the values look like a {kind}"
    if names_person:
        # Beside a phone or a member's number a name is a person's, never a product's or a store's.
        yield 0.9, "personal.name", "a name beside a phone or a member's number is a person's"


def _name_score(bare: str, column: str) -> tuple[float, str]:
    names = [plain(name)[0] for name in NAMES.get(column, (column,))]
    if bare in names:
        return 0.98 - 0.002 * names.index(bare), "the header is a name of it"
    near = difflib.get_close_matches(bare, [name for name in names if len(name) > 2], 1, _CLOSE)  # noqa: PLR2004 - short
    return (0.7, f"the header is close to '{near[0]}'") if near and len(bare) > 2 else (0.0, "")  # noqa: PLR2004 - short


def _fitting(column: Column, values: list[str]) -> float:
    """The share of the values that are of a column's type."""
    if not values or (column.type is Type.STRING and not column.values) or column.type in (Type.MAP, Type.STRINGS):
        return 1.0
    if column.type in (Type.DATE, Type.INSTANT) and _day_first(values) is not None:
        return 1.0
    if column.values:
        known = {*column.values, *_CHOICES.get(column.name, {})}
        return sum(value in known or value.lower() in known for value in values) / len(values)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("looked", pa.table({"t": pa.array(values, pa.string())}))
        cast = cast_to(column, "t", zone="UTC")
        row = connection.execute(f"SELECT count({cast}) / count(*) FROM looked").fetchall()[0]
    return float(row[0])


def _rule(table: Table, guess: Guess, values: Pairs[str, list[str]]) -> Rule:
    assert guess.target is not None  # noqa: S101 - chosen by the caller
    column, found = table.column(guess.target), values[guess.header]
    if column.type in (Type.DATE, Type.INSTANT):
        return Rule(guess.target, guess.header, format=_day_first(found))
    if column.values:
        words = {
            word: meaning
            for word, meaning in _CHOICES.get(column.name, {}).items()
            if word in found and meaning in column.values
        }
        return Rule(guess.target, guess.header, values=words)
    if guess.target == "customer_id" and (kind := _looks_personal(found)) is not None:
        return Rule(guess.target, guess.header, kind=f"identifier:{kind}")
    _, unit = plain(guess.header)
    scale = SCALES.get(unit or "") if column.type is Type.MONEY else None
    negative = guess.target.endswith("_discount") and bool(found) and _mostly_negative(found)
    return Rule(guess.target, guess.header, scale=Decimal(scale) if scale else None, negate=negative)


def _customer_from_identifier(
    table: Table, rules: list[Rule], side: dict[str, dict[str, str]]
) -> tuple[list[Rule], dict[str, dict[str, str]]]:
    """Where a file names members by phone alone, the phone's token is the customer's id."""
    for kind in ("phone", "openid", "unionid", "email"):
        if kind in side["identifiers"] and table.has("customer_id"):
            rest = {word: header for word, header in side["identifiers"].items() if word != kind}
            rule = Rule("customer_id", side["identifiers"][kind], kind=f"identifier:{kind}")
            return [*rules, rule], side | {"identifiers": rest}
    return rules, {"identifiers": {}, "personal": {}}


def _looks_personal(values: list[str]) -> str | None:
    if not values:
        return None
    for kind, form in (("phone", _MOBILE), ("email", _EMAIL)):
        if sum(bool(form.fullmatch(value)) for value in values) > 0.6 * len(values):
            return kind
    return None


def _shown(values: list[str]) -> tuple[str, ...]:
    plain_values = [value for value in values if not (_MOBILE.search(value) or _EMAIL.search(value))]
    return tuple(dict.fromkeys(plain_values))[:3]


def _mostly_negative(values: list[str]) -> bool:
    signed = [value for value in values if re.search(r"[1-9]", value)]
    return bool(signed) and sum(value.startswith(("-", "－", "(")) for value in signed) > 0.8 * len(signed)


def _day_first(values: list[str]) -> str | None:
    """The form of dates that end with the year, told by a number above 12; None if they do not."""
    found = [match for value in values if (match := _DAY_FIRST.fullmatch(value))]
    if not found or len(found) < 0.9 * len(values):
        return None
    sign = found[0][2]
    month_first = any(int(match[3]) > 12 for match in found)  # noqa: PLR2004 - months
    day = f"%m{sign}%d{sign}%Y" if month_first else f"%d{sign}%m{sign}%Y"
    clock = found[0][5].strip()
    return day if not clock else f"{day} %H:%M:%S" if clock.count(":") > 1 else f"{day} %H:%M"


def _shape(reader: Reader) -> FileShape:
    if isinstance(reader, DelimitedReader):
        return FileShape(reader.encoding, reader.delimiter, reader.header_row)
    return (
        FileShape(sheet=reader.sheet, header_row=reader.header_row)
        if isinstance(reader, WorkbookReader)
        else FileShape()
    )
