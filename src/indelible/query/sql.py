"""A predicate as SQL over the columns, with every value as a parameter.

The SQL means what `event.evaluate.matches` means. Absent values are NULL, which SQL carries through
AND and OR as "not true"; only negation must not, so `Not(x)` is `(x) IS NOT TRUE`. What SQL cannot
say exactly (paths in `data`, befores and afters, `raw`) is decided by the evaluator itself, called
as a function of the query (`query.decider`), only for rows that the cheaper conditions let through.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from indelible.event.evaluate import DATA, LABEL, RAW, compiled
from indelible.event.fields import FIELDS, FieldType, Value, ip_key, ip_range
from indelible.event.paths import split_path
from indelible.event.predicate import All, AnyOf, Changed, Not, Op, Predicate, Term, Text
from indelible.event.text import IDENTIFIERS
from indelible.query.sql_parts import CALLED, FETCHED, TRUE, Sql, guarded, joined, negated
from indelible.query.text_sql import contains, mentions, quoted, some_element, text_sides
from indelible.store.columns import HASHED, TARGET_HASH, hash_of


class Deciders(Protocol):
    """Gives predicates a number by which the query's functions find them again."""

    def number(self, predicate: Predicate) -> int:
        """The number of `predicate`."""
        ...


_COLUMN = {
    "actor": "actor_id",
    "actor.type": "actor_type",
    "actor.name": "actor_name",
    "change": "change_paths",
    "flag": "flags",
    "subject": "subjects",
}
TARGETS = {
    "target": ("target_id", "id"),
    "target.type": ("target_type", "type"),
    "target.name": ("target_name", "name"),
}
"""Field to the first target's column and the others' member in `further`."""
_SIGN = {Op.EQ: "=", Op.GE: ">=", Op.GT: ">", Op.LE: "<=", Op.LT: "<"}
_SUBSTRINGS = (Op.EQ, Op.PREFIX, Op.CONTAINS)


def column_of(field: str) -> str:
    """The column of a plain field with one column."""
    return quoted(_COLUMN.get(field, field))


def label_value(field: str) -> Sql:
    """The value of `label.KEY`."""
    key = field[len(LABEL) :].replace("~", "~0").replace("/", "~1")
    return Sql("json_extract_string(labels, ?)", ("/" + key,))


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
            return joined("OR", sides_of_text(predicate.value, deciders))
        case Changed():
            return _changed(predicate, deciders)
        case All():
            return joined("AND", [_of(child, deciders) for child in predicate.children])
        case AnyOf():
            return joined("OR", [_of(child, deciders) for child in predicate.children])
        case Not():
            return negated(_of(predicate.child, deciders))


def sides_of_text(value: str, deciders: Deciders) -> list[Sql]:
    """The columns that may hold a text, apart; then the identifiers that may be it."""
    if not value:
        return [TRUE]
    wholes = [Term(field=field, op=Op.EQ, values=(value,)) for field in IDENTIFIERS]
    return text_sides(value) + [_hashed(term, deciders) for term in wholes]


def _term(term: Term, deciders: Deciders) -> Sql:
    if term.field in HASHED:
        return _hashed(term, deciders)
    if term.field in TARGETS:
        return joined("OR", target_conditions(term))
    if term.field in FIELDS:
        field = FIELDS[term.field]
        column = Sql(column_of(term.field))
        return _listed(column.text, "", term) if field.many else _test(column, term, field.type)
    if term.field.startswith(LABEL):
        return _test(label_value(term.field), term, FieldType.TEXT)
    if term.field.startswith(DATA):
        return _data(term, deciders)
    assert term.field == RAW
    call = Sql('decide_body("index", ?)', (deciders.number(term),), FETCHED)
    return guarded(Sql('"foreign"'), call)


def _hashed(term: Term, deciders: Deciders) -> Sql:
    """A term on a field of which the columns hold a hash: it finds, the body decides."""
    column = HASHED[term.field]
    guard = Sql(f"{column} IS NOT NULL")
    if term.op is Op.PRESENT:
        return guard
    if term.op is Op.EQ:
        guard = _has_hash(column, term)
    return guarded(guard, Sql('decide_body("index", ?)', (deciders.number(term),), FETCHED))


def _has_hash(column: str, term: Term) -> Sql:
    """The column holds the hash of one of the values."""
    hashes = tuple(hash_of(str(value)) for value in term.values)
    marks = ", ".join("?" * len(hashes))
    return Sql(f"{column} {f'= {marks}' if len(hashes) == 1 else f'IN ({marks})'}", hashes)


class Ids(Enum):
    """How a needle on targets is compared with the first one's id."""

    TEXT = "by its text, which every column file has"
    BOTH = "by its hash, which has a Bloom filter that prunes, then by its text"
    HASH = "by its hash alone: another id hardly ever has it, and the body decides"


def target_conditions(term: Term, ids: Ids = Ids.TEXT) -> list[Sql]:
    """A term on targets as [the first target matches, a further one does].

    Apart, because only the first stands in columns of its own. `ids` is for equal ids alone.
    """
    column, member = TARGETS[term.field]
    first = _test(Sql(column), term, FieldType.TEXT)
    if ids is not Ids.TEXT:
        hashed = _has_hash(TARGET_HASH, term)
        first = hashed if ids is Ids.HASH else joined("AND", [hashed, first])
    return [first, _listed("further", member, term)]


def _listed(column: str, member: str, term: Term) -> Sql:
    """A term on the strings of a JSON array. An empty name is no value, an empty id is one."""
    if term.op is Op.PRESENT and member != "name":
        return Sql(f"{column} IS NOT NULL")
    needles: list[Sql] = []
    if term.op in _SUBSTRINGS:
        needles.append(_any_spelled(column, term))
    test = _test(Sql("x"), term, FieldType.TEXT)
    if member == "name":
        test = joined("AND", [test, Sql("x <> ''")])
    return some_element(column, member, needles, test)


def _any_spelled(column: str, term: Term) -> Sql:
    """The text of the column holds one of the values."""
    if term.op is Op.CONTAINS:
        return joined("OR", [contains(column, str(value)) for value in term.values])
    parts = [Sql(f"contains({column}, ?)", (str(value),)) for value in term.values]
    return joined("OR", parts)


def _test(column: Sql, term: Term, kind: FieldType) -> Sql:
    """Any of the values compares with the expression `column`."""
    if term.op is Op.PRESENT:
        return Sql(f"{column.text} IS NOT NULL", column.values)
    if term.op is Op.EQ and kind is not FieldType.IP and len(term.values) > 1:
        marks = ", ".join("?" * len(term.values))
        return Sql(f"{column.text} IN ({marks})", (*column.values, *term.values))
    return joined("OR", [_compared(column, term.op, value, kind) for value in term.values])


def _compared(column: Sql, op: Op, value: Value, kind: FieldType) -> Sql:
    text, before = column.text, column.values
    if kind is FieldType.IP:
        if op is Op.EQ:
            return Sql(f"{text} BETWEEN ? AND ?", (*before, *ip_range(str(value))))
        return Sql(f"{text} {_SIGN[op]} ?", (*before, ip_key(str(value))))
    if op is Op.PREFIX:
        return Sql(f"starts_with({text}, ?)", (*before, value))
    if op is Op.CONTAINS:
        return contains(text, str(value), before)
    return Sql(f"{text} {_SIGN[op]} ?", (*before, value))


def _data(term: Term, deciders: Deciders) -> Sql:
    needles = [
        Sql("contains(data, ?)", (f'"{segment}"',))
        for segment in split_path(term.field[len(DATA) :])
        if not segment.isdigit()
    ]
    if term.op in _SUBSTRINGS:
        needles.append(_any_spelled("data", term))
    call = Sql("decide_data(data, ?)", (deciders.number(term),), CALLED)
    return guarded(mentions("data", needles), call)


def _changed(wanted: Changed, deciders: Deciders) -> Sql:
    asked = [value for value in (wanted.before, wanted.after) if value is not None]
    guard = mentions("changes", [Sql("contains(changes, ?)", (value,)) for value in asked])
    if wanted.path is not None:
        path = Term(field="change", op=Op.EQ, values=(wanted.path,))
        guard = joined("AND", [_listed("change_paths", "", path), guard])
        if not asked:
            return guard
    call = Sql("decide_changes(changes, ?)", (deciders.number(wanted),), CALLED)
    return guarded(guard, call)
