"""Samples of a format that nobody listed: what is found where. Pure.

Each sample is guessed at as `generic_json` does; the paths from which the guesses come are counted,
where a mapping's own reading of them gives a value. `mapping_draft` writes it down.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from indelible.base.limits import REMEMBERED
from indelible.event.model import ActorType, Outcome, Target
from indelible.event.paths import escape_segment
from indelible.ingest.parsers.contract import Given, NotUnderstood, Record
from indelible.ingest.parsers.guess import Guesses, guess
from indelible.ingest.parsers.guess_candidates import Guess
from indelible.ingest.parsers.guess_changes import changes_in, places_in
from indelible.ingest.parsers.guess_leaves import leaves_of
from indelible.ingest.parsers.guess_names import Path, joined
from indelible.ingest.parsers.guess_people import Group, called_by
from indelible.ingest.parsers.guess_time import Moment, read_epoch
from indelible.ingest.parsers.keyvalue import LEAST, record_of
from indelible.ingest.parsers.mapping_forms import with_texts
from indelible.ingest.parsers.mapping_paths import BadPath, compiled
from indelible.ingest.parsers.mapping_values import as_text
from indelible.ingest.parsers.pick import part

KINDS: Final = REMEMBERED // 16
"""Different actions, outcomes and members that are counted; a free text has no end of them."""
_PLAIN: Final = {
    "ip": "origin.ip", "host": "origin.host", "device": "origin.device",
    "agent": "origin.user_agent", "request": "origin.request_id", "trace": "origin.trace_id",
    "id": "id", "severity": "severity", "session": "actor.session", "time": "time",
    "action": "action", "outcome": "outcome", "mfa": "actor.auth.mfa",
    "method": "actor.auth.method",
}


class Where(NamedTuple):
    """One path: how often it was taken, how sure that was, and a value that stood there."""

    times: int
    sure: float
    example: Any


class Row(NamedTuple):
    """One kind of target: the list its elements stand in, and its members in there."""

    each: str
    id: str
    name: str
    type: str


class Collected:
    """What the samples say, by member of the event."""

    def __init__(self) -> None:
        self.count = 0
        self.telling = 0
        self.members: dict[str, dict[str, Where]] = {}
        self.actions: dict[str, int] = {}
        self.outcomes: dict[str, tuple[Any, Outcome]] = {}
        self.types: dict[ActorType, int] = {}
        self.units: set[str] = set()
        self.assumed = False
        self.targets: dict[Row, dict[str, int]] = {}
        self.changes: dict[tuple[str, str, str, str], int] = {}
        self.texts: dict[str, int] = {}
        self.leaves: dict[str, Where] = {}
        self.present: dict[str, int] = {}

    def paths(self, member: str) -> list[str]:
        """Where a member was found: the surest first, then the most frequent."""
        found = self.members.get(member, {})
        return sorted(found, key=lambda path: (-found[path].sure, -found[path].times, path))


def of_texts(samples: Iterable[str | Record]) -> list[Record]:
    """The records of lines of key=value; those with few pairs are left out."""
    found: list[Record] = []
    for one in samples:
        if isinstance(one, str):
            try:
                record = record_of(one)
            except NotUnderstood:
                continue
            if len(record) >= LEAST:
                found.append(record)
    return found


def written_path(path: Path) -> str:
    """A path as mappings write it: `details[Key=actor].Value`, `user\\.name`."""
    text = ""
    for segment in path:
        if segment.startswith("[") and segment.endswith("]") and "=" in segment:
            text += segment
        else:
            text += f"{'.' if text else ''}{escape_segment(segment)}"
    return text


def add(found: Collected, record: Record, given: Given) -> None:
    """Count one sample."""
    guessed = guess(record, given)
    texts = [path for path in guessed.texts if not any(set(".[") & set(name) for name in path)]
    for path in texts:
        found.texts[".".join(path)] = found.texts.get(".".join(path), 0) + 1
    whole = with_texts(record, [tuple(path) for path in texts])
    found.count += 1
    for member, one in guessed.members.items():
        if member in _PLAIN and one.paths:
            _take(found, _PLAIN[member], one.paths[0], whole, one.sure)
    _of_actor(found, guessed, whole)
    action = guessed.members.get("action")
    if action is not None:
        _count(found.actions, as_text(action.value))
    _of_time(found, guessed, whole)
    _of_outcome(found, guessed, whole)
    groups: list[Group] = guessed.members["target_groups"].value
    for target, group in zip(guessed.targets, groups, strict=False):
        _of_target(found, target, group, whole)
    if changes_in(record):
        for told in places_in(record):
            key = (written_path(told.holder), written_path(told.before),
                   written_path(told.after), written_path(told.named))
            found.changes[key] = found.changes.get(key, 0) + 1
    telling = "actor" in guessed.members
    found.telling += telling
    _of_leaves(found, record, telling)


def _at(record: Record, path: Path) -> Any:
    """What a mapping reads at a path; None where it reads nothing."""
    try:
        return compiled(written_path(path))(record, record)
    except BadPath:
        return None


def _take(found: Collected, member: str, path: Path, record: Record, sure: float) -> None:
    """Count a path for a member, when a mapping reads a value there."""
    text, value = written_path(path), _at(record, path)
    if value is None or not as_text(value):
        return
    places = found.members.setdefault(member, {})
    if text in places or len(places) < KINDS:
        before = places.get(text, Where(0, 0, value))
        places[text] = Where(before.times + 1, max(before.sure, sure), before.example)


def _of_actor(found: Collected, guessed: Guesses, record: Record) -> None:
    for member, front in (("actor_group", "actor"), ("behind", "behind")):
        one = guessed.members.get(member)
        if one is None:
            continue
        if front == "behind":
            _take(found, "behind.id", one.paths[0], record, one.sure)
            continue
        group: Group = one.value
        _of_person(found, group, front, record, one.sure)
        actor = guessed.members["actor"].value
        found.types[actor.type] = found.types.get(actor.type, 0) + 1


def _of_person(
    found: Collected, group: Group, front: str, record: Record, sure: float
) -> None:
    """The members of a group, as the parts of an actor."""
    parts = group.parts
    chosen = called_by(parts)
    _take(found, f"{front}.id", parts[chosen].path, record, sure)
    for name, member in (("name", "name"), ("email", "email"), ("type", "type"),
                         ("id", "own_id"), ("session", "session")):
        again = name == chosen and (name != "email" or "mail" not in joined(parts[name].path[-1]))
        if name in parts and not again:
            _take(found, f"{front}.{member}", parts[name].path, record, sure)


def _count(counts: dict[str, int], key: str) -> None:
    if key in counts or len(counts) < KINDS:
        counts[key] = counts.get(key, 0) + 1


def _of_time(found: Collected, guessed: Guesses, record: Record) -> None:
    """The unit of a time that is a number, which a mapping had better say."""
    one = guessed.members.get("time")
    if one is None:
        return
    moment: Moment = one.value
    found.assumed = found.assumed or moment.assumed
    value = _at(record, one.paths[0])
    for unit in ("s", "ms", "us", "ns"):
        read = read_epoch(value, unit)
        if read is not None and read.time == moment.time:
            found.units.add(unit)
            return
    found.units.add("")


def _of_outcome(found: Collected, guessed: Guesses, record: Record) -> None:
    one: Guess | None = guessed.members.get("outcome")
    if one is None or not one.paths or len(found.outcomes) >= KINDS:
        return
    if "action" in guessed.members and one.paths == guessed.members["action"].paths:
        return
    value = _at(record, one.paths[0])
    if value is not None:
        found.outcomes.setdefault(as_text(value).lower(), (value, one.value))


def _of_target(found: Collected, target: Target, group: Group, record: Record) -> None:
    """A row of targets: where id, name and type stand, in a list or in the record."""
    ident = next((one for one in group.parts.values() if str(one.value) == target.id), None)
    if ident is None:
        return
    named = next((one for one in group.parts.values() if str(one.value) == target.name), None)
    kind = group.parts.get("type")
    typed = kind is not None and part(str(kind.value)) == target.type
    listed = next((at for at, name in enumerate(ident.path) if name.isdigit()), None)
    front = ident.path[:listed] if listed is not None else ()

    def within(path: Path | None) -> str:
        if path is None or (listed is not None and path[:listed] != front):
            return ""
        return written_path(path[listed + 1 :]) or "@" if listed is not None else written_path(path)

    row = Row(written_path(front), within(ident.path), within(named.path if named else None),
              within(kind.path) if typed and kind is not None else "")
    try:
        compiled(row.id)
    except BadPath:
        return
    if row in found.targets or len(found.targets) < KINDS:
        kinds = found.targets.setdefault(row, {})
        _count(kinds, target.type)


def _of_leaves(found: Collected, record: Record, telling: bool) -> None:
    """Every member, so that those can be listed that nothing uses, and those that all samples have
    which tell who acted."""
    leaves = leaves_of(record)
    for path, value in zip(leaves.paths, leaves.values, strict=True):
        if any(name.isdigit() or name.startswith("[") for name in path):
            continue
        text = written_path(path)
        if text in found.leaves or len(found.leaves) < KINDS:
            before = found.leaves.get(text, Where(0, 0, value))
            same = before.sure + (value != before.example)
            found.leaves[text] = Where(before.times + 1, same, before.example)
            if telling and value != "":
                _count(found.present, text)
    for name, value in record.items() if telling else ():
        if isinstance(value, (dict, list)):
            _count(found.present, written_path((name,)))
