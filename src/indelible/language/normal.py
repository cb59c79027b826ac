"""The normal form of a predicate: the one shape that the parser makes and that `render` writes.

`All` inside `All` and `AnyOf` inside `AnyOf` are one; one child stands for itself; a double
negation is none; nothing at all is `Not(All())`. The meaning never changes.
"""

from __future__ import annotations

from collections.abc import Iterable

from indelible.event.predicate import EVERYTHING, All, AnyOf, Not, Predicate, Text

NEVER = Not(child=EVERYTHING)


def conjunction(children: Iterable[Predicate]) -> Predicate:
    """Events that match every child; the children are in normal form."""
    flat: list[Predicate] = []
    for child in children:
        flat.extend(child.children if isinstance(child, All) else (child,))
    return flat[0] if len(flat) == 1 else All(children=tuple(flat))


def disjunction(children: Iterable[Predicate]) -> Predicate:
    """Events that match some child; the children are in normal form."""
    flat: list[Predicate] = []
    for child in children:
        if isinstance(child, AnyOf):
            flat.extend(child.children)
        elif child != NEVER:
            flat.append(child)
    if not flat:
        return NEVER
    return flat[0] if len(flat) == 1 else AnyOf(children=tuple(flat))


def negation(child: Predicate) -> Predicate:
    """Events that do not match the child, which is in normal form."""
    return child.child if isinstance(child, Not) else Not(child=child)


def normal(predicate: Predicate) -> Predicate:
    """An equal predicate in normal form."""
    match predicate:
        case All():
            return conjunction([normal(child) for child in predicate.children])
        case AnyOf():
            return disjunction([normal(child) for child in predicate.children])
        case Not():
            return negation(normal(predicate.child))
        case Text(value=""):
            return EVERYTHING
        case _:
            return predicate
