"""What a query does besides answering: the functions that it calls, the table that it makes. Pure.

By its words alone: which functions a view, an operator or a trigger calls, they do not tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from indelible.ingest.parsers.postgresql_functions import harmless, known
from indelible.ingest.parsers.postgresql_lex import END, Word, lowered
from indelible.ingest.parsers.postgresql_reading import Reading, Statement

QUERIES: Final = ("select", "declare", "with", "values")
_WORDS: Final = """
    all and any array as asymmetric at between by case cast coalesce collate columns conflict cross
    cube distinct else end escape except exists extract fetch filter first for from full greatest
    group grouping having ilike in inner intersect into is isnull join lateral least like limit
    materialized natural next normalize not notnull nullif of offset on only operator or order
    outer over overlaps overlay partition passing path position repeatable returning rollup row
    select sets similar some substring symmetric table tablesample then to treat trim union using
    values variadic when where window with within xmlattributes xmlconcat xmlelement xmlexists
    xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable zone
    json_array json_arrayagg json_exists json_objectagg json_query json_scalar json_serialize
    json_table json_value
    bernoulli system
    bit bpchar char character dec decimal float interval numeric nchar time timestamp varbit
    varchar varying"""
_BEFORE_BRACKETS: Final = frozenset(_WORDS.split())
"""Words of the language (manual, appendix C) behind which a bracket is no call of a function."""
_CALL: Final = re.compile(
    r'(\.[ \t\n\r\f\v]*)?(?<![\w$"\x80-\U0010ffff])([\w$"\x80-\U0010ffff]+)[ \t\n\r\f\v]*\('
)
_HIDING: Final = ("--", "/*", "uescape")


def query(verb: str, reading: Reading) -> Statement:
    """SELECT, VALUES, WITH and DECLARE CURSOR, with the functions that may do something."""
    found = [*(_common_tables(reading) if verb == "with" else ()), *reading.rest()]
    functions = _functions(found)
    new = _made(found) if verb == "select" else ""
    if new:
        others = tuple(("function", name) for name in functions)
        return Statement("select_into", "table", (new,), others)
    return Statement(verb, "function", functions) if functions else Statement(verb)


def prepared(verb: str, reading: Reading) -> Statement:
    """PREPARE name (types) AS a query: what it calls when it is executed."""
    reading.name()
    reading.brackets()
    reading.take("as")
    inner = reading.step().text
    told = query(inner, reading) if inner in QUERIES else Statement()
    return Statement(verb, others=tuple(("function", name) for name in called(told)))


def called(told: Statement) -> tuple[str, ...]:
    """The functions of a statement that may do something; '' stands for what is not known."""
    if told.verb in QUERIES and told.kind == "function":
        return told.names or ("",)
    return tuple(name for kind, name in told.others if kind == "function")


def plain(text: str) -> bool:
    """Whether a text holds nothing that looks like a call which does something, or INTO.

    A glance, in strings too: what it does not call plain may be so all the same.
    """
    low = lowered(text)
    if "into" in low:
        return False
    if "(" not in low:
        return True
    if any(mark in low for mark in _HIDING):
        return False
    for dot, name in _CALL.findall(low):
        if dot or not (name in _BEFORE_BRACKETS or harmless([name])):
            return False
    return True


def glimpsed(text: str) -> tuple[str, ...]:
    """The functions that look called in a text, in strings too, and whose doings are known."""
    return tuple(dict.fromkeys(name for _, name in _CALL.findall(lowered(text)) if known(name)))


def _common_tables(reading: Reading) -> Iterator[Word]:
    """The queries between WITH and the one that uses them, without their names and columns."""
    reading.take("recursive")
    while reading.name():
        reading.brackets()
        reading.take("as")
        while reading.take("not", "materialized"):
            pass
        depth = 0
        while reading.at("(") or (depth and reading.ahead.kind != "end"):
            word = reading.step()
            depth += (word.text == "(") - (word.text == ")") if word.kind == "mark" else 0
            yield word
            if not depth:
                break
        if not reading.take(","):
            break


def _functions(found: list[Word]) -> tuple[str, ...]:
    """The functions called that are not known to be harmless, each once."""
    calls: dict[str, None] = {}
    opened: list[bool] = []
    closed = -1  # where a call or a query in brackets ended last: an alias may follow, with columns
    for at, word in enumerate(found):
        if word.kind != "mark":
            continue
        if word.text == ")":
            closed = at if opened and opened.pop() else -1
        elif word.text == "(":
            parts = _name(found, at, closed)
            inner = found[at + 1] if at + 1 < len(found) else END
            opened.append(bool(parts) or (inner.kind == "name" and inner.text in QUERIES))
            if parts and not harmless(parts):
                calls[".".join(parts)] = None
    return tuple(calls)


def _name(found: list[Word], at: int, closed: int) -> list[str]:
    """The function whose arguments begin at `at`, by the parts of its name; none where it is none.

    Types (`::numeric(10, 2)`, `AS char(3)`) and aliases with columns (`f(1) t(a, b)`) are none.
    """
    first = at - 1
    if first > 1 and found[first].kind == "string" and found[first - 1].text == "uescape":
        return ["u&", found[first - 2].text]
    if first < 0 or found[first].kind not in ("name", "quoted"):
        return []
    parts = [found[first].text]
    while first > 1 and found[first - 1].text == "." and found[first - 2].kind in (
        "name", "quoted"
    ):
        first -= 2
        parts.append(found[first].text)
    if len(parts) == 1 and found[first].kind == "name" and parts[0] in _BEFORE_BRACKETS:
        return []
    before = found[first - 1] if first else END
    if before.kind == "name" and before.text in ("as", "into", "ordinality"):
        return []
    if first > 1 and before.text == ":" == found[first - 2].text:
        return []
    return [] if first and first - 1 == closed else parts[::-1]


def _made(found: list[Word]) -> str:
    """The table of SELECT ... INTO; a column may be called so behind a dot or AS alone."""
    before, at = "", 0
    for at, one in enumerate(found):  # noqa: B007 - where it ends is used below
        if one.kind == "name" and one.text == "into" and before not in (".", "as"):
            break
        before = one.text if one.kind in ("name", "mark") else ""
    else:
        return ""
    name: list[str] = []
    for word in found[at + 1 :]:
        optional = word.kind == "name" and word.text in (
            "temporary", "temp", "unlogged", "table", "local", "global"
        )
        if optional and not name:
            continue
        if word.kind in ("name", "quoted") and (not name or name[-1] == "."):
            name.append(word.text)
        elif word.text == "." and name:
            name.append(".")
        else:
            break
    return "".join(name).rstrip(".")
