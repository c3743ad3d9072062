"""Compiles an audience to one predicate over people, a SQLGlot tree of typed constants, for either engine.

An audience chooses among the people of `profile`. Traits of the profile are read in its own scan; behaviour over one
table is one aggregated scan with date bounds; memberships, scores, consents and distances are semi-joins. Nothing from
a tree reaches SQL as text.
"""

from collections.abc import Sequence
from datetime import date

from sqlglot import exp

from shopkeeper.schema.query import Query, literal
from shopkeeper.schema.table import Type
from shopkeeper.segment.catalogue import FAVOURITE_STORE, Catalogue, inlined
from shopkeeper.segment.moment import Moment, both, column, compared, either, is_in, negated
from shopkeeper.segment.sequel import followed
from shopkeeper.segment.tally import shared, split, tallied
from shopkeeper.segment.tree import (
    All,
    Behaviour,
    Comparison,
    Consent,
    Leaf,
    Member,
    Near,
    Node,
    Not,
    Score,
    Sequel,
    Some,
)

__all__ = ["HOME", "count", "members", "predicate"]

HOME = "profile"
"""The table whose rows are the people that an audience chooses among."""

_EARTH_KILOMETRES = 6371.0088


def predicate(
    tree: Node, as_of: date, catalogue: Catalogue | None = None, *, person: exp.Expr | None = None
) -> exp.Expr:
    """Gives the condition that a person is in an audience at the end of a shop-local day.

    Args:
        tree: A checked tree.
        as_of: The day; `last n days` are n days with it as the last.
        catalogue: The traits, the shop's time zone; the declared traits and UTC when none is given.
        person: The column or expression of the person's id; `person_id` when none is given.

    Returns:
        `person IN (SELECT …)`, to stand in any WHERE.
    """
    moment = Moment(as_of, catalogue or Catalogue())
    return is_in(person if person is not None else exp.column("person_id"), _chosen(tree, moment))


def members(tree: Node, as_of: date, catalogue: Catalogue | None = None) -> Query:
    """Gives the query of an audience's people, one column `person_id`; arguments as in `predicate`."""
    return Query(_chosen(tree, Moment(as_of, catalogue or Catalogue())), name="audience")


def count(tree: Node, as_of: date, catalogue: Catalogue | None = None) -> Query:
    """Gives the query of an audience's size: one row, `count` people `of` all; arguments as in `predicate`."""
    inside = _chosen(tree, Moment(as_of, catalogue or Catalogue()))
    inside.set("expressions", [exp.Count(this=exp.Star())])
    everyone = exp.select(exp.Count(this=exp.Star())).from_(HOME)
    sizes = [
        exp.alias_(exp.Subquery(this=select), name, quoted=True, copy=False)
        for name, select in (("count", inside), ("of", everyone))
    ]
    return Query(exp.select(*sizes, copy=False), name="audience_count")


def _chosen(tree: Node, moment: Moment) -> exp.Select:
    select = exp.select(column("person_id", HOME)).from_(HOME, copy=False)
    whole = inlined(tree, moment.catalogue.by_rule)
    if whole == All():
        return select
    return select.where(_Compiler(moment).node(whole, negative=False), copy=False)


class _Compiler:
    """Turns nodes into conditions on the row of `profile` in scope; `not` is carried down to the leaves."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.person = column("person_id", HOME)

    def node(self, node: Node, *, negative: bool) -> exp.Expr:
        whole = split(node)
        if shared(whole) is not None:
            return tallied(Not(whole) if negative else whole, self.moment, self.person)
        if isinstance(whole, Not):
            return self.node(whole.of, negative=not negative)
        if isinstance(whole, All | Some):
            return self._join(whole, negative=negative)
        condition, may_be_unknown = self.leaf(whole)
        if not negative:
            return condition
        return negated(condition) if may_be_unknown else exp.Not(this=exp.Paren(this=condition))

    def _join(self, node: All | Some, *, negative: bool) -> exp.Expr:
        """Joins conditions; behaviours over one table come together in one scan."""
        kind = type(node)
        parts: dict[object, list[Node]] = {}
        for place, child in enumerate(node.of):
            parts.setdefault(shared(split(child)) or place, []).append(child)
        found = [
            exp.Paren(
                this=self.node(group[0] if len(group) == 1 else kind(tuple(map(split, group))), negative=negative)
            )
            for group in parts.values()
        ]
        return both(found) if isinstance(node, All) is not negative else either(found)

    def leaf(self, leaf: Leaf) -> tuple[exp.Expr, bool]:  # noqa: PLR0911 - one return a sort of leaf
        """The condition of a leaf, and whether it may be neither true nor false."""
        match leaf:
            case Comparison():
                return self._of_trait(leaf.trait, self._comparison(leaf)), leaf.op not in ("known", "unknown")
            case Score():
                return is_in(self.person, self._score(leaf)), False
            case Member():
                return is_in(self.person, self._member(leaf)), False
            case Consent():
                return is_in(self.person, self._consent(leaf)), False
            case Near():
                place = self._trait_column(FAVOURITE_STORE)
                return self._of_trait(FAVOURITE_STORE, is_in(place, _stores_near(leaf))), True
            case Sequel():
                return followed(leaf, self.moment, self.person), False
            case Behaviour():
                return tallied(leaf, self.moment, self.person), False

    def _trait_column(self, name: str) -> exp.Column:
        return column(name, self.moment.catalogue.traits[name].table)

    def _of_trait(self, name: str, condition: exp.Expr) -> exp.Expr:
        """The condition itself for a trait of the profile, a semi-join for one of another table."""
        table = self.moment.catalogue.traits[name].table
        if table == HOME:
            return condition
        return is_in(self.person, exp.select(column("person_id", table)).from_(table).where(condition, copy=False))

    def _comparison(self, leaf: Comparison) -> exp.Expr:
        trait = self.moment.catalogue.traits[leaf.trait]
        value: exp.Expr = self._trait_column(leaf.trait)
        kind = trait.type
        if leaf.op not in ("known", "unknown") and kind is Type.INSTANT:
            value = self.moment.local_day(value)
        if kind is Type.MAP and leaf.key is not None:
            value, kind = exp.Bracket(this=value, expressions=[literal(leaf.key)]), Type.STRING
        elif kind is Type.MAP and leaf.op == "contains":
            value, kind = exp.MapKeys(this=value), Type.STRINGS
        if kind is Type.STRINGS and leaf.op == "contains":
            return exp.ArrayContains(this=value, expression=literal(str(leaf.value)))
        return compared(value, leaf.op, leaf.value, kind)

    def _member(self, leaf: Member) -> exp.Select:
        entered, left = column("entered_at", "segment_member"), column("left_at", "segment_member")
        stays = exp.or_(
            exp.Is(this=left, expression=exp.Null()),
            exp.GT(this=left.copy(), expression=literal(self.moment.end)),
            copy=False,
        )
        return self._people(
            "segment_member",
            _equal("segment", "segment_member", leaf.segment),
            exp.LTE(this=entered, expression=literal(self.moment.end)),
            exp.Paren(this=stays),
        )

    def _consent(self, leaf: Consent) -> exp.Select:
        occurred = column("occurred_at", "consent")
        last = exp.ArgMax(this=column("granted", "consent"), expression=occurred.copy())
        people = self._people(
            "consent",
            _equal("purpose", "consent", leaf.purpose),
            _equal("channel", "consent", leaf.channel),
            exp.LT(this=occurred, expression=literal(self.moment.end)),
        )
        return people.group_by(column("person_id", "consent"), copy=False).having(last, copy=False)

    def _score(self, leaf: Score) -> exp.Select:
        about = [_equal("model", "score", leaf.model)]
        if leaf.subject is not None:
            about.append(_equal("subject", "score", leaf.subject))
        day = column("as_of", "score")
        latest = exp.select(exp.Max(this=day)).from_("score", copy=False)
        latest.where(
            *[condition.copy() for condition in about],
            exp.LTE(this=day.copy(), expression=literal(self.moment.as_of)),
            copy=False,
        )
        kind = Type.INTEGER if leaf.measure == "decile" else Type.NUMBER
        return self._people(
            "score",
            *about,
            exp.EQ(this=day.copy(), expression=exp.Subquery(this=latest)),
            compared(column(leaf.measure, "score"), leaf.op, leaf.value, kind),
        )

    def _people(self, table: str, *where: exp.Expr) -> exp.Select:
        return exp.select(column("person_id", table)).from_(table, copy=False).where(*where, copy=False)


def _equal(name: str, table: str, value: str) -> exp.Expr:
    return exp.EQ(this=column(name, table), expression=literal(value))


def _stores_near(leaf: Near) -> exp.Select:
    """The stores within a great-circle distance of a store (haversine, mean earth radius)."""
    half = [_half_sine_squared("latitude"), _half_sine_squared("longitude")]
    cosines = [exp.Cos(this=_radians("latitude", table)) for table in ("store", "place")]
    square = exp.Add(this=half[0], expression=_product([*cosines, half[1]]))
    arc = exp.Asin(this=exp.Least(this=literal(1.0), expressions=[exp.Sqrt(this=square)]))
    distance = exp.Mul(this=literal(2 * _EARTH_KILOMETRES), expression=arc)
    place = exp.to_table("store").as_("place")
    return (
        exp.select(column("store_id", "store"))
        .from_("store", copy=False)
        .join(exp.Join(this=place, on=_equal("store_id", "place", leaf.store)), copy=False)
        .where(exp.LTE(this=distance, expression=literal(leaf.kilometres)), copy=False)
    )


def _radians(name: str, table: str) -> exp.Expr:
    return exp.Anonymous(this="RADIANS", expressions=[column(name, table)])


def _half_sine_squared(name: str) -> exp.Expr:
    difference = exp.Sub(this=_radians(name, "store"), expression=_radians(name, "place"))
    half = exp.Div(this=exp.Paren(this=difference), expression=literal(2.0))
    return exp.Pow(this=exp.Sin(this=half), expression=literal(2.0))


def _product(factors: Sequence[exp.Expr]) -> exp.Expr:
    product = factors[0]
    for factor in factors[1:]:
        product = exp.Mul(this=product, expression=factor)
    return product
