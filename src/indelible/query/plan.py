"""What to read for a query: which files, in which order, split how.

Pure functions of the selection and the list of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeGuard

from indelible.base.limits import ROW_GROUP_ROWS, SPLIT_TERMS
from indelible.event.predicate import All, AnyOf, Op, Predicate, Term, Text
from indelible.query.model import Selection
from indelible.query.sql import Deciders, Ids, condition, sides_of_text, target_conditions
from indelible.query.sql_parts import TRUE, Sql, guarded, joined, negated
from indelible.store.column_file import ColumnFile

NEEDLES = ("actor", "onbehalf", "target", "session", "request", "id")
"""Fields whose equality finds few events; all but `onbehalf` have a Bloom filter."""
_FILES, _NEEDLE_FILES = 2, 32  # of the first wave; the next ones widen


def whole(selection: Selection) -> Predicate:
    """Everything an event must match to be shown: query, scope and times. Nothing else is read."""
    terms: list[Predicate] = [timeless(selection)]
    if selection.since_us is not None:
        terms.append(Term(field="time", op=Op.GE, values=(selection.since_us,)))
    if selection.until_us is not None:
        terms.append(Term(field="time", op=Op.LT, values=(selection.until_us,)))
    return All(children=tuple(terms))


def timeless(selection: Selection) -> Predicate:
    """What is left to ask of the events of a file that lies `within` the selection's times."""
    return All(children=(selection.predicate, selection.scope))


def within(file: ColumnFile, selection: Selection) -> bool:
    """Whether every event of the file fulfils the selection's times, so that none is read."""
    since, until = selection.since_us, selection.until_us
    return (since is None or file.time_min >= since) and (until is None or file.time_max < until)


def conjuncts(predicate: Predicate) -> Iterator[Predicate]:
    """The conditions that must all hold, nested `All`s opened."""
    if isinstance(predicate, All):
        for child in predicate.children:
            yield from conjuncts(child)
    else:
        yield predicate


def bounds(predicate: Predicate, field: str) -> tuple[int | None, int | None]:
    """Smallest and largest value of `field` that can match, both inclusive; None: no bound."""
    low: int | None = None
    high: int | None = None
    for term in conjuncts(predicate):
        if not isinstance(term, Term) or term.field != field:
            continue
        values = [value for value in term.values if isinstance(value, int)]
        if not values or len(values) != len(term.values):
            continue
        if term.op in (Op.EQ, Op.GE, Op.GT):
            least = min(values) + (term.op is Op.GT)
            low = least if low is None else max(low, least)
        if term.op in (Op.EQ, Op.LE, Op.LT):
            most = max(values) - (term.op is Op.LT)
            high = most if high is None else min(high, most)
    return low, high


def pruned(files: Sequence[ColumnFile], predicate: Predicate, size: int) -> list[ColumnFile]:
    """The files that can hold a match below `size`."""
    since, until = bounds(predicate, "time")
    low, high = bounds(predicate, "index")
    return [
        file
        for file in files
        if file.first < size
        and (since is None or file.time_max >= since)
        and (until is None or file.time_min <= until)
        and (low is None or file.end > low)
        and (high is None or file.first <= high)
    ]


class Wave(NamedTuple):
    """Files to read next, perhaps only a part of them, and the best value (of time or index) that
    anything later can still hold; None after the last. A page whose rows are all better than that
    needs nothing later."""

    files: list[ColumnFile]
    part: Sql | None
    later: int | None


def waves(
    files: Sequence[ColumnFile], sort: str, descending: bool, needles: bool
) -> Iterator[Wave]:
    """Files in the order of the answer: a row group's worth at first, then more and more.

    Few waves for needles, since Bloom filters prune whatever is read; but among hundreds of files
    a needle may fill its page from the newest.
    """
    by_time = sort == "time"
    column = "time" if by_time else '"index"'

    def best(file: ColumnFile) -> int:
        if by_time:
            return file.time_max if descending else file.time_min
        return file.end - 1 if descending else file.first

    left = sorted(files, key=best, reverse=descending)
    if left and left[0].rows > 2 * ROW_GROUP_ROWS:
        line = _first_part(left[0], by_time, descending)
        rest = [best(file) for file in left[1:]]
        later = max([line - 1, *rest]) if descending else min([line + 1, *rest])
        yield Wave(left[:1], Sql(f"{column} {'>=' if descending else '<='} ?", (line,)), later)
        if not needles:
            beyond = Sql(f"{column} {'<' if descending else '>'} ?", (line,))
            yield Wave(left[:1], beyond, rest[0] if rest else None)
            left = left[1:]
            if not left:
                return
    count = _NEEDLE_FILES if needles else _FILES
    while True:
        wave, left = left[:count], left[count:]
        yield Wave(wave, None, best(left[0]) if left else None)
        if not left:
            return
        count *= 2 if needles else 4


def _first_part(file: ColumnFile, by_time: bool, descending: bool) -> int:
    """Where about a row group of the file ends, seen from the end that the answer begins with."""
    low, high = (file.time_min, file.time_max) if by_time else (file.first, file.end - 1)
    width = (high - low) * ROW_GROUP_ROWS // file.rows
    return high - width if descending else low + width


def sides(predicate: Predicate, deciders: Deciders) -> list[Sql]:
    """Conditions that together mean `predicate`; an event may fulfil several of them.

    An OR across columns prunes nothing and reads all of them; apart, each side is decided by its
    own column's Bloom filter, dictionary or values before any other is read. So a search for one
    target is split into "the first target" and "a further one", an `AnyOf` of needles into its
    sides, a text into its columns.
    """
    found, kept = _split(predicate, deciders, Ids.BOTH, texts=True)
    return [joined("AND", [side, kept]) for side in found]


def branches(predicate: Predicate, deciders: Deciders) -> list[Sql]:
    """As `sides`, but they exclude each other, so that what is counted is counted once.

    A side excludes the earlier ones only for rows that it matches. A text is not split: to exclude
    reads the other columns after all, three times as much work as one look at all of them.
    """
    return _apart(*_split(predicate, deciders, Ids.BOTH))


def text_branches(predicate: Predicate, deciders: Deciders) -> list[Sql]:
    """As `branches`, for column files without hashes of targets."""
    return _apart(*_split(predicate, deciders, Ids.TEXT))


def candidates(predicate: Predicate, deciders: Deciders) -> list[Sql]:
    """As `branches`, but a needle on targets finds whatever has its hash: the bodies decide.

    Spares decoding the ids of a whole row group for each event that is found.
    """
    return _apart(*_split(predicate, deciders, Ids.HASH))


def _apart(split: list[Sql], kept: Sql) -> list[Sql]:
    found = [joined("AND", [split[0], kept])]
    for number in range(1, len(split)):
        only = guarded(split[number], negated(joined("OR", split[:number])))
        found.append(joined("AND", [only, kept]))
    return found


def _split(
    predicate: Predicate, deciders: Deciders, ids: Ids, *, texts: bool = False
) -> tuple[list[Sql], Sql]:
    """The sides of the condition that is worth splitting, and everything else that must hold."""
    parts = list(conjuncts(predicate))
    split = [
        [] if isinstance(part, Text) and not texts else _sides(part, deciders, ids)
        for part in parts
    ]
    position = _best(parts, split)
    if position is None:
        return [condition(predicate, deciders)], TRUE
    rest = All(children=tuple(parts[:position] + parts[position + 1 :]))
    return split[position], condition(rest, deciders)


def names_needles(predicate: Predicate) -> bool:
    """Does some condition that must hold name a needle, or one of a few?"""
    return any(map(_needles, conjuncts(predicate)))


def names_targets(predicate: Predicate) -> bool:
    """May `candidates` be more than `branches`: is a needle on targets among those?"""
    return any(
        needle.field == "target" for part in conjuncts(predicate) for needle in _needles(part)
    )


def _needles(part: Predicate) -> list[Term]:
    """The needles of a condition that finds few events; none of any other."""
    children = part.children if isinstance(part, AnyOf) else (part,)
    found = [child for child in children if _is_needle(child)]
    return found if len(found) == len(children) else []


def _best(parts: list[Predicate], split: list[list[Sql]]) -> int | None:
    """Which condition to split: one that names needles, else a text."""
    worth = [number for number, sides in enumerate(split) if len(sides) > 1]
    needles = [number for number in worth if not isinstance(parts[number], Text)]
    if any(_is_needle(part) and part.field != "target" for part in parts):
        return needles[0] if needles else None
    return next(iter(needles + worth), None)


def _is_needle(part: Predicate) -> TypeGuard[Term]:
    return (
        isinstance(part, Term)
        and part.op is Op.EQ
        and part.field in NEEDLES
        and bool(part.values)
    )


def _sides(part: Predicate, deciders: Deciders, ids: Ids) -> list[Sql]:
    if _is_needle(part):
        if part.field == "target":
            return target_conditions(part, ids)
        return [condition(part, deciders)]
    if isinstance(part, Text) and part.value:
        return sides_of_text(part.value, deciders)
    children = part.children if isinstance(part, AnyOf) else ()
    if len(children) > SPLIT_TERMS or not all(map(_is_needle, children)):
        return []
    return [side for child in children for side in _sides(child, deciders, ids)]
