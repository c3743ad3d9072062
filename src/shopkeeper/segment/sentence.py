"""Says an audience in words, English or Chinese, with the traits' own labels, units and the shop's currency."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from shopkeeper.schema.table import Type
from shopkeeper.schema.trait import Trait
from shopkeeper.schema.traits import RFM_CLASSES
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.field import ACTS, FieldType
from shopkeeper.segment.tree import (
    EVER,
    Act,
    All,
    Behaviour,
    Comparison,
    Consent,
    Filter,
    Leaf,
    Member,
    Near,
    Node,
    Not,
    Scalar,
    Score,
    Sequel,
    Some,
    Threshold,
    TreeValue,
    Window,
)

__all__ = ["Language", "sentence"]

Language = Literal["en", "zh"]

_OPERATORS = {
    "en": {
        "=": "is {}", "!=": "is not {}", "<": "is below {}", "<=": "is at most {}", ">": "is above {}",
        ">=": "is at least {}", "between": "is between {}", "in": "is one of {}", "not in": "is none of {}",
        "contains": "contains {}", "known": "is known", "unknown": "is not known",
    },
    "zh": {
        "=": "为{}", "!=": "不为{}", "<": "低于{}", "<=": "不超过{}", ">": "高于{}", ">=": "不低于{}",
        "between": "在{}之间", "in": "为{}之一", "not in": "不为{}中任何一个", "contains": "包含{}",
        "known": "已知", "unknown": "未知",
    },
}  # fmt: skip
_ENOUGH = {
    "en": {">=": "at least ", "<=": "at most ", "=": "exactly ", ">": "more than ", "<": "fewer than "},
    "zh": {">=": "至少", "<=": "至多", "=": "恰好", ">": "多于", "<": "少于"},
}
_DONE = {
    "en": {"order_line": "bought", "event": "did", "redemption": "redeemed"},
    "zh": {"order_line": "购买", "event": "发生", "redemption": "核销"},
}
_NOT_DONE = {
    "en": {"order_line": "not bought", "event": "did not", "redemption": "not redeemed"},
    "zh": {"order_line": "未购买", "event": "未发生", "redemption": "未核销"},
}
_ANYTHING = {
    "en": {"order_line": "anything", "event": "anything", "redemption": "any offer"},
    "zh": {"order_line": "任意商品", "event": "任意行为", "redemption": "任意优惠"},
}
_CHOICES = {
    "prospect": ("prospect", "注册未消费"), "new": ("new", "新会员"), "active": ("active", "活跃"),
    "sleeping": ("sleeping", "沉睡"), "lapsed": ("lapsed", "流失"), "rising": ("rising", "上升"),
    "steady": ("steady", "平稳"), "falling": ("falling", "下降"), "low": ("low", "低"), "middle": ("middle", "中"),
    "high": ("high", "高"), "store": ("store", "门店"), "web": ("web", "网店"), "app": ("app", "APP"),
    "mini_program": ("mini-program", "小程序"), "marketplace": ("marketplace", "第三方平台"),
}  # fmt: skip
_UNITS = {
    "days": ("days", "天"), "orders": ("orders", "单"), "units": ("units", "件"), "lines": ("lines", "行"),
    "products": ("products", "种商品"), "categories": ("categories", "个品类"), "brands": ("brands", "个品牌"),
    "departments": ("departments", "个部门"), "stores": ("stores", "家门店"), "points": ("points", "分"),
}  # fmt: skip


def sentence(tree: Node, language: Language, catalogue: Catalogue | None = None) -> str:
    """Says a checked tree in one sentence.

    Args:
        tree: The audience.
        language: `en` or `zh`.
        catalogue: The traits' labels and the shop's currency.
    """
    speaker = _Speaker(language, catalogue or Catalogue())
    if language == "zh":
        return f"满足以下条件的会员：{speaker.node(tree)}。"
    return f"People for whom: {speaker.node(tree)}."


class _Speaker:
    """Says nodes in one language."""

    def __init__(self, language: Language, catalogue: Catalogue) -> None:
        self.language = language
        self.catalogue = catalogue

    def either(self, english: str, chinese: str) -> str:
        """One of two texts."""
        return chinese if self.language == "zh" else english

    def node(self, node: Node, *, inside: bool = False) -> str:
        """A node, in brackets where it stands among others."""
        if isinstance(node, Not):
            return self.either(f"not ({self.node(node.of)})", f"不满足（{self.node(node.of)}）")
        if not isinstance(node, All | Some):
            return self.leaf(node)
        if not node.of:
            return self.either("everyone", "所有人") if isinstance(node, All) else self.either("nobody", "无人")
        join = self.either(" and ", "，且") if isinstance(node, All) else self.either(" or ", "，或")
        text = join.join(self.node(child, inside=True) for child in node.of)
        return self.either(f"({text})", f"（{text}）") if inside and len(node.of) > 1 else text

    def leaf(self, leaf: Leaf) -> str:  # noqa: PLR0911 - one return a sort of leaf
        """A leaf."""
        match leaf:
            case Comparison():
                return self.comparison(leaf)
            case Behaviour(act, having):
                return self.behaviour(act, having)
            case Sequel(first, then, days, absent):
                words = (_NOT_DONE if absent else _DONE)[self.language][then.table]
                follow = f"{words}{self.either(' ', '')}{self.filters(then)}"
                return self.either(
                    f"{self.act(first)}, and then {follow} within {days} days",
                    f"{self.act(first)}，之后{days}天内{follow}",
                )
            case Score():
                return self.score(leaf)
            case Member(segment):
                return self.either(f"in the segment “{segment}”", f"属于人群包“{segment}”")
            case Near(store, kilometres):
                return self.either(
                    f"the favourite store is within {kilometres:g} km of store {store}",
                    f"偏好门店距门店{store}不超过{kilometres:g}公里",
                )
            case Consent(purpose, channel):
                return self.either(f"consents to {purpose} by {channel}", f"同意通过{channel}接收{purpose}")

    def comparison(self, leaf: Comparison) -> str:
        """A trait comparison, with its label and unit."""
        trait = self.catalogue.traits.get(leaf.trait)
        label = leaf.trait if trait is None else self.either(trait.label_english, trait.label_chinese)
        if leaf.key is not None:
            label += self.either(f" “{leaf.key}”", f"“{leaf.key}”")
        return self.operation(label, leaf.op, leaf.value, lambda value: self.measured(value, trait))

    def operation(self, label: str, op: str, value: TreeValue, say: Callable[[Scalar], str]) -> str:
        """A label, an operator and what it is held against."""
        if isinstance(value, tuple):
            joint = self.either(" and ", "至") if op == "between" else self.either(", ", "、")
            text = joint.join(map(say, value))
        else:
            text = "" if value is None else say(value)
        return f"{label}{self.either(' ', '')}{_OPERATORS[self.language][op].format(text)}"

    def measured(self, value: Scalar, trait: Trait | None) -> str:
        """A value with its unit."""
        unit = None if trait is None else trait.unit
        if isinstance(value, bool):
            return self.either("yes", "是") if value else self.either("no", "否")
        if unit == "currency":
            return self.money(value)
        if unit == "share" and not isinstance(value, str):
            return f"{value * 100:g}%"
        if unit in _UNITS:
            english, chinese = _UNITS[unit]
            return self.either(f"{value} {english}", f"{value}{chinese}")
        if trait is None or trait.type not in (Type.STRING, Type.MAP):
            return f"{value}"
        english, chinese = RFM_CLASSES.get(f"{value}", _CHOICES.get(f"{value}", (f"{value}", f"{value}")))
        known = value in trait.values
        return self.either(f"“{english if known else value}”", f"“{chinese if known else value}”")

    def money(self, value: Scalar) -> str:
        """An amount with the shop's currency."""
        amount = f"{value:,}" if isinstance(value, int | float) else f"{value}"
        if self.catalogue.currency == "CNY":
            return self.either(f"¥{amount}", f"{amount}元")
        return f"{amount} {self.catalogue.currency}".strip()

    def behaviour(self, act: Act, having: tuple[Threshold, ...]) -> str:
        """An act and how much of it."""
        counts = self.either(" and ", "且").join(self.threshold(act.table, one) for one in having)
        if self.language == "zh":
            return f"{self.act(act)}{counts}"
        return " ".join(part for part in (self.act(replace(act, window=EVER)), counts, self.window(act.window)) if part)

    def threshold(self, table: str, one: Threshold) -> str:
        """How much of an act."""
        enough = _ENOUGH[self.language][one.op]
        if one.measure == "amount":
            return self.either(f"for {enough}{self.money(one.value)}", f"金额{enough}{self.money(one.value)}")
        measure = ACTS[table].measures[one.measure]
        unit = measure.english[0] if one.value == 1 else measure.english[1]
        on = "on " if one.measure == "days" else ""
        return self.either(f"{on}{enough}{one.value} {unit}", f"{enough}{one.value}{measure.chinese}")

    def act(self, act: Act) -> str:
        """What was done, of what, when."""
        done, what, when = _DONE[self.language][act.table], self.filters(act), self.window(act.window)
        return self.either(f"{done} {what}{when and ' ' + when}", f"{when}{done}{what}")

    def filters(self, act: Act) -> str:
        """What was bought, done or redeemed."""
        if not act.where:
            return _ANYTHING[self.language][act.table]
        return self.either(", ", "、").join(self.filter(act.table, one) for one in act.where)

    def filter(self, table: str, one: Filter) -> str:
        """One condition on what was bought, done or redeemed."""
        field = ACTS[table].fields[one.field]
        label = self.either(field.english, field.chinese)
        if field.type is FieldType.BOOLEAN:
            wanted = (one.op == "=") == one.value
            return label if wanted else self.either(f"not {label}", f"非{label}")
        if one.op == "=":
            return self.either(f"{label} {self.quoted(one.value)}", f"{label}{self.quoted(one.value)}")
        return self.operation(label, one.op, one.value, self.quoted)

    def quoted(self, value: TreeValue) -> str:
        """A value, text in quotes."""
        return f"“{value}”" if isinstance(value, str) else f"{value}"

    def window(self, window: Window) -> str:
        """The days that count."""
        if window.last_days is not None:
            return self.either(f"in the last {window.last_days} days", f"近{window.last_days}天")
        if window.first is not None and window.last is not None:
            return self.either(f"between {window.first} and {window.last}", f"{window.first}至{window.last}")
        if window.first is not None:
            return self.either(f"since {window.first}", f"自{window.first}起")
        return "" if window.last is None else self.either(f"until {window.last}", f"截至{window.last}")

    def score(self, leaf: Score) -> str:
        """A model's score or decile."""
        about = "" if leaf.subject is None else self.either(f" for “{leaf.subject}”", f"（{leaf.subject}）")
        word = self.either("decile", "十分位") if leaf.measure == "decile" else self.either("score", "得分")
        label = self.either(f"the {word} of “{leaf.model}”{about}", f"模型“{leaf.model}”{about}{word}")
        return self.operation(label, leaf.op, leaf.value, lambda value: f"{value}")
