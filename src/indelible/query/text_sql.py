"""Substring conditions over text columns, and over texts inside JSON arrays.

`contains(lower(x), w)` is what they mean. Lowering a whole column costs ten times what looking for
a short text in it does, so a wide column is first asked for every spelling of two letters of the
word in a row; only what has one of them is lowered.
"""

from __future__ import annotations

from itertools import pairwise, product

from indelible.event.text import TEXT_PARTS, fold
from indelible.query.sql_parts import Sql, joined

_SPELLINGS = {"i": "iIİ", "k": "kK\u212a"}  # every character that `fold` turns into the letter
_COMMON = "\"_ -.,:0123456789etaoinsrhldcumfpgwybvkxjqz"  # from common to rare, in JSON of events
_RARE = "vxjqz"
_WIDE = {
    "actor_email", "target_id", "target_name", "further", "reason", "why", "changes", "data",
}  # fmt: skip
_FURTHER = {"target_types": "type", "target_ids": "id", "target_names": "name"}
_FIRST = {"target_types": "target_type", "target_ids": "target_id", "target_names": "target_name"}


def quoted(column: str) -> str:
    """A column's name as SQL."""
    return f'"{column}"'


def contains(column: str, value: str, before: tuple[object, ...] = ()) -> Sql:
    """Case-insensitive substring; DuckDB's `lower` is `fold` (a test compares every character)."""
    wanted = fold(value)
    if wanted.isascii() and wanted == wanted.upper():
        return Sql(f"contains({column}, ?)", (*before, wanted))
    exact = Sql(f"contains(lower({column}), ?)", (*before, wanted))
    if column.strip('"') not in _WIDE:
        return exact
    spelled = _spellings(wanted)
    if not spelled:
        return exact
    some = joined("OR", [Sql(f"contains({column}, ?)", (*before, text)) for text in spelled])
    case = f"CASE WHEN {some.text} THEN {exact.text} ELSE FALSE END"
    return Sql(case, some.values + exact.values)


def _spellings(wanted: str) -> list[str]:
    """All that `fold` turns into two ASCII characters in a row of `wanted`, or into one rare one.

    The pair that begins with the rarest letter: looking for it stops least often.
    """
    pairs = [a + b for a, b in pairwise(wanted) if (a + b).isascii()]
    if not pairs:
        return []
    chosen = max(pairs, key=lambda pair: [_rarity(letter) for letter in pair])
    if chosen[0] in _RARE:
        chosen = chosen[0]
    sides = [_SPELLINGS.get(letter, {letter, letter.upper()}) for letter in chosen]
    return sorted("".join(letters) for letters in product(*map(sorted, sides)))


def _rarity(letter: str) -> int:
    return _COMMON.find(letter) % 64  # what is not in the list is rarest


def mentions(column: str, needles: list[Sql]) -> Sql:
    """The JSON text may hold all of these: it does, or it has escapes that might spell them.

    A text that needs escapes in JSON brings a backslash with it, so this never says no wrongly.
    """
    if not needles:
        return Sql(f"{column} IS NOT NULL")
    return joined("OR", [joined("AND", needles), Sql(f"contains({column}, '\\')")])


def elements(column: str, member: str = "") -> str:
    """The strings of a JSON array, or those of one member of its objects, as a list."""
    path = f"$[*].{member}" if member else "$[*]"
    return f"json_extract_string({column}, '{path}')"


def some_element(column: str, member: str, needles: list[Sql], test: Sql) -> Sql:
    """A string of the JSON array passes `test` (on `x`); `needles` say what its text must hold."""
    listed = elements(column, member)
    exact = Sql(f"len(list_filter({listed}, lambda x: {test.text})) > 0", test.values)
    return joined("AND", [mentions(column, needles), exact])


def text_sides(value: str) -> list[Sql]:
    """For each text column, whether it contains `value`; together `event.text.TEXT_PARTS`.

    The further targets, of which types, ids and names are such parts, are one column.
    """
    sides = [contains(quoted(_FIRST.get(part, part)), value) for part in TEXT_PARTS]
    needle, test = contains("further", value), contains("x", value)
    members = [_FURTHER[part] for part in TEXT_PARTS if part in _FURTHER]
    further = [some_element("further", member, [needle], test) for member in members]
    return [*sides, joined("OR", further)]
