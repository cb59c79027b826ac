"""The one boolean tree that searches, access scopes, rules and retention share.

Every node is immutable and means the same everywhere: `event.evaluate.matches` decides it for one
event, `query.sql` compiles it for the columns, and a property test holds the two together.
Negation is the complement: `Not(x)` matches exactly the events that `x` does not, absent fields
included.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class Op(Enum):
    """How a term compares. Lists of values mean any of them."""

    EQ = "eq"  # equal to any value; for `ip`, inside any address or block
    PREFIX = "prefix"  # begins with any value
    GE = "ge"
    GT = "gt"
    LE = "le"
    LT = "lt"
    PRESENT = "present"  # has a value
    CONTAINS = "contains"  # case-insensitive substring


class Term(msgspec.Struct, frozen=True, kw_only=True, tag="term"):
    """One comparison.

    `field` is a name of `event.fields.FIELDS`, or `label.KEY`, `data.PATH` (dots between members,
    digits for positions), or `raw`. `values` are texts, or integers for numbers and times
    (microseconds since 1970 UTC). `ip` values are addresses or CIDR blocks as text.
    """

    field: str
    op: Op
    values: tuple[str | int, ...] = ()


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """Case-insensitive substring of the event's text (`event.text.text_of`)."""

    value: str


class Changed(msgspec.Struct, frozen=True, kw_only=True, tag="changed"):
    """A change of `path` (None: any) from `before` to `after`; None means any value.

    Values compare with the JSON text, or with the decoded string where the JSON is a string.
    """

    path: str | None = None
    before: str | None = None
    after: str | None = None


class All(msgspec.Struct, frozen=True, kw_only=True, tag="all"):
    """Every child matches; with no children, everything does."""

    children: tuple[Predicate, ...] = ()


class AnyOf(msgspec.Struct, frozen=True, kw_only=True, tag="any"):
    """At least one child matches; with no children, nothing does."""

    children: tuple[Predicate, ...] = ()


class Not(msgspec.Struct, frozen=True, kw_only=True, tag="not"):
    """The child does not match."""

    child: Predicate


Predicate = Term | Text | Changed | All | AnyOf | Not

EVERYTHING = All()
NOTHING = AnyOf()


def both(left: Predicate, right: Predicate) -> Predicate:
    """Events that match both."""
    if left == EVERYTHING:
        return right
    if right == EVERYTHING:
        return left
    return All(children=(left, right))
