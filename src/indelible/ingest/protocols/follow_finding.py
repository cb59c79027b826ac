"""Whether a file that was not seen before is a known one under another name, or a new one: pure.

A file whose first line is new is a new file. One that begins like a known file may be its copy
(`copytruncate`, `gzip` after a rotation, an editor that saves) or another that begins the same.
Content decides where it can: the file was read up to some places, and before each of them a copy
has the same bytes. Names decide what is plausible at all: a copy of `app.log` is called
`app.log.1`, `app.log-20260301.gz` or `app-2026-03-01.log`, or stands where `app.log` itself was and
is no more.

When in doubt it is a new file: events that come twice are seen, events that are missing are not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from indelible.base.limits import FOLLOW_SAME_BYTES, REMEMBERED
from indelible.ingest.protocols.files import Position

_PACKED: Final = re.compile(r"\.(?:gz|zst|bz2|xz|Z)$")
_TURNED: Final = re.compile(r"[-._](?:\d+(?:[-._T:]?\d+)*|old|bak|orig|prev|save)(?=[-._]|$)")

_LAST_TURN: Final = re.compile(_TURNED.pattern.partition("(?=")[0] + "$")


class Candidate(NamedTuple):
    """A file that was not seen before: `size` of its content, `first` of its first line.

    `settled` says that nobody writes to it (it is whole), `decided` that it was waited for long
    enough. `tail_at` gives the hash of the bytes before a place (`files.tail_of`).
    """

    path: str
    size: int
    first: bytes
    settled: bool
    decided: bool
    tail_at: Callable[[int], bytes]


class Verdict(NamedTuple):
    """What a candidate is: `wait`, `new` (with `known` beginnings, or without), `copy`, `short`.

    A `copy` holds everything that was read of `of`, and perhaps more; a `short` one ends before.
    """

    kind: str
    of: Position | None = None


@lru_cache(maxsize=REMEMBERED)
def base_name(path: str) -> str:
    """The name that a rotated file had before it was rotated, dated or packed."""
    return _TURNED.sub("", _PACKED.sub("", os.path.basename(path)))


def is_rotation(path: str, of: str) -> bool:
    """Whether `path` is what a rotation, a dating or a packing of `of` would be called."""
    name, old = os.path.basename(path), os.path.basename(of)
    if name == old:
        return False
    bare = _PACKED.sub("", name)
    if bare in (old, _PACKED.sub("", old)):
        return name != bare
    return base_name(path) == base_name(of) != bare


def live_names(path: str) -> set[str]:
    """What a file may have been called before a rotation gave it this name, surely.

    Stricter than `is_rotation`: `host-2.log` is not what became of `host-1.log`.
    """
    name = os.path.basename(path)
    bare = _PACKED.sub("", name)
    names = {bare, base_name(name)}
    while (found := _LAST_TURN.search(bare)) is not None and found.start():
        bare = bare[: found.start()]
        names.add(bare)
    return names - {name}


def judge(
    found: Candidate, known: Iterable[Position], alive: Callable[[Position], bool]
) -> Verdict:
    """What `found` is, given the `known` files that begin as it does.

    `alive` says of a known file that its content is still there, under whatever name: little in
    common with one that is does not make a copy. A file that was lost before anything that was read
    of it was kept, perhaps after that was delivered, is continued by whatever it may be: under its
    generation, what was delivered is not delivered again.
    """
    unclear, unread = False, None
    for one in sorted(known, key=lambda each: -each.at):
        needed = _plausible(found, one, alive)
        if needed == 1 and not (one.at or one.done or alive(one)):
            unread = one
        if needed is None or one.at < needed:
            continue
        place = one.tail_below(found.size)
        if place is None:
            unclear = unclear or one.at > 0
        elif found.tail_at(place[0]) == place[1]:
            if found.size >= one.at:
                if one.at >= FOLLOW_SAME_BYTES or not alive(one):
                    return Verdict("copy", one)
                if found.settled or found.decided:
                    continue
                return Verdict("wait", one)
            if not found.settled and not found.decided:
                return Verdict("wait", one)
            if place[0] >= FOLLOW_SAME_BYTES:
                return Verdict("short", one)
    if unclear and not found.settled and not found.decided:
        return Verdict("wait")
    return Verdict("new") if unread is None else Verdict("copy", unread)


def _plausible(
    found: Candidate, one: Position, alive: Callable[[Position], bool]
) -> int | None:
    """How many bytes in common make `found` a copy of `one`; None when nothing does."""
    near = os.path.dirname(found.path) == os.path.dirname(one.path)
    if is_rotation(found.path, one.path):
        return 1 if near else FOLLOW_SAME_BYTES
    if found.path == one.path and not alive(one):
        return FOLLOW_SAME_BYTES
    return None
