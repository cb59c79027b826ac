"""JSON as a verifier must read it: no duplicate members, no NaN, no number silently changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from indelible_verify.errors import Damaged


class _Number:
    """A number that is not a plain integer of at most 20 digits: kept out of comparisons."""


class Pairs(list[tuple[str, object]]):
    """A JSON object as its members in order, duplicates included."""


NUMBER: Final = _Number()


def _integer(text: str) -> object:
    return int(text) if len(text) <= 20 else NUMBER


def _constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=Pairs,
    parse_int=_integer,
    parse_float=lambda text: NUMBER,
    parse_constant=_constant,
)


def parse_object(
    data: bytes, what: str, index: int | None = None, *, once: frozenset[str] | None = None
) -> dict[str, object]:
    """Read one JSON object; raises Damaged when it is none or repeats a top-level member.

    With `once` only the members of those names must not stand twice; of others the last counts.
    Objects below the top stay `Pairs` until `members` is asked for them.
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Damaged(f"{what} is not UTF-8 at byte {error.start}", index) from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Damaged(f"{what} is not JSON: {reason}", index) from None
    return members(value, what, index, once=once)


def members(
    value: object, what: str, index: int | None = None, *, once: frozenset[str] | None = None
) -> dict[str, object]:
    """Members of one object; raises Damaged as `parse_object` does."""
    if not isinstance(value, Pairs):
        raise Damaged(f"{what} is not a JSON object", index)
    found: dict[str, object] = {}
    for name, member in value:
        if name in found and (once is None or name in once):
            raise Damaged(f"{what} has the member {name!r} twice", index)
        found[name] = member
    return found


def integer(value: object, top: int) -> int | None:
    """`value` if it is an integer from 0 to `top`, else None."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= top:
        return None
    return value


def text(found: Mapping[str, object], name: str) -> str:
    """The string member `name`, or the empty string where it is absent or no string."""
    value = found.get(name)
    return value if isinstance(value, str) else ""
