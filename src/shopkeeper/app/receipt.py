"""The receipt of an erasure: what was removed where, what stays and why; it names nobody."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

__all__ = ["Kept", "Receipt", "receipt_text"]


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that stays.

    Args:
        place: Where.
        rows: How many rows, where they can be counted.
        why: Why, in English.
        why_zh: Why, in Chinese.
    """

    place: str
    rows: int | None
    why: str
    why_zh: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure did.

    Args:
        id: Its id.
        mark: A keyed hash of the person's id: who has the shop's key can tell whether a person was erased, nobody else.
        began_at: When it began.
        ended_at: When the last byte was removed.
        by: Who did it.
        removed: How many of what were removed, by place.
        kept: What stays and why.
        not_reached: Places that are there and that this version cannot reach yet.
        handed_out: Exports of people made before, which no erasure can call back.
    """

    id: str
    mark: str
    began_at: datetime
    ended_at: datetime
    by: str
    removed: Mapping[str, Mapping[str, int]]
    kept: tuple[Kept, ...]
    not_reached: tuple[str, ...]
    handed_out: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The receipt as JSON."""
        document = {**asdict(self), "began_at": self.began_at.isoformat(), "ended_at": self.ended_at.isoformat()}
        return document | {name: list(document[name]) for name in ("kept", "not_reached", "handed_out")}


_PLACES = {
    "vault": ("vault", "保险库"),
    "refused": ("refused rows", "被拒行"),
    "lake": ("lake", "数据湖"),
    "files": ("files of older states", "旧状态的文件"),
    "log.db": ("log of events", "事件日志"),
    "live.db": ("live state", "实时状态"),
    "state": ("state store", "状态库"),
    "temporary": ("waiting and temporary files", "等待中的文件和临时文件"),
    "serving.db": ("serving set", "服务数据集"),
    "models": ("models marked as stale", "标为过期的模型"),
}


def receipt_text(receipt: Receipt, language: str) -> str:
    """The receipt as a person reads it, in English or Chinese."""
    chinese = language == "zh"
    lines = [
        f"删除回执 {receipt.id}" if chinese else f"Receipt of erasure {receipt.id}",
        f"{receipt.began_at:%Y-%m-%d %H:%M:%S} – {receipt.ended_at:%Y-%m-%d %H:%M:%S} UTC, {receipt.by}",
        f"{'会员标记（加密散列）' if chinese else 'Mark of the person (keyed hash)'}: {receipt.mark}",
        "已删除：" if chinese else "Removed:",
    ]
    for place, counts in receipt.removed.items():
        name = _PLACES.get(place, (place, place))[chinese]
        told = ", ".join(f"{what} {number:,}" for what, number in counts.items())
        lines.append(f"  {name}: {told or 0}")
    lines.append("保留：" if chinese else "Kept:")
    for kept in receipt.kept:
        number = "" if kept.rows is None else f" ({kept.rows:,})"
        lines.append(f"  {kept.place}{number}: {kept.why_zh if chinese else kept.why}")
    if receipt.not_reached:
        lines.append(("未能处理：" if chinese else "Not reached: ") + ", ".join(receipt.not_reached))
    if receipt.handed_out:
        lines.append("此前导出、无法收回的文件：" if chinese else "Handed out before, and not to be called back:")
        lines += [f"  {each}" for each in receipt.handed_out]
    return "\n".join(lines)
