"""Casts: SQL that turns the texts of files into typed values, NULL where a text is not of the type.

Texts come as people and tills write them: full-width digits, thousands separators, 元 and 万元, percent, dates in
Chinese, Excel's day numbers. Each cast tries the plain form first, so that clean files cost nothing.
"""

from decimal import Decimal

from shopkeeper.schema.table import Column, Type

__all__ = ["MOBILE", "cast_to", "quoted", "reason_of", "scaled"]

MOBILE = r"(^|[^0-9])(\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}([^0-9]|$)"
"""A mobile number of mainland China anywhere in a text."""

_FULL, _HALF = "０１２３４５６７８９．，－＋％（）￥：／", "0123456789.,-+%()¥:/"
_NUMBER = (
    r"^[¥$€£]?\s*(\(?[-+]?\s*[¥$€£]?\s*(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?\)?-?)\s*"
    r"(?:元整|元|万元|万|亿元|亿|千元|%|件|个|CNY|RMB|USD)?$"
)
_DATE = r"^(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?"
_CLOCK = r"(\d{1,2})[:时点](\d{1,2})(?:[:分](\d{1,2})?)?秒?(?:\.\d+)?\s*$"
_ZONED = r":\d{2}(\.\d+)?\s*(Z|z|[+-]\d{2}(:?\d{2})?)$"
_PLAIN_TIME = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}[ T]\d{1,2}:\d{2}(:\d{2}([.]\d+)?)?"
_SERIAL = r"[2-7]\d{4}(\.\d+)?"
_DAY_ZERO = "1899-12-30"  # Excel counts days from here, its wrong leap day of 1900 included

_REASONS = {
    Type.INTEGER: "not_a_whole_number",
    Type.NUMBER: "not_a_number",
    Type.MONEY: "not_a_number",
    Type.DATE: "not_a_date",
    Type.INSTANT: "not_a_time",
    Type.BOOLEAN: "not_yes_or_no",
}


def reason_of(column: Column) -> str:
    """The word for a text that is not of a column's type, or none of its choices."""
    return "not_a_choice" if column.values else _REASONS.get(column.type, "not_a_text")


def quoted(text: str) -> str:
    """A text as an SQL constant."""
    return "'" + text.replace("'", "''") + "'"


def cast_to(column: Column, text: str, *, zone: str, form: str | None = None, decimal: str = ".") -> str:
    """Gives the SQL of a value.

    Args:
        column: The column it is for.
        text: SQL of the text, already cleaned.
        zone: Time zone of instants that name none.
        form: `strptime` form of dates.
        decimal: The decimal sign.
    """
    if column.type in (Type.MONEY, Type.NUMBER):
        return _number(text, decimal) if column.type is Type.MONEY else f"CAST({_number(text, decimal, 12)} AS DOUBLE)"
    if column.type is Type.INTEGER:
        return _whole(text, decimal)
    if column.type is Type.BOOLEAN:
        return (
            f"CASE WHEN lower({text}) IN ('true', 't', '1', 'yes', 'y', '是', '有') THEN true "
            f"WHEN lower({text}) IN ('false', 'f', '0', 'no', 'n', '否', '无') THEN false END"
        )
    if column.type in (Type.DATE, Type.INSTANT):
        return (_date if column.type is Type.DATE else _instant)(text, zone, form)
    if column.values:
        words = ", ".join(quoted(word) for word in column.values)
        return f"CASE WHEN {text} IN ({words}) THEN {text} WHEN lower({text}) IN ({words}) THEN lower({text}) END"
    return text


def scaled(number: str, scale: Decimal | None, *, negate: bool) -> str:
    """A number times a factor."""
    factor = (scale or Decimal(1)) * (-1 if negate else 1)
    return number if factor == 1 else f"TRY_CAST(CAST({number} AS DECIMAL(24,6)) * {factor:f} AS DECIMAL(18,4))"


def _half(text: str) -> str:
    return f"translate({text}, '{_FULL}', '{_HALF}')"


def _whole(text: str, decimal: str) -> str:
    number = _number(text, decimal)
    return (
        f"coalesce(CASE WHEN regexp_full_match({text}, '-?[0-9]+') THEN TRY_CAST({text} AS BIGINT) END, "
        f"CASE WHEN {number} = trunc({number}) THEN TRY_CAST({number} AS BIGINT) END)"
    )


def _number(text: str, decimal: str, places: int = 4) -> str:
    kind = f"DECIMAL({14 + places},{places})"
    if decimal == ",":
        text = f"replace(replace({text}, '.', ''), ',', '.')"
    half = _half(text)
    core = f"regexp_extract({half}, '{_NUMBER}', 1)"
    digits = f"regexp_replace({core}, '[^0-9.]', '', 'g')"
    factor = (
        f"CASE WHEN contains({half}, '亿') THEN 100000000 WHEN contains({half}, '万') THEN 10000 "
        f"WHEN contains({half}, '千') THEN 1000 WHEN contains({half}, '%') THEN 0.01 ELSE 1 END"
    )
    sign = f"CASE WHEN contains({core}, '-') OR contains({core}, '(') THEN -1 ELSE 1 END"
    slow = f"TRY_CAST(TRY_CAST({digits} AS DECIMAL(24,6)) * {sign} * {factor} AS {kind})"
    form = "[-+]?[0-9]*[.]?[0-9]+([eE][-+]?[0-9]+)?"
    plain = f"CASE WHEN regexp_full_match({text}, '{form}') THEN TRY_CAST({text} AS {kind}) END"
    return f"coalesce({plain}, {slow})"


def _date(text: str, zone: str, form: str | None) -> str:
    if form is not None:
        return f"CAST(TRY_STRPTIME({text}, {quoted(form)}) AS DATE)"
    half = _half(text)
    return (
        f"CASE WHEN regexp_full_match({text}, '[0-9]{{4}}[-/][0-9]{{1,2}}[-/][0-9]{{1,2}}') "
        f"THEN TRY_CAST(replace({text}, '/', '-') AS DATE) "
        f"WHEN regexp_matches({text}, '{_ZONED}') "
        f"THEN CAST(TRY_CAST({text} AS TIMESTAMPTZ) AT TIME ZONE {quoted(zone)} AS DATE) "
        f"WHEN regexp_full_match({half}, '[0-9]{{8}}') THEN CAST(TRY_STRPTIME({half}, '%Y%m%d') AS DATE) "
        f"WHEN regexp_full_match({half}, '{_SERIAL}') "
        f"THEN DATE '{_DAY_ZERO}' + CAST(floor(TRY_CAST({half} AS DOUBLE)) AS INTEGER) "
        f"WHEN regexp_full_match({half}, '{_DATE[1:]}([T ].*)?') "
        f"THEN TRY_CAST(regexp_replace(regexp_extract({half}, '{_DATE}'), '{_DATE}', '\\1-\\2-\\3') AS DATE) END"
    )


def _instant(text: str, zone: str, form: str | None) -> str:
    at_zone = f"AT TIME ZONE {quoted(zone)}"
    if form is not None:
        return f"TRY_STRPTIME({text}, {quoted(form)}) {at_zone}"
    half = _half(text)
    day = f"regexp_replace(regexp_extract({half}, '{_DATE}'), '{_DATE}', '\\1-\\2-\\3')"
    hour, minute, second = (f"regexp_extract({half}, '{_CLOCK}', {group})" for group in (1, 2, 3))
    clock = f"{hour} || ':' || {minute} || ':' || CASE WHEN {second} = '' THEN '00' ELSE {second} END"
    serial = f"(TIMESTAMP '{_DAY_ZERO}' + to_seconds(round(TRY_CAST({half} AS DOUBLE) * 86400)))"
    return (
        f"CASE WHEN regexp_full_match({text}, '{_PLAIN_TIME}') "
        f"THEN TRY_CAST(replace({text}, '/', '-') AS TIMESTAMP) {at_zone} "
        f"WHEN regexp_matches({text}, '{_ZONED}') THEN TRY_CAST({text} AS TIMESTAMPTZ) "
        f"WHEN regexp_full_match({half}, '1[0-9]{{9}}') THEN to_timestamp(TRY_CAST({half} AS BIGINT)) "
        f"WHEN regexp_full_match({half}, '1[0-9]{{12}}') THEN to_timestamp(TRY_CAST({half} AS DOUBLE) / 1000) "
        f"WHEN regexp_full_match({half}, '[0-9]{{14}}') THEN TRY_STRPTIME({half}, '%Y%m%d%H%M%S') {at_zone} "
        f"WHEN regexp_full_match({half}, '[0-9]{{12}}') THEN TRY_STRPTIME({half}, '%Y%m%d%H%M') {at_zone} "
        f"WHEN regexp_full_match({half}, '{_SERIAL}') THEN {serial} {at_zone} "
        f"WHEN regexp_matches({half}, '{_DATE}[T ]*{_CLOCK}') "
        f"THEN TRY_CAST({day} || ' ' || {clock} AS TIMESTAMP) {at_zone} "
        f"WHEN NOT contains({half}, ':') THEN CAST({_date(text, zone, None)} AS TIMESTAMP) {at_zone} END"
    )
