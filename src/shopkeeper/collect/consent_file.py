"""Consents in files: one row says who agreed to what or withdrew it, when, where and by which text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from shopkeeper.base.errors import DataError
from shopkeeper.collect.headers import IDENTIFIER_HEADERS, plain
from shopkeeper.collect.times import instant
from shopkeeper.schema.consent import consent_fault

__all__ = ["WHO", "ConsentFault", "ConsentRow", "columns_of", "read_row"]

WHO = ("person_id", "customer_id", "phone", "email", "member_no", "card", "openid", "unionid")
"""How a row may name the person: the first of these that it has is taken."""

_NEEDED = ("purpose", "channel", "granted", "occurred_at")
_NAMES: Mapping[str, str] = {
    "person_id": "person_id 人员id",
    "customer_id": "customer_id 顾客编号 客户编号",
    "purpose": "purpose 用途 目的 授权用途",
    "channel": "channel 渠道 触达渠道 授权渠道",
    "granted": "granted consent agreed 是否同意 同意 授权状态",
    "occurred_at": "occurred_at time date said_at 时间 授权时间 同意时间",
    "text_version": "text_version version 文本版本 条款版本 协议版本",
    "text_language": "text_language language 语言",
    "source": "source 来源 授权来源",
    "customer_source": "customer_source 顾客来源",
    "message_id": "message_id 消息id 编号",
}
_YES = frozenset(
    ["true", "t", "1", "yes", "y", "granted", "given", "agreed", "是", "有", "同意", "已同意", "授权", "已授权"]
)
_NO = frozenset(["false", "f", "0", "no", "n", "withdrawn", "refused", "否", "无", "不同意", "撤回", "已撤回", "拒绝"])


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """What one row says.

    Args:
        named_by: How it names the person, of `WHO`.
        name: The name.
        header: The header it stands under.
        purpose: For what.
        channel: By which channel.
        granted: Whether the person agrees; else they withdraw.
        occurred_at: When they said so.
        source: Where.
        customer_source: The source of a customer id.
        text_version: Version of the text they were shown.
        text_language: Its language.
        message_id: The row's own id, where it has one.
    """

    named_by: str
    name: str
    header: str
    purpose: str
    channel: str
    granted: bool
    occurred_at: datetime
    source: str
    customer_source: str
    text_version: str | None
    text_language: str | None
    message_id: str | None


@dataclass(frozen=True, slots=True)
class ConsentFault(Exception):  # noqa: N818 - a row's fault, told and counted, not an error
    """Why a row is refused.

    Args:
        column: What is at fault.
        reason: The word for it.
        header: Where it stands.
    """

    column: str
    reason: str
    header: str = ""


def columns_of(headers: Sequence[str], place: str) -> dict[str, str]:
    """Says which header holds what.

    Raises:
        DataError: Nothing names the person, or what they said is missing.
    """
    names = {plain(name)[0]: field for field, listed in _NAMES.items() for name in listed.split()}
    for kind in WHO:
        names |= {plain(name)[0]: kind for name in (kind, *IDENTIFIER_HEADERS.get(kind, ()))}
    found: dict[str, str] = {}
    for header in headers:
        field = names.get(plain(header)[0])
        if field is not None:
            found.setdefault(field, header)
    missing = [field for field in _NEEDED if field not in found]
    if not any(field in found for field in WHO):
        missing.insert(0, f"one of {', '.join(WHO)}")
    if missing:
        raise DataError(
            f"nothing in the file is called {' and '.join(missing)}",
            place=f"{place}: {', '.join(headers)}",
            next_step="name the columns as docs/how-to/privacy.md shows",
        )
    return found


def read_row(
    cells: Mapping[str, str | None], columns: Mapping[str, str], *, source: str, zone: tzinfo, now: datetime
) -> ConsentRow:
    """Reads one row.

    Args:
        cells: Its texts by header.
        columns: What `columns_of` gave.
        source: Where it was said, for rows that do not say so.
        zone: The time zone of times that name none.
        now: The present instant.

    Raises:
        ConsentFault: It is no proof of anything.
    """

    def said(field: str) -> str | None:
        return (cells.get(columns.get(field, "")) or "").strip() or None

    named_by = next((field for field in WHO if said(field)), None)
    if named_by is None:
        first = next(field for field in WHO if field in columns)
        raise ConsentFault(first, "missing", columns[first])
    word = (said("granted") or "").lower()
    if word not in _YES | _NO:
        raise ConsentFault("granted", "not_yes_or_no" if word else "missing", columns["granted"])
    granted, purpose, channel, version = word in _YES, said("purpose"), said("channel"), said("text_version")
    fault = consent_fault(purpose, channel, version, granted=granted)
    if fault is not None:
        raise ConsentFault(*fault, columns.get(fault[0], ""))
    return ConsentRow(
        named_by,
        str(said(named_by)),
        columns[named_by],
        str(purpose),
        str(channel),
        granted,
        _time(said("occurred_at"), columns["occurred_at"], zone, now, granted=granted),
        said("source") or source,
        said("customer_source") or said("source") or source,
        version,
        said("text_language"),
        said("message_id"),
    )


def _time(text: str | None, header: str, zone: tzinfo, now: datetime, *, granted: bool) -> datetime:
    if text is None:
        raise ConsentFault("occurred_at", "missing", header)
    try:
        found = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        numbered = instant(text)
        if numbered is None:
            raise ConsentFault("occurred_at", "not_a_time", header) from None
        found = numbered
    try:
        at = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise ConsentFault("occurred_at", "not_a_time", header) from None
    if granted and at > now:
        raise ConsentFault("occurred_at", "not_yet", header)
    return at
