"""Where DuckDB and Spark mean different things by the same SQL, written around in one place.

A query means what DuckDB means by it. SQLGlot translates the grammar; here the typed tree is changed so that Spark (in
ANSI mode, session time zone UTC) gives the same rows. What is not written around is refused with an error (`ASOF JOIN`,
`UNION BY NAME`, `COLUMNS`, `date_sub`, `age`, a double or an instant cast to text), but for these, which a query must
avoid: ties in `arg_max`, `mode` and window orders, NULLs in an `arg_max` over several columns, lists without ORDER BY,
`to_json` and `printf` of NULLs, `format`, and regular expressions outside of what RE2 and Java share.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.optimizer.annotate_types import annotate_types

from shopkeeper.base.errors import QueryError

__all__ = ["for_spark"]

_Rewrite = Callable[[Any], exp.Expr]
_INTEGERS = tuple(exp.DataType.INTEGER_TYPES)
_DOUBLES = (exp.DType.DOUBLE, exp.DType.FLOAT)
_TEXTS = tuple(exp.DataType.TEXT_TYPES)
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}


def for_spark(tree: exp.Query, tables: Mapping[str, Mapping[str, str]]) -> exp.Query:
    """Gives the tree of a query that means on Spark what the given one means on DuckDB.

    Args:
        tree: A query whose columns are qualified; it is changed.
        tables: The type of each column of each table it reads, in DuckDB's words.
    """
    for call in list(tree.find_all(exp.Anonymous)):
        if call.name.upper() == "TIMEZONE" and len(call.expressions) == 2:  # noqa: PLR2004 - zone and instant
            call.replace(exp.AtTimeZone(this=call.expressions[1], zone=call.expressions[0]))
    tree = annotate_types(tree, schema=dict(tables), dialect="duckdb", expression_metadata=_metadata())
    for node in reversed(list(tree.walk())):
        rewrite = _REWRITES.get(type(node))
        changed = rewrite(node) if rewrite is not None else node
        if changed is node:
            continue
        if node is tree:
            return changed  # type: ignore[return-value]
        _put(node, changed)
    return tree


def _put(node: exp.Expr, changed: exp.Expr) -> None:
    if changed.type is None:
        changed.type = node.type
    node.replace(changed)


def _metadata() -> dict[Any, Any]:
    def like_argument(annotator: Any, node: exp.Expr) -> exp.Expr:
        return annotator._set_type(node, node.this.type)  # type: ignore[no-any-return]  # noqa: SLF001

    def difference(annotator: Any, node: exp.Sub) -> exp.Expr:
        if _is(node.this, exp.DType.DATE) and _is(node.expression, exp.DType.DATE):
            return annotator._set_type(node, exp.DType.BIGINT)  # type: ignore[no-any-return]  # noqa: SLF001
        return annotator._annotate_binary(node)  # type: ignore[no-any-return]  # noqa: SLF001

    def number(annotator: Any, node: exp.Literal) -> exp.Expr:
        if not node.is_string and re.fullmatch(r"\d*\.\d*", node.name):
            return annotator._set_type(node, exp.DType.DECIMAL)  # type: ignore[no-any-return]  # noqa: SLF001
        return annotator._annotate_literal(node)  # type: ignore[no-any-return]  # noqa: SLF001

    known = Dialect.get_or_raise("duckdb").EXPRESSION_METADATA
    return {
        **known,
        exp.Div: {"returns": exp.DType.DOUBLE},
        exp.Sub: {"annotator": difference},
        exp.Literal: {"annotator": number},
        **{kind: {"annotator": like_argument} for kind in (exp.ArgMax, exp.ArgMin, exp.Median, exp.ArrayDistinct)},
    }


def _is(node: exp.Expr | None, *kinds: exp.DType) -> bool:
    return node is not None and node.type is not None and node.type.this in kinds


def _call(name: str, *arguments: exp.Expr | str | int) -> exp.Anonymous:
    given = [each if isinstance(each, exp.Expr) else exp.convert(each) for each in arguments]
    return exp.Anonymous(this=name, expressions=given)


def _cast(node: exp.Expr, kind: str) -> exp.Expr:
    return exp.cast(node.copy(), kind, dialect="duckdb")


def _double(node: exp.Expr) -> exp.Expr:
    return node.copy() if _is(node, exp.DType.DOUBLE) else _cast(node, "DOUBLE")


def _instant(node: exp.Expr) -> exp.Expr:
    return node.copy() if _is(node, exp.DType.TIMESTAMPTZ) else _cast(node, "TIMESTAMPTZ")


def _day(node: exp.Expr) -> exp.Expr:
    return node.copy() if _is(node, exp.DType.DATE) else _cast(node, "DATE")


def _or_null(divisor: exp.Expr) -> exp.Expr:
    """A divisor that is NULL when it is zero, as the engine is set to do in DuckDB."""
    inner = divisor.unnest()
    if isinstance(inner, exp.Nullif) or (inner.is_number and inner.to_py() != 0):
        return divisor.copy()
    return exp.Nullif(this=divisor.copy(), expression=exp.Literal.number(0))


def _division(node: exp.Div) -> exp.Expr:
    # DuckDB's / is always a division of doubles; Spark's gives a decimal with fewer places.
    return exp.Div(this=exp.paren(_double(node.this)), expression=exp.paren(_or_null(node.expression)), typed=False)


def _whole_division(node: exp.IntDiv) -> exp.Expr:
    node.set("expression", _or_null(node.expression))
    return node


def _remainder(node: exp.Mod) -> exp.Expr:
    node.set("expression", _or_null(node.expression))
    return node


def _converted(node: exp.Cast | exp.TryCast) -> exp.Expr:
    """Casts of numbers: DuckDB rounds to the next integer, Spark cuts."""
    target, inner = node.to, node.this
    if target.this in _INTEGERS and _is(inner, *_DOUBLES):
        node.set("this", _call("RINT", inner.copy()))
    elif target.this in _INTEGERS and _is(inner, exp.DType.DECIMAL):
        node.set("this", _call("ROUND", inner.copy()))
    elif target.this in _TEXTS and _is(inner, *_DOUBLES, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        raise QueryError(
            f"{node.sql('duckdb')} gives another text on Spark", next_step="write round, strftime or a cast to DECIMAL"
        )
    elif target.this is exp.DType.DECIMAL and _is(inner, *_DOUBLES) and len(target.expressions) > 1:
        node.set("this", _scaled(inner, int(target.expressions[1].name)))
    return node


def _scaled(number: exp.Expr, places: int) -> exp.Expr:
    """A double as DuckDB rounds it: scaled, rounded, scaled back; Spark rounds its decimal form."""
    scale = f"1{'0' * places}.0D"
    return _filled(f"ROUND(x * {scale}) / {scale}", x=exp.paren(number.copy()))


def _filled(text: str, **parts: exp.Expr) -> exp.Expr:
    """Our own template in Spark's words with trees in the place of its names."""
    template = sqlglot.parse_one(text, read="spark")
    for column in list(template.find_all(exp.Column)):
        if column.name in parts and not column.table:
            column.replace(parts[column.name].copy())
    return template


def _rounded(node: exp.Round) -> exp.Expr:
    places = node.args.get("decimals")
    if not _is(node.this, *_DOUBLES) or places is None or not places.is_int or places.to_py() <= 0:
        return node
    return _scaled(node.this, places.to_py())


def _whole_double(node: exp.Floor | exp.Ceil) -> exp.Expr:
    return _cast(node, "DOUBLE") if _is(node.this, *_DOUBLES) and not node.args.get("decimals") else node


def _added(node: exp.Add | exp.Sub) -> exp.Expr:
    left, right = node.this, node.expression
    if isinstance(node, exp.Sub) and _is(left, exp.DType.DATE) and _is(right, exp.DType.DATE):
        return _cast(_call("DATEDIFF", left.copy(), right.copy()), "BIGINT")
    if _is(left, exp.DType.DATE) and (isinstance(right, exp.Interval) or _is(right, exp.DType.INTERVAL)):
        return _cast(node, "TIMESTAMP")
    return node


def _interval(node: exp.Interval) -> exp.Expr:
    count, unit = node.this, _unit(node)
    if count is None or count.is_string or count.is_number:
        return node
    whole = exp.cast(count.unnest().copy(), "INT")
    if unit in ("YEAR", "MONTH"):
        made = _call("MAKE_YM_INTERVAL", *((whole, 0) if unit == "YEAR" else (0, whole)))
    else:
        days = exp.Mul(this=exp.paren(whole), expression=exp.Literal.number(7)) if unit == "WEEK" else whole
        place = {"WEEK": 0, "DAY": 0, "HOUR": 1, "MINUTE": 2, "SECOND": 3}[unit]
        made = _call("MAKE_DT_INTERVAL", *([0] * place), days)
    return made


def _unit(node: exp.Expr) -> str:
    unit = node.args.get("unit")
    return unit.name.upper().removesuffix("S") if unit is not None else "DAY"


def _difference(node: exp.DateDiff) -> exp.Expr:
    """`date_diff` counts the borders crossed; Spark counts the whole units passed."""
    later, earlier, unit = node.this, node.expression, _unit(node)
    parts = {"a": earlier, "b": later}
    if unit == "DAY":
        made: exp.Expr = _call("DATEDIFF", _day(later), _day(earlier))
    elif unit == "WEEK":
        made = _filled("DATEDIFF(b, a) DIV 7", a=_day(earlier), b=_day(later))
    elif unit in ("YEAR", "QUARTER", "MONTH"):
        text = {
            "YEAR": "(YEAR(b) - YEAR(a))",
            "QUARTER": "(YEAR(b) * 4 + QUARTER(b) - YEAR(a) * 4 - QUARTER(a))",
            "MONTH": "(YEAR(b) * 12 + MONTH(b) - YEAR(a) * 12 - MONTH(a))",
        }
        made = _filled(text[unit], **parts)
    elif unit in _SECONDS:
        text_ = f"(UNIX_SECONDS(TRUNCATED(b)) - UNIX_SECONDS(TRUNCATED(a))) DIV {_SECONDS[unit]}"
        made = _filled(text_, a=_instant(earlier), b=_instant(later))
        for call in made.find_all(exp.Anonymous):
            if call.name == "TRUNCATED":
                call.set("this", "DATE_TRUNC")
                call.set("expressions", [exp.Literal.string(unit), *call.expressions])
    else:
        return node
    return _cast(made, "BIGINT")


def _truncated(node: exp.TimestampTrunc | exp.DateTrunc) -> exp.Expr:
    return node if _is(node.this, exp.DType.TIMESTAMPTZ) or node.this.type is None else _cast(node, "TIMESTAMP")


def _local(node: exp.AtTimeZone) -> exp.Expr:
    """An instant as a local clock shows it, or a local clock's time as an instant."""
    zone = node.args["zone"].copy()
    if _is(node.this, exp.DType.TIMESTAMPTZ):
        return _cast(_call("FROM_UTC_TIMESTAMP", node.this.copy(), zone), "TIMESTAMP")
    return _call("TO_UTC_TIMESTAMP", _instant(node.this), zone)


def _extracted(node: exp.Extract) -> exp.Expr:
    field, value = node.name.upper(), node.expression
    if field in ("DOW", "DAYOFWEEK", "WEEKDAY"):
        return _filled("(DAYOFWEEK(x) - 1)", x=value)
    if field == "ISODOW":
        return _filled("(WEEKDAY(x) + 1)", x=value)
    if field == "EPOCH":
        return _filled("(CAST(UNIX_MICROS(x) AS DOUBLE) / 1000000)", x=_instant(value))
    return _call("SECOND", value.copy()) if field == "SECOND" else node


def _week_day(node: exp.DayOfWeek) -> exp.Expr:
    return _filled("(x - 1)", x=_call("DAYOFWEEK", node.this.copy()))


def _iso_week_day(node: exp.DayOfWeekIso) -> exp.Expr:
    return _filled("(x + 1)", x=_call("WEEKDAY", node.this.copy()))


def _epoch(node: exp.TimeToUnix) -> exp.Expr:
    return _filled("(CAST(UNIX_MICROS(x) AS DOUBLE) / 1000000)", x=_instant(node.this))


def _epoch_milliseconds(node: exp.UnixToTime) -> exp.Expr:
    return node if _is(node.this, *_INTEGERS) else _call("UNIX_MILLIS", _instant(node.this))


def _naive(node: exp.Expr) -> exp.Expr:
    return _cast(node, "TIMESTAMP")


def _element(node: exp.Bracket) -> exp.Expr:
    """Elements count from 1 and are NULL where there is none."""
    index = node.expressions[0]
    if isinstance(index, exp.Slice):
        first = index.this.copy() if index.this is not None else exp.Literal.number(1)
        last = index.expression.copy() if index.expression is not None else _call("SIZE", node.this.copy())
        return _filled("SLICE(x, f, GREATEST(l - f + 1, 0))", x=node.this, f=first, l=exp.paren(last))
    return _call("TRY_ELEMENT_AT", node.this.copy(), index.copy() if index.is_string else _from_one(index))


def _from_one(index: exp.Expr) -> exp.Expr:
    """SQLGlot has counted an index of a known type from 0."""
    if index.is_int:
        return exp.convert(index.to_py() + 1)
    if isinstance(index, exp.Add) and index.expression.is_int and index.expression.to_py() == -1:
        index = index.this
    return exp.cast(index.copy(), "INT") if _is(index, *_INTEGERS) else index.copy()


def _length(node: exp.Length) -> exp.Expr:
    return _call("ARRAY_SIZE", node.this.copy()) if _is(node.this, exp.DType.ARRAY, exp.DType.LIST) else node


def _distinct_list(node: exp.ArrayDistinct) -> exp.Expr:
    return _call("ARRAY_COMPACT", _call("ARRAY_DISTINCT", node.this.copy()))


def _overlaps(node: exp.ArrayOverlaps) -> exp.Expr:
    return _call("ARRAYS_OVERLAP", node.this.copy(), node.expression.copy())


def _joined_text(node: exp.Concat) -> exp.Expr:
    for part in list(node.expressions):
        if not _is(part, *_TEXTS, exp.DType.ARRAY, exp.DType.LIST):
            part.replace(_cast(part, "VARCHAR"))
    return node


def _like(node: exp.Like | exp.ILike) -> exp.Expr:
    # A backslash escapes in Spark's patterns and stands for itself in DuckDB's.
    pattern = node.expression
    if not isinstance(node.parent, exp.Escape) and pattern.is_string and "\\" in pattern.name:
        node.set("expression", exp.Literal.string(pattern.name.replace("\\", "\\\\")))
    return node


def _logarithm(node: exp.Log) -> exp.Expr:
    return node if node.expression is not None else _call("LOG10", node.this.copy())


def _median(node: exp.Median) -> exp.Expr:
    return _of_type(node, node.this)


def _of_type(made: exp.Expr, argument: exp.Expr) -> exp.Expr:
    """Spark gives a double where DuckDB keeps a decimal."""
    kind = argument.type
    if kind is None or kind.this is not exp.DType.DECIMAL or not kind.expressions:
        return made
    return exp.Cast(this=made.copy(), to=kind.copy())


def _quantile(node: exp.PercentileCont) -> exp.Expr:
    if node.expression is None:
        return node
    return _of_type(_call("PERCENTILE", node.this.copy(), node.expression.copy()), node.this)


def _discrete_quantile(node: exp.PercentileDisc | exp.Quantile) -> exp.Expr:
    share = node.args.get("quantile") or node.expression
    if share is None:
        return node
    return _filled("PERCENTILE_DISC(q) WITHIN GROUP (ORDER BY x)", q=share, x=node.this)


def _ordered_quantile(node: exp.WithinGroup) -> exp.Expr:
    order = node.expression.expressions
    if not isinstance(node.this, exp.PercentileCont) or len(order) != 1 or order[0].args.get("desc"):
        return node
    return _of_type(_call("PERCENTILE", order[0].this.copy(), node.this.this.copy()), order[0].this)


def _mean(node: exp.Avg) -> exp.Expr:
    if _is(node.this, exp.DType.DECIMAL):
        node.set("this", _double(node.this))
    return node


def _extreme(node: exp.ArgMax | exp.ArgMin) -> exp.Expr:
    """DuckDB passes over rows whose answer is NULL."""
    known = exp.Is(this=node.this.copy(), expression=exp.Null()).not_()
    if isinstance(node.parent, exp.Filter):
        where = node.parent.expression
        where.set("this", exp.and_(where.this.copy(), known))
        return node
    return exp.Filter(this=node.copy(), expression=exp.Where(this=known))


def _gathered(node: exp.ArrayAgg) -> exp.Expr:
    """A list with its NULLs and in its order: Spark's has neither; and no rows give NULL, not an empty list."""
    order = node.this if isinstance(node.this, exp.Order) else None
    value = order.this if order is not None else node.this
    distinct = isinstance(value, exp.Distinct)
    value = value.expressions[0] if distinct else value
    keys = order.expressions if order is not None else []
    named = [exp.alias_(value.copy(), "v"), *(exp.alias_(key.this.copy(), f"o{i}") for i, key in enumerate(keys))]
    record: exp.Expr = exp.Struct(expressions=named)
    collected = exp.ArrayAgg(this=exp.Distinct(expressions=[record]) if distinct else record)
    top: exp.Expr = node
    while isinstance(top.parent, exp.Filter | exp.Window) and top.parent.this is top:
        top = top.parent
    if top is node:
        return _unpacked(collected, keys)
    node.replace(collected)
    _put(top, _unpacked(top, keys))
    return collected


def _unpacked(collected: exp.Expr, keys: list[exp.Ordered]) -> exp.Expr:
    text = f"ARRAY_SORT(c, (l, r) -> CASE {_comparison(keys)} ELSE 0 END)" if keys else "c"
    return _filled(f"NULLIF(TRANSFORM({text}, s -> s.v), ARRAY())", c=collected)


def _comparison(keys: list[exp.Ordered]) -> str:
    cases = []
    for i, key in enumerate(keys):
        down = -1 if key.args.get("desc") else 1
        null = -1 if key.args.get("nulls_first") else 1
        left, right = f"l.o{i}", f"r.o{i}"
        cases.append(
            f"WHEN {left} IS NULL AND {right} IS NOT NULL THEN {null} "
            f"WHEN {left} IS NOT NULL AND {right} IS NULL THEN {-null} "
            f"WHEN {left} < {right} THEN {-down} WHEN {left} > {right} THEN {down}"
        )
    return " ".join(cases)


def _any_value(node: exp.IgnoreNulls) -> exp.Expr:
    return _call("ANY_VALUE", node.this.this.copy(), True) if isinstance(node.this, exp.AnyValue) else node  # noqa: FBT003


def _map(node: exp.ToMap) -> exp.Expr:
    if not isinstance(node.this, exp.Struct):
        return node
    parts = [part for pair in node.this.expressions for part in (pair.this.copy(), pair.expression.copy())]
    return _call("MAP", *parts)


def _other(node: exp.Anonymous) -> exp.Expr:
    name = node.name.upper()
    if name == "ISFINITE":
        return _filled("(ABS(x) < CAST('Infinity' AS DOUBLE))", x=node.expressions[0])
    if (
        name == "HASH"
    ):  # another number on each engine, of 64 bits there and 63 here: good for telling values apart only
        return _call("SHIFTRIGHTUNSIGNED", _call("XXHASH64", *node.expressions), 1)
    if name == "MAP_CONTAINS":
        return _call("MAP_CONTAINS_KEY", *node.expressions)
    return node


def _is_nan(node: exp.IsNan) -> exp.Expr:
    return _filled("CASE WHEN x IS NOT NULL THEN ISNAN(x) END", x=node.this)


def _common_table(node: exp.CTE) -> exp.Expr:
    node.set("materialized", None)
    return node


def _chosen(node: exp.Select) -> exp.Expr:
    """SQLGlot leaves ORDER BY and LIMIT inside when it turns QUALIFY or DISTINCT ON into a WHERE outside."""
    distinct = node.args.get("distinct")
    first_only = distinct is not None and distinct.args.get("on") is not None
    if not (first_only or node.args.get("qualify")) or not (node.args.get("order") or node.args.get("limit")):
        return node
    inner = node.copy()
    outer = exp.select(*(exp.column(name) for name in inner.named_selects))
    for part in ("order", "limit", "offset"):
        taken = inner.args.get(part)
        if taken is not None:
            outer.set(part, taken.copy())
            if part != "order" or not first_only:
                inner.set(part, None)
    for column in outer.args["order"].find_all(exp.Column) if outer.args.get("order") else ():
        column.set("table", None)
    return outer.from_(exp.alias_(exp.Subquery(this=inner), "chosen", table=True))


def _series(node: exp.Table) -> exp.Expr:
    """A series in FROM, which SQLGlot writes as no table of Spark's."""
    alias = node.args.get("alias")
    if not isinstance(node.this, exp.GenerateSeries | exp.ExplodingGenerateSeries) or alias is None:
        return node
    names = alias.args.get("columns")
    column = names[0].name if names else "generate_series"
    return exp.select(exp.alias_(exp.Explode(this=node.this.copy()), column)).subquery(alias.name)


_REWRITES: Mapping[type[exp.Expr], _Rewrite] = {
    exp.Div: _division,
    exp.IntDiv: _whole_division,
    exp.Mod: _remainder,
    exp.Cast: _converted,
    exp.TryCast: _converted,
    exp.Round: _rounded,
    exp.Floor: _whole_double,
    exp.Ceil: _whole_double,
    exp.Add: _added,
    exp.Sub: _added,
    exp.Interval: _interval,
    exp.DateDiff: _difference,
    exp.TimestampTrunc: _truncated,
    exp.DateTrunc: _truncated,
    exp.AtTimeZone: _local,
    exp.Extract: _extracted,
    exp.DayOfWeek: _week_day,
    exp.DayOfWeekIso: _iso_week_day,
    exp.Dayname: lambda node: _call("DATE_FORMAT", node.this.copy(), "EEEE"),
    exp.Monthname: lambda node: _call("DATE_FORMAT", node.this.copy(), "MMMM"),
    exp.TimeToUnix: _epoch,
    exp.UnixToTime: _epoch_milliseconds,
    exp.StrToTime: _naive,
    exp.TimestampFromParts: _naive,
    exp.Bracket: _element,
    exp.Length: _length,
    exp.ArrayDistinct: _distinct_list,
    exp.ArrayOverlaps: _overlaps,
    exp.Concat: _joined_text,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Log: _logarithm,
    exp.Median: _median,
    exp.PercentileCont: _quantile,
    exp.PercentileDisc: _discrete_quantile,
    exp.Quantile: _discrete_quantile,
    exp.WithinGroup: _ordered_quantile,
    exp.Avg: _mean,
    exp.ArgMax: _extreme,
    exp.ArgMin: _extreme,
    exp.ArrayAgg: _gathered,
    exp.IgnoreNulls: _any_value,
    exp.ToMap: _map,
    exp.IsNan: _is_nan,
    exp.Anonymous: _other,
    exp.CTE: _common_table,
    exp.Select: _chosen,
    exp.Table: _series,
}
