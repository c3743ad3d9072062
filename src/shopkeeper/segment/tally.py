"""Counts and sums over behaviour: conditions over one table become one aggregated scan, joined to the person once."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from shopkeeper.schema.query import literal
from shopkeeper.schema.table import Type
from shopkeeper.segment.field import ACTS
from shopkeeper.segment.moment import (
    Moment,
    both,
    column,
    compared,
    either,
    holds,
    is_in,
    person_of,
)
from shopkeeper.segment.rows import (
    PERSON,
    bought,
    hull,
    own_conditions,
    owner,
    product_condition,
    window_condition,
)
from shopkeeper.segment.tree import Act, All, Behaviour, Node, Not, Some, Threshold, children, walk

__all__ = ["shared", "split", "tallied"]

_SUMS: Mapping[tuple[str, str], str] = {
    ("order_line", "units"): "quantity",
    ("order_line", "amount"): "net_amount",
    ("event", "amount"): "value",
}
"""The column that a measure sums; the others count."""


def split(node: Node) -> Node:
    """Writes a behaviour of several thresholds as several of one."""
    if isinstance(node, Behaviour) and len(node.having) > 1:
        return All(tuple(Behaviour(node.act, (threshold,)) for threshold in node.having))
    return node


def shared(node: Node) -> tuple[str, bool] | None:
    """Gives what a node of behaviours only can be scanned with: its table, and whether it counts days."""
    if isinstance(node, Behaviour):
        return (node.act.table, node.having[0].measure == "days") if len(node.having) == 1 else shared(split(node))
    below = {shared(child) for _, child in children(node)}
    return below.pop() if len(below) == 1 else None


def tallied(node: Node, moment: Moment, person: exp.Expr) -> exp.Expr:
    """The condition that a person's counts and sums make a node of behaviours over one table true.

    People without any row have nothing in every count: when that makes the node true, the scan finds those for whom it
    is false.
    """
    scan = _Scan.of(node, moment)
    condition = scan.condition(node)
    if _of_nobody(node):
        return exp.Not(this=is_in(person, scan.people(exp.Not(this=exp.Paren(this=condition)))))
    return is_in(person, scan.people(condition))


def _of_nobody(node: Node) -> bool:
    """Whether a node of behaviours is true for one who did nothing."""
    if isinstance(node, Behaviour):
        return all(holds(0, threshold.op, threshold.value) for threshold in node.having)
    if isinstance(node, Not):
        return not _of_nobody(node.of)
    below = [_of_nobody(child) for _, child in children(node)]
    return all(below) if isinstance(node, All) else any(below)


@dataclass(frozen=True)
class _Scan:
    """One aggregated scan of one table: the acts it looks at and the measures it takes of them."""

    moment: Moment
    acts: tuple[Act, ...]
    measures: tuple[tuple[Act, str], ...]

    @classmethod
    def of(cls, node: Node, moment: Moment) -> "_Scan":
        found = [leaf for _, leaf in walk(node) if isinstance(leaf, Behaviour)]
        measures = [(leaf.act, threshold.measure) for leaf in found for threshold in leaf.having]
        return cls(moment, tuple(dict.fromkeys(leaf.act for leaf in found)), tuple(dict.fromkeys(measures)))

    @property
    def table(self) -> str:
        return self.acts[0].table

    @property
    def by_record(self) -> bool:
        """Whether records are summed before they are joined to people: days of two records may be the same day."""
        return self.table == "order_line" and all(measure != "days" for _, measure in self.measures)

    @property
    def only_counts(self) -> bool:
        """Whether rows that do not count as done can be left out at once: sums take returns off."""
        return all((self.table, measure) not in _SUMS for _, measure in self.measures)

    def condition(self, node: Node) -> exp.Expr:
        """The node over the measures."""
        if isinstance(node, Behaviour):
            return both([self._threshold(node.act, threshold) for threshold in node.having])
        if isinstance(node, Not):
            return exp.Not(this=exp.Paren(this=self.condition(node.of)))
        below = [exp.Paren(this=self.condition(child)) for _, child in children(node)]
        return either(below) if isinstance(node, Some) else both(below)

    def _threshold(self, act: Act, threshold: Threshold) -> exp.Expr:
        place = self.measures.index((act, threshold.measure))
        total = exp.Sum(this=column(f"measure_{place}", "tally")) if self.by_record else self._measure(place)
        whole = ACTS[act.table].measures[threshold.measure].whole
        return compared(total, threshold.op, threshold.value, Type.INTEGER if whole else Type.MONEY)

    def people(self, having: exp.Expr) -> exp.Select:
        """The SELECT of the people for whom a condition on the measures holds."""
        if not self.by_record:
            select = self._rows(column("person_id", PERSON[self.table])).join(owner(self.table), copy=False)
            return select.having(having, copy=False)
        records = self._rows(*[column(name, self.table) for name in ("source", "customer_id")])
        for place in range(len(self.measures)):
            records.select(exp.alias_(self._measure(place), f"measure_{place}", copy=False), copy=False)
        tally = exp.Subquery(this=records, alias=exp.TableAlias(this=exp.to_identifier("tally")))
        return (
            exp.select(column("person_id", "person"))
            .from_(tally, copy=False)
            .join(person_of("tally"), copy=False)
            .group_by(column("person_id", "person"), copy=False)
            .having(having, copy=False)
        )

    def _rows(self, *keys: exp.Expr) -> exp.Select:
        """The rows that any act may count, grouped by keys; conditions that all acts share stand in WHERE."""
        where = window_condition(self.table, hull([act.window for act in self.acts], self.moment), self.moment)
        if self.by_record:
            where.append(exp.Is(this=column("customer_id", self.table), expression=exp.Not(this=exp.Null())))
        if self.only_counts:
            where += bought(self.table)
        select = exp.select(*keys).from_(self.table, copy=False).group_by(*[key.copy() for key in keys], copy=False)
        conditions = [product_condition(act) for act in self.acts]
        if len(self.acts) == 1:
            where += own_conditions(self.acts[0], self.moment)
            if conditions[0] is not None:
                goods = exp.select(column("product_id", "product")).from_("product").where(conditions[0], copy=False)
                where.append(is_in(column("product_id", self.table), goods))
        else:
            if any(condition is not None for condition in conditions):
                select.join(self._goods(conditions), copy=False)
            where.append(exp.Paren(this=either([both(self._act(act, alone=False)) for act in self.acts])))
        return select.where(*where, copy=False)

    def _goods(self, conditions: list[exp.Expr | None]) -> exp.Join:
        """The join to the products with a flag for each act; only they are read when every act asks for products."""
        goods = exp.select(column("product_id", "product")).from_("product", copy=False)
        asked = [condition for condition in conditions if condition is not None]
        for place, condition in enumerate(conditions):
            if condition is not None:
                goods.select(exp.alias_(exp.Paren(this=condition.copy()), f"act_{place}", copy=False), copy=False)
        goods.where(either([exp.Paren(this=condition) for condition in asked]), copy=False)
        on = exp.EQ(this=column("product_id", "goods"), expression=column("product_id", self.table))
        subquery = exp.Subquery(this=goods, alias=exp.TableAlias(this=exp.to_identifier("goods")))
        return exp.Join(this=subquery, on=on, side=None if len(asked) == len(conditions) else "LEFT")

    def _act(self, act: Act, *, alone: bool) -> list[exp.Expr]:
        """What a row must be to belong to one act, beside what WHERE already says."""
        if alone:
            return []
        found = own_conditions(act, self.moment)
        if hull([act.window], self.moment) != hull([other.window for other in self.acts], self.moment):
            found += window_condition(act.table, act.window, self.moment)
        if product_condition(act) is not None:
            found.append(column(f"act_{self.acts.index(act)}", "goods"))
        return found

    def _measure(self, place: int) -> exp.Expr:
        """The aggregate of one measure over one act's rows."""
        act, measure = self.measures[place]
        conditions = self._act(act, alone=len(self.acts) == 1)
        summed = _SUMS.get((act.table, measure))
        if summed is not None:
            total = exp.Sum(this=_when(conditions, column(summed, act.table)))
            return exp.Coalesce(this=total, expressions=[literal(0)])
        if not self.only_counts:
            conditions += bought(act.table)
        if measure in ("orders", "days"):
            return exp.Count(this=exp.Distinct(expressions=[_when(conditions, self._counted(act.table, measure))]))
        return exp.Count(this=_when(conditions, literal(1)))

    def _counted(self, table: str, measure: str) -> exp.Expr:
        if measure == "orders":
            return column("order_id", table)
        kind = ACTS[table]
        return column(kind.day, table) if kind.day else self.moment.local_day(column(kind.moment, table))


def _when(conditions: list[exp.Expr], value: exp.Expr) -> exp.Expr:
    return exp.Case().when(both(conditions), value, copy=False) if conditions else value
