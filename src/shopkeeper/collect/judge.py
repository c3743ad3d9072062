"""The judge: one statement that casts a batch of texts, completes what follows from others and names every fault.

It runs over a batch that is held in memory and sorts, joins or groups nothing, so that no text of a file is ever
spilled to the disk.
"""

from collections.abc import Mapping as Pairs
from dataclasses import dataclass

from shopkeeper.base.money import MOST_AMOUNT
from shopkeeper.collect.cast import MOBILE, cast_to, quoted, reason_of, scaled
from shopkeeper.collect.mapping import Mapping, Rule
from shopkeeper.schema.table import Column, Table, Type

__all__ = ["FAULTS", "ROW_NO", "Judge", "malformed_column", "token_column"]

ROW_NO = "row_no"
FAULTS = "row_faults"
_DISCOUNTS = ("product_discount", "coupon_discount")
_EMAIL = r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+[.][A-Za-z]"
_DAMAGED = r"[0-9]([.][0-9]+)?[eE][+][0-9]+"
_TOTAL = r"(合\s*计|总\s*计|小\s*计|本页合计|(grand )?total)[:：]?"


def token_column(place: int) -> str:
    """The name of the tokens of a header in what the judge reads."""
    return f"k{place}"


def malformed_column(place: int) -> str:
    """The name of the flag "there is a value and it is no identifier" of a header in what the judge reads."""
    return f"m{place}"


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the rows of one mapping.

    Args:
        mapping: How columns follow from headers.
        time_zone: The shop's zone; the mapping's own goes before it.
        cutover_hour: Hour at which a business day changes where the store does not say.
        store_cutovers: Store → its own hour.
    """

    mapping: Mapping
    time_zone: str
    cutover_hour: int = 0
    store_cutovers: Pairs[str, int] | None = None

    @property
    def zone(self) -> str:
        """The zone of instants that name none."""
        return self.mapping.time_zone or self.time_zone

    @property
    def given(self) -> tuple[str, ...]:
        """The columns of the table that get a value, in the table's order."""
        targets = {rule.target for rule in self.mapping.rules}
        made = {"source"} if self.mapping.declared.has("source") else set()
        if self.mapping.table == "order_line":
            made |= set(_completed(self, targets)) | {"line_no"}
        return tuple(name for name in self.mapping.declared.column_names if name in targets | made)

    def statement(self, headers: tuple[str, ...]) -> str:
        """Gives the statement over a table `incoming`.

        Args:
            headers: The headers of the file; `incoming` has `row_no` and the cleaned text of header i, from 0, as
                `c{i}`, and for headers of identifiers `k{i}` and `m{i}` in its place.

        Returns:
            A SELECT of `row_no`, the columns `given` and `row_faults`: `column|reason|header` for each fault, parted by
            U+001F, and nothing for a good row.
        """
        table = self.mapping.declared
        places = {header: place for place, header in enumerate(headers)}
        texts, values, faults = [], [], []
        for rule in self.mapping.rules:
            column = table.column(rule.target)
            texts += self._texts(rule, places)
            values.append(f"{self._value(rule, column, places)} AS v_{rule.target}")
            faults += self._faults(rule, column, places)
        faults = [*self._row_faults(table, places), *faults]
        targets = {rule.target for rule in self.mapping.rules}
        carried = [f"v_{rule.target}" for rule in self.mapping.rules]
        flags = [name for rule in self.mapping.rules for name in (f"t_{rule.target}",) if _has_text(rule)]
        if "source" not in targets and table.has("source"):
            values.append(f"{quoted(self.mapping.source)} AS v_source")
            carried.append("v_source")
        completed = _completed(self, targets) if table.name == "order_line" else {}
        final = [
            f"TRY_CAST({completed.get(name) or (f'v_{name}' if name != 'line_no' or name in targets else 'NULL')} "
            f"AS {table.column(name).type.value}) AS {name}"
            for name in self.given
        ]
        marks = [f"m{places[header]}" for header in self._personal_headers(places)]
        raws = [f"c{places[header]}" for header in self._plain_headers(places)]
        return (
            f"""
            SELECT {ROW_NO}, * EXCLUDE ({ROW_NO}, {FAULTS}), {FAULTS} FROM (
                SELECT {", ".join([ROW_NO, *final])},
                    concat_ws(chr(31), {", ".join(["NULL", *faults])}) AS {FAULTS}
                FROM (
                    SELECT {", ".join([ROW_NO, *marks, *flags, *raws, *values])}
                    FROM (
                        SELECT {", ".join([ROW_NO, *marks, *self._tokens(places), *raws, *texts])} FROM incoming
                    ) AS texts
                ) AS typed
            ) AS judged
        """
            if carried
            else ""
        )

    def _tokens(self, places: Pairs[str, int]) -> list[str]:
        headers = [rule.column for rule in self.mapping.rules if rule.kind and rule.column is not None]
        return list(dict.fromkeys(token_column(places[header]) for header in headers))

    def _personal_headers(self, places: Pairs[str, int]) -> list[str]:
        headers = [rule.column for rule in self.mapping.rules if rule.kind and rule.column is not None]
        return list(
            dict.fromkeys(header for header in [*headers, *self.mapping.identifiers.values()] if header in places)
        )

    def _plain_headers(self, places: Pairs[str, int]) -> list[str]:
        return list(
            dict.fromkeys(
                header for rule in self.mapping.rules if not rule.kind for header in rule.headers if header in places
            )
        )

    def _texts(self, rule: Rule, places: Pairs[str, int]) -> list[str]:
        if rule.kind or rule.column is None:
            return []
        text = f"c{places[rule.column]}"
        if rule.values:
            words = " ".join(f"WHEN {quoted(word)} THEN {quoted(value)}" for word, value in rule.values.items())
            text = f"CASE {text} {words} ELSE {text} END"
        if rule.default is not None:
            text = f"coalesce({text}, {quoted(rule.default)})"
        return [f"{text} AS t_{rule.target}"]

    def _value(self, rule: Rule, column: Column, places: Pairs[str, int]) -> str:
        if rule.kind and rule.column is not None:
            return token_column(places[rule.column])
        if rule.parts:
            return self._map(rule, places)
        text = quoted(rule.constant) if rule.constant is not None else f"t_{rule.target}"
        if column.type is Type.STRINGS:
            return f"list_transform(string_split({text}, {quoted(rule.split or ',')}), lambda word: trim(word))"
        value = cast_to(column, text, zone=self.zone, form=rule.format, decimal=rule.decimal)
        if rule.times is not None:
            other = cast_to(column, f"c{places[rule.times]}", zone=self.zone, decimal=rule.decimal)
            value = f"TRY_CAST({value} * {other} AS DECIMAL(18,4))"
        return scaled(value, rule.scale, negate=rule.negate)

    def _map(self, rule: Rule, places: Pairs[str, int]) -> str:
        entries = ", ".join(f"{{'k': {quoted(name)}, 'v': c{places[header]}}}" for name, header in rule.parts.items())
        some = " OR ".join(f"c{places[header]} IS NOT NULL" for header in rule.parts.values())
        return (
            f"CASE WHEN {some} THEN map_from_entries(list_filter([{entries}], lambda entry: entry.v IS NOT NULL)) END"
        )

    def _faults(self, rule: Rule, column: Column, places: Pairs[str, int]) -> list[str]:
        name, found = rule.target, []
        header = rule.column or ""
        if rule.kind:
            place = malformed_column(places[header])
            found.append(_fault(place, name, f"not_a_{rule.identifier}", header))
        elif rule.column is not None and not (column.type is Type.STRING and not column.values):
            found.append(_fault(f"t_{name} IS NOT NULL AND v_{name} IS NULL", name, reason_of(column), header))
        if rule.column is not None and column.type is Type.MONEY:
            found.append(_fault(f"abs(v_{name}) >= {MOST_AMOUNT}", name, "number_too_large", header))
        if column.required:
            empty = f"v_{name} IS NULL" if rule.kind or rule.column is None else f"t_{name} IS NULL"
            guard = f" AND NOT {malformed_column(places[header])}" if rule.kind else ""
            found.append(_fault(empty + guard, name, "missing", header))
        if name in _DISCOUNTS:
            returned = " AND NOT coalesce(v_quantity < 0, false)" if self.mapping.rule("quantity") else ""
            found.append(_fault(f"v_{name} < 0{returned}", name, "negative", header))
        if rule.column is not None and not rule.kind and column.type is Type.STRING and not column.values:
            found += _text_faults(name, header)
        return found

    def _row_faults(self, table: Table, places: Pairs[str, int]) -> list[str]:
        found = [
            _fault(malformed_column(places[header]), f"identifiers.{kind}", f"not_a_{kind}", header)
            for kind, header in self.mapping.identifiers.items()
        ]
        plain = self._plain_headers(places)
        if plain:
            undecoded = " OR ".join(f"regexp_matches(c{places[header]}, '[\\x00\\x{{FFFD}}]')" for header in plain)
            found.insert(0, _fault(f"({undecoded})", "", "not_decoded", plain[0]))
            first = f"coalesce({', '.join(f'c{places[header]}' for header in plain)})"
            found.insert(0, _fault(f"regexp_full_match(lower(trim({first})), '{_TOTAL}')", "", "total_line", plain[0]))
        if table.name == "order_line" and not any(self.mapping.rule(name) for name in ("net_amount", "gross_amount")):
            found.append(_fault("true", "net_amount", "missing", ""))
        if table.name == "order_line" and not self.mapping.rule("net_amount") and self.mapping.rule("gross_amount"):
            found.append(_fault("t_gross_amount IS NULL", "net_amount", "missing", ""))
        return found


def _has_text(rule: Rule) -> bool:
    return rule.column is not None and not rule.kind


def _fault(condition: str, column: str, reason: str, header: str) -> str:
    return f"CASE WHEN {condition} THEN {quoted(f'{column}|{reason}|{header}')} END"


def _text_faults(name: str, header: str) -> list[str]:
    text = f"t_{name}"
    found = [_fault(f"contains({text}, '@') AND regexp_matches({text}, '{_EMAIL}')", name, "holds_email", header)]
    if name.endswith(("_id", "_no", "_code", "gtin")) or name == "return_of":
        found.append(_fault(f"regexp_full_match({text}, '{_DAMAGED}')", name, "damaged_code", header))
    else:
        found.append(
            _fault(f"length({text}) >= 11 AND regexp_matches({text}, '{MOBILE}')", name, "holds_phone", header)
        )
    return found


def _completed(judge: Judge, targets: set[str]) -> dict[str, str]:
    """What follows from other columns of an order line, as SQL.

    gross − product discount − coupon discount = net; on a return (negative quantity) a negative discount is what was
    not given back, so it is taken off the gross amount.
    """
    made = dict(_days(judge, targets))
    value = {name: f"v_{name}" if name in targets else "NULL" for name in ("gross_amount", "net_amount", *_DISCOUNTS)}
    if not targets & {"gross_amount", "net_amount"}:
        return made
    product, coupon = (f"greatest({value[name]}, 0)" if name in targets else "NULL" for name in _DISCOUNTS)
    folded = " - ".join(["", *(f"least(coalesce({value[name]}, 0), 0)" for name in _DISCOUNTS if name in targets)])
    gross = f"({value['gross_amount']}{folded})"
    if targets >= {"gross_amount", "net_amount"}:
        rest = f"{gross} - v_net_amount - coalesce({coupon}, 0)"
        product = f"coalesce({product}, CASE WHEN {rest} >= 0 THEN {rest} END)"
        made["product_discount"] = product
    discounts = f"coalesce({product}, 0) - coalesce({coupon}, 0)"
    made["net_amount"] = f"coalesce({value['net_amount']}, {gross} - {discounts})"
    added = f"coalesce({product}, 0) + coalesce({coupon}, 0)"
    made["gross_amount"] = f"coalesce({gross}, {value['net_amount']} + {added})"
    made |= {
        name: made.get(name, sql) for name, sql in zip(_DISCOUNTS, (product, coupon), strict=True) if name in targets
    }
    return made


def _days(judge: Judge, targets: set[str]) -> Pairs[str, str]:
    cutover = str(judge.cutover_hour)
    if judge.store_cutovers and "store_id" in targets:
        cases = " ".join(f"WHEN {quoted(store)} THEN {hour}" for store, hour in judge.store_cutovers.items())
        cutover = f"CASE v_store_id {cases} ELSE {judge.cutover_hour} END"
    zone = quoted(judge.time_zone)
    made: dict[str, str] = {}
    if "ordered_at" in targets:
        day = f"CAST((v_ordered_at AT TIME ZONE {zone}) - to_hours({cutover}) AS DATE)"
        made["business_day"] = f"coalesce(v_business_day, {day})" if "business_day" in targets else day
    elif "business_day" in targets:
        made["ordered_at"] = f"(CAST(v_business_day AS TIMESTAMP) + to_hours({cutover})) AT TIME ZONE {zone}"
    return made
