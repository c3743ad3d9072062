"""A rekey in words: what it asks before, and its receipt, in English and Chinese."""

from shopkeeper.app.rekey import Rekeyed, Wants

__all__ = ["asked_text", "receipt_text"]

_MEGABYTE = 1e6
_MEGABYTES_A_MINUTE = 400  # measured on two cores: docs/decisions/token-rekey.md

_PLACES = {
    "log.db": ("log of events", "事件日志"),
    "live.db": ("live state", "实时状态"),
    "serving.db": ("serving set", "服务数据集"),
    "lake": ("lake", "数据湖"),
    "tombstones": ("tombstones", "删除标记"),
    "temporary": ("temporary files removed", "已清除的临时文件"),
    "state": ("state store", "状态库"),
    "vault": ("vault", "保险库"),
}
_UNITS = {"batches": "批", "rows": "行", "people": "人", "lines": "行", "files": "个"}
_LATER = (
    "Copies made before keep the old tokens; a restore with the newest token.key gives them the new ones.",
    "Ids of persons that are made of a token are new, and so are the secrets of web hooks in (docs/how-to/privacy.md).",
    "Keep keys/token.key safe, all of its lines: the old keys are part of the new tokens.",
)
_LATER_ZH = (
    "此前的备份仍为旧标识；用最新的 token.key 恢复时会换成新标识。",
    "由标识构成的会员编号已更新，传入 webhook 的密钥也已更新：见 docs/how-to/privacy.md。",
    "请妥善保存 keys/token.key 的全部行：新标识由旧密钥和新密钥共同生成。",
)


def asked_text(wants: Wants, language: str) -> str:
    """What is asked before a rekey: how much is read, how long that takes, and how much room."""
    size, room, free = (f"{each / _MEGABYTE:,.0f} MB" for each in (wants.bytes, wants.room, wants.free))
    minutes = f"{max(1, round(wants.bytes / _MEGABYTE / _MEGABYTES_A_MINUTE)):,}"
    if language == "zh":
        begun = (
            "继续上次未完成的标识密钥更换。" if wants.is_begun else "更换标识密钥：企业内所有标识都将改写，不可撤销。"
        )
        return f"{begun}将读取 {size}，约 {minutes} 分钟，期间需要 {room} 空闲空间（现有 {free}）。请先备份。继续？"
    begun = (
        "Go on with the change of the token key that was stopped."
        if wants.is_begun
        else "Change the token key: every token in the shop is written anew, and there is no way back."
    )
    return (
        f"{begun} {size} are read, in some {minutes} min; {room} of free room are wanted meanwhile ({free} are free). "
        "Back up first. Go on?"
    )


def receipt_text(done: Rekeyed, language: str) -> str:
    """The receipt as a person reads it."""
    chinese = language == "zh"
    seq, head = done.audit_head
    lines = [
        f"标识密钥更换回执 {done.id}" if chinese else f"Receipt of a change of the token key {done.id}",
        f"{done.began_at[:19]} – {done.ended_at[:19]} UTC, {done.by}",
        f"{'现用密钥' if chinese else 'Key in use'}: {done.key}",
        "已改写：" if chinese else "Written anew:",
    ]
    for place, counts in done.changed.items():
        name = _PLACES[place][chinese]
        told = [f"{_UNITS.get(what, what) if chinese else what} {number:,}" for what, number in counts.items()]
        lines.append(f"  {name}: {', '.join(told) or 0}")
    if done.is_continued:
        lines.append(
            "（上次中断前已改写的未计入）" if chinese else "(What was done before it was stopped is not counted.)"
        )
    lines.append(
        f"操作记录已按新标识重新串联；此前的末行为 {seq}，散列 {head}"
        if chinese
        else f"The audit log is chained anew with the new tokens; its last row before was {seq}, hash {head}"
    )
    return "\n".join([*lines, *(_LATER_ZH if chinese else _LATER)])
