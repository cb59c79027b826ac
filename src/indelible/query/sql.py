"""A predicate as SQL over the columns, with every value as a parameter.

The SQL means what `event.evaluate.matches` means. Absent values are NULL, which SQL carries through
AND and OR as "not true"; only negation must not, so `Not(x)` is `(x) IS NOT TRUE`. What SQL cannot
say exactly (paths in `data`, befores and afters, `raw`) is decided by the evaluator itself, called
as a function of the query (`query.decider`), only for rows that the cheaper conditions let through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from indelible.event.evaluate import DATA, LABEL, RAW, compiled
from indelible.event.fields import FIELDS, FieldType, Value, ip_key, ip_range
from indelible.event.paths import split_path
from indelible.event.predicate import All, AnyOf, Changed, Not, Op, Predicate, Term, Text
from indelible.event.text import TEXT_PARTS, fold

CHEAP, CALLED, FETCHED = 0, 1, 2


class Sql(NamedTuple):
    """A piece of SQL, its parameters in order, and what deciding it costs."""

    text: str
    values: tuple[object, ...] = ()
    cost: int = CHEAP


class Deciders(Protocol):
    """Gives predicates a number by which the query's functions find them again."""

    def number(self, predicate: Predicate) -> int:
        """The number of `predicate`."""
        ...


TRUE, FALSE = Sql("TRUE"), Sql("FALSE")

_COLUMN = {
    "actor": "actor_id",
    "actor.type": "actor_type",
    "actor.name": "actor_name",
    "change": "change_paths",
    "flag": "flags",
    "subject": "subjects",
}
_TARGET = {
    "target": ("target_id", "more_target_ids"),
    "target.type": ("target_type", "more_target_types"),
    "target.name": ("target_name", "more_target_names"),
}
_TEXT_COLUMNS: dict[str, tuple[str, ...]] = {
    "target_types": ("target_type", "more_target_types"),
    "target_ids": ("target_id", "more_target_ids"),
    "target_names": ("target_name", "more_target_names"),
}
_SIGN = {Op.EQ: "=", Op.GE: ">=", Op.GT: ">", Op.LE: "<=", Op.LT: "<"}


def column_of(field: str) -> str:
    """The column of a plain field with one column."""
    return _quoted(_COLUMN.get(field, field))


def _quoted(column: str) -> str:
    return f'"{column}"'


def joined(word: str, parts: Iterable[Sql]) -> Sql:
    """Conditions joined by AND or OR; none at all is TRUE for AND, FALSE for OR.

    With AND the cheap ones guard the costly ones, which see only the rows that are left.
    """
    held = sorted(parts, key=lambda part: part.cost)
    if not held:
        return TRUE if word == "AND" else FALSE
    if len(held) == 1:
        return held[0]
    cheap = [part for part in held if part.cost == held[0].cost]
    text = f" {word} ".join(f"({part.text})" for part in cheap)
    first = Sql(text, tuple(v for part in cheap for v in part.values), held[0].cost)
    rest = held[len(cheap) :]
    if not rest:
        return first
    then = joined(word, rest)
    if word == "AND":
        return _guarded(first, then)
    case = f"CASE WHEN ({first.text}) THEN TRUE ELSE ({then.text}) END"
    return Sql(case, first.values + then.values, then.cost)


def _guarded(guard: Sql, costly: Sql) -> Sql:
    """Both; a cheap guard also stands alone, so that files and row groups are pruned by it."""
    case = f"CASE WHEN ({guard.text}) THEN ({costly.text}) ELSE FALSE END"
    if guard.cost > CHEAP:
        return Sql(case, guard.values + costly.values, costly.cost)
    return Sql(f"({guard.text}) AND {case}", guard.values * 2 + costly.values, costly.cost)


def negated(part: Sql) -> Sql:
    """The complement: what is not TRUE, NULL included."""
    return Sql(f"({part.text}) IS NOT TRUE", part.values, part.cost)


def condition(predicate: Predicate, deciders: Deciders) -> Sql:
    """The condition that is TRUE for exactly the rows that match.

    Raises `QueryError` as the evaluator does for a predicate that means nothing.
    """
    compiled(predicate)
    return _of(predicate, deciders)


def _of(predicate: Predicate, deciders: Deciders) -> Sql:
    match predicate:
        case Term():
            return _term(predicate, deciders)
        case Text():
            return text_condition(predicate.value)
        case Changed():
            return _changed(predicate, deciders)
        case All():
            return joined("AND", [_of(child, deciders) for child in predicate.children])
        case AnyOf():
            return joined("OR", [_of(child, deciders) for child in predicate.children])
        case Not():
            return negated(_of(predicate.child, deciders))


def _term(term: Term, deciders: Deciders) -> Sql:
    if term.field in _TARGET:
        first, more = target_conditions(term)
        return joined("OR", [first, more])
    if term.field in FIELDS:
        field = FIELDS[term.field]
        if field.many:
            listed = _list_test(column_of(term.field), term)
            return delegated(listed) if term.field == "onbehalf" else listed
        return _test(column_of(term.field), (), term, field.type)
    if term.field.startswith(LABEL):
        key = term.field[len(LABEL) :].replace("~", "~0").replace("/", "~1")
        return _test("json_extract_string(labels, ?)", ("/" + key,), term, FieldType.TEXT)
    if term.field.startswith(DATA):
        return _data(term, deciders)
    assert term.field == RAW
    call = Sql('decide_body("index", ?)', (deciders.number(term),), FETCHED)
    return _guarded(Sql('"foreign"'), call)


def target_conditions(term: Term) -> tuple[Sql, Sql]:
    """A term on targets as (the first target matches, a further one does).

    Apart, because only the plain column of the first has a Bloom filter that can prune.
    """
    column, more = _TARGET[term.field]
    first = _test(column, (), term, FieldType.TEXT)
    further = _list_test(more, term)
    return first, Sql(f"more_targets AND ({further.text})", further.values)


def delegated(listed: Sql) -> Sql:
    """A test of `onbehalf` that first asks the flag: most events have nobody behind them."""
    return Sql(f"delegated AND ({listed.text})", listed.values)


def _test(column: str, before: tuple[object, ...], term: Term, kind: FieldType) -> Sql:
    """Any of the values compares with the expression `column`, whose parameters are `before`."""
    if term.op is Op.PRESENT:
        return Sql(f"{column} IS NOT NULL", before)
    if term.op is Op.EQ and kind is not FieldType.IP and term.values:
        if len(term.values) == 1:
            return Sql(f"{column} = ?", (*before, term.values[0]))
        marks = ", ".join("?" * len(term.values))
        return Sql(f"{column} IN ({marks})", (*before, *term.values))
    return joined("OR", [_compared(column, before, term.op, value, kind) for value in term.values])


def _compared(
    column: str, before: tuple[object, ...], op: Op, value: Value, kind: FieldType
) -> Sql:
    if kind is FieldType.IP:
        if op is Op.EQ:
            return Sql(f"{column} BETWEEN ? AND ?", (*before, *ip_range(str(value))))
        return Sql(f"{column} {_SIGN[op]} ?", (*before, ip_key(str(value))))
    if op is Op.PREFIX:
        return Sql(f"starts_with({column}, ?)", (*before, value))
    if op is Op.CONTAINS:
        return contains(column, str(value), before)
    return Sql(f"{column} {_SIGN[op]} ?", (*before, value))


def contains(column: str, value: str, before: tuple[object, ...] = ()) -> Sql:
    """Case-insensitive substring; DuckDB's `lower` is `fold` (a test compares every character)."""
    wanted = fold(value)
    if wanted.isascii() and wanted == wanted.upper():
        return Sql(f"contains({column}, ?)", (*before, wanted))
    return Sql(f"contains(lower({column}), ?)", (*before, wanted))


def _list_test(column: str, term: Term) -> Sql:
    if term.op is Op.PRESENT:
        return Sql(f"len({column}) > 0")
    if term.op is Op.EQ:
        return Sql(f"list_has_any({column}, ?::VARCHAR[])", (list(term.values),))
    inner = _test("x", (), term, FieldType.TEXT)
    return Sql(f"len(list_filter({column}, lambda x: {inner.text})) > 0", inner.values)


def text_condition(value: str) -> Sql:
    """Any part of `event.text.TEXT_PARTS` contains `value`."""
    if value == "":
        return TRUE
    parts = []
    for part in TEXT_PARTS:
        for column in _TEXT_COLUMNS.get(part, (part,)):
            if column.startswith("more_"):
                test = contains("x", value)
                inside = f"len(list_filter({column}, lambda x: {test.text})) > 0"
                parts.append(Sql(f"more_targets AND {inside}", test.values))
            else:
                parts.append(contains(_quoted(column), value))
    return joined("OR", parts)


def _mentions(column: str, needles: list[Sql]) -> Sql:
    """The JSON text may hold all of these: it does, or it has escapes that might spell them.

    A text that needs escapes in JSON brings a backslash with it, so this never says no wrongly.
    """
    if not needles:
        return Sql(f"{column} IS NOT NULL")
    return joined("OR", [joined("AND", needles), Sql(f"contains({column}, '\\')")])


def _data(term: Term, deciders: Deciders) -> Sql:
    needles = [
        Sql("contains(data, ?)", (f'"{segment}"',))
        for segment in split_path(term.field[len(DATA) :])
        if not segment.isdigit()
    ]
    if term.op in (Op.EQ, Op.PREFIX, Op.CONTAINS):
        needles.append(joined("OR", [contains("data", str(value)) for value in term.values]))
    call = Sql("decide_data(data, ?)", (deciders.number(term),), CALLED)
    return _guarded(_mentions("data", needles), call)


def _changed(wanted: Changed, deciders: Deciders) -> Sql:
    needles = [
        contains("changes", value)
        for value in (wanted.before, wanted.after)
        if value is not None
    ]
    guard = _mentions("changes", needles)
    if wanted.path is not None:
        path = Sql("list_contains(change_paths, ?)", (wanted.path,))
        guard = joined("AND", [path, guard])
        if wanted.before is None and wanted.after is None:
            return path
    call = Sql("decide_changes(changes, ?)", (deciders.number(wanted),), CALLED)
    return _guarded(guard, call)
