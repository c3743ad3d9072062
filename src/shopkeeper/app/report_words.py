"""The words of the morning report in English and Chinese, and how its figures are written."""

from collections.abc import Callable, Mapping
from typing import Any

from shopkeeper.insight.morning import MEASURES

__all__ = ["change", "factor_label", "figure", "measure_label", "next_sentence", "stage_label", "words"]

_LABELS = {name.key: {"en": name.english, "zh": name.chinese} for name in MEASURES}

_STAGES = {
    "prospect": ("Registered without purchase", "注册未消费"),
    "new": ("New", "新会员"),
    "active": ("Active", "活跃"),
    "sleeping": ("Sleeping", "沉睡"),
    "lapsed": ("Lapsed", "流失"),
}

_FACTORS = {
    "people": ("people", "人数"),
    "visits": ("visits a person", "人均到店次数"),
    "items": ("items a visit", "连带件数"),
    "price": ("price an item", "件单价"),
}

_WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("Morning report", "早报"),
    "as_of": ("as of", "截至"),
    "measure": ("measure", "指标"),
    "value": ("value", "数值"),
    "target": ("target", "目标"),
    "last_week": ("last week", "上周同期"),
    "last_year": ("last year", "去年同期"),
    "weekday": ("same weekday", "同星期"),
    "lunar": ("same lunar day", "同农历日"),
    "anomalies": ("What stands out", "异动"),
    "no_anomalies": ("Nothing stands out.", "没有异动。"),
    "usual": ("usual", "平常"),
    "difference": ("difference", "差额"),
    "moved": ("moved by", "主要因素"),
    "store": ("store", "门店"),
    "department": ("department", "部门"),
    "sales": ("sales", "销售额"),
    "kind": ("kind", "类型"),
    "lifecycle": ("Lifecycle", "生命周期"),
    "segments": ("Segments", "人群包"),
    "campaigns": ("Campaigns", "营销活动"),
    "targeted": ("targeted", "触达人数"),
    "redeemers": ("redeemers", "核销人数"),
    "response": ("response", "核销率"),
    "next": ("What to do next", "下一步"),
    "late": ("No data yet from", "以下门店数据迟到"),
    "comparable": ("comparable", "可比"),
    "comparable_stores": (
        "Comparable stores ({stores}): {growth} on last year.",
        "可比店（{stores} 家）：同比 {growth}。",
    ),
    "one_level_down": ("One level down", "下一层级"),
    "more_below": ("… and {n} more; --json gives all", "……另有 {n} 个；--json 可查看全部"),
    "whole_chain": ("whole chain, as of {day}", "全企业，截至 {day}"),
    "people": ("people", "人数"),
    "none": ("unknown", "未知"),
    "level": ("level", "层级"),
    "starts": ("starts", "开始"),
    "ends": ("ends", "结束"),
    "stage": ("stage", "阶段"),
    "segment": ("segment", "人群包"),
    "effect": ("brought a person", "人均增量"),
    "verdict": ("believe it?", "可信？"),
    "placebo": ("placebo", "安慰剂检验"),
    "because": ("why", "原因"),
    "campaign": ("campaign", "活动"),
    "person": ("person", "会员"),
    "coupon": ("coupon", "券"),
    "probability": ("probability", "核销概率"),
    "expected": ("expected", "预期"),
    "sent_an_offer": ("are sent an offer", "发券人数"),
    "held_out": ("held out", "对照组"),
    "believe": ("yes", "可信"),
    "do not believe this": ("do not believe this", "不可信"),
    "effect_note": (
        (
            "What a campaign brought is sales a targeted person, with its 95 % interval; where no holdout was drawn "
            "it is observational, against matched people who were not targeted."
        ),
        "人均增量为每位目标会员带来的销售额及其 95% 区间；未设对照组的活动为观察性估计，与匹配的未触达会员比较。",
    ),
    "coverage": (
        "Members made {sales} of sales and {tickets} of tickets; pages about members speak of these.",
        "会员占销售额的 {sales}、小票的 {tickets}；会员页面只涉及这一部分。",
    ),
}

_NEXT: Mapping[str, tuple[str, str]] = {
    "late_stores": (
        "No data yet from {n} of the stores: ask before you trust the totals.",
        "{n} 家门店没有数据：先催报，再看合计。",
    ),
    "fell": (
        "{place} sold {amount} less than usual, mostly by {moved}: look at what happened.",
        "{place} 比平常少卖 {amount}，主要因素是{moved}：请查看原因。",
    ),
    "win_back": (
        "{n} valuable people sleep; they spent {amount} in the last year. Make them an offer.",
        "{n} 位高价值会员正在沉睡，过去一年消费 {amount}。给他们一个优惠。",
    ),
    "send_plan": (
        "The plan for campaign {campaign} is ready: {n} people, {amount} expected.",
        "活动 {campaign} 的方案已就绪：{n} 人，预期 {amount}。",
    ),
    "all_well": ("Nothing is urgent.", "没有紧急事项。"),
}


def words(key: str, language: str, **values: str) -> str:
    """A word or sentence of the report."""
    return _pick(_WORDS[key], language).format(**values)


def measure_label(key: str, language: str) -> str:
    """The heading of a measure."""
    return _LABELS[key][language]


def stage_label(stage: str, language: str) -> str:
    """The heading of a lifecycle stage."""
    return _pick(_STAGES[stage], language)


def factor_label(factor: str, language: str) -> str:
    """What a factor of sales is called."""
    return _pick(_FACTORS[factor], language)


def figure(value: float | None, unit: str, currency: str, language: str = "en") -> str:
    """A number with its unit; a dash where it is not known."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{value:.1%}"
    if unit == "currency":
        return f"{value:,.2f} {currency}"
    if unit == "items":
        return f"{value:.2f}"
    del language
    return f"{value:,.0f}"


def change(value: float | None, against: float | None, unit: str) -> str:
    """How a number differs from another: percent, or points for shares."""
    if value is None or against is None:
        return "–"
    if unit == "share":
        return f"{(value - against) * 100:+.1f} pt"
    return f"{value / against - 1:+.1%}" if against else "–"


def next_sentence(
    step: Mapping[str, Any], currency: str, language: str, money: Callable[[float], str] | None = None
) -> str:
    """One thing to do next, in words; `money` writes its amount, if not as the terminal does."""
    written = money or (lambda amount: figure(amount, "currency", currency))
    amount = step.get("amount")
    values = {
        "n": f"{step.get('n', 0):,}",
        "place": str(step.get("name", "")),
        "campaign": str(step.get("name", "")),
        "amount": written(abs(amount)) if amount is not None else figure(None, "currency", currency),
        "moved": _pick(_FACTORS[step["moved"]], language) if step.get("moved") else words("none", language),
    }
    return _pick(_NEXT[step["key"]], language).format(**values)


def _pick(pair: tuple[str, str], language: str) -> str:
    return pair[1] if language == "zh" else pair[0]
