"""A draft of a mapping, from samples of a format that nobody listed: TOML, with what was seen in
comments. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, Final, NamedTuple

from indelible.base.errors import BadRequest
from indelible.base.unseen import UNSEEN
from indelible.event.model import ActorType, Outcome
from indelible.event.paths import split_path
from indelible.ingest.parsers.contract import Given, Record
from indelible.ingest.parsers.guess_action import done
from indelible.ingest.parsers.guess_told import outcome_in_name
from indelible.ingest.parsers.mapping_samples import Collected, Row, Where, add, of_texts
from indelible.ingest.parsers.pick import action

_UNSEEN = re.compile(f"[{UNSEEN}]")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PACKED: Final = (".gz", ".zst", ".json", ".ndjson", ".jsonl", ".log", ".txt")
_NOT_IN_NAME = re.compile(r"[^a-z0-9]+")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ORIGINS: Final = ("ip", "host", "device", "user_agent", "request_id", "trace_id")
_SHOWN: Final = len("2026-03-03T09:14:07.123456+00:00")  # of an example: as much as of a time


class Draft(NamedTuple):
    """The text of a mapping, from how many samples, and the paths of each member."""

    text: str
    samples: int
    members: dict[str, list[str]]


def draft(samples: Sequence[str | Record], name: str, given: Given) -> Draft | None:
    """The draft of a mapping; None where samples are neither objects nor pairs."""
    records = [one for one in samples if isinstance(one, dict)]
    reads = "json"
    if 2 * len(records) < len(samples):
        records, reads = of_texts(samples), "keyvalue"
    if not records:
        return None
    found = Collected()
    for record in records:
        add(found, record, given)
    members = {member: found.paths(member) for member in found.members}
    return Draft(_written(found, name, reads), found.count, members)


def name_of(given: str | None, file: str, taken: Collection[str]) -> str:
    """The name of the parser: as given, else made from the file's name.

    Raises `BadRequest` for what is no name, or is taken.
    """
    name = given
    if name is None:
        base = PurePath(file)
        while base.suffix.lower() in _PACKED:
            base = base.with_suffix("")
        name = _NOT_IN_NAME.sub("-", base.name.lower()).strip("-")
        name = f"my-{name or 'source'}" if name in taken or not name else name
        fits = _NAME.match(name)
        name = fits[0] if fits else name
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} is no name of a parser", field="name",
            remedy="Use lower case letters, digits, - and _, such as acme-portal.",
        )
    if name in taken:
        raise BadRequest(
            f"there is a parser {name!r} already", field="name",
            remedy="Give another name with --name.",
        )
    return name


def _written(found: Collected, name: str, reads: str) -> str:
    """The draft as a mapping file."""
    parts = [
        _head(found, name, reads), _times(found), _recognise(found), _action(found),
        _actions(found, name), _actor(found), _outcome(found), _origin(found),
        *(_target(found, row, kinds) for row, kinds in _most_rows(found.targets)),
        *(_change(key) for key in list(found.changes)[:4]), _rest(found),
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def quoted(text: str) -> str:
    """A text as TOML writes it, on one line, with everything invisible escaped."""
    plain = json.dumps(text, ensure_ascii=False)

    def escape(one: re.Match[str]) -> str:
        code = ord(one[0])
        if 0xD800 <= code < 0xE000:
            return "?"
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    return _UNSEEN.sub(escape, plain)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else quoted(name)


def _value(value: Any) -> str:
    """A text, a number or a truth value as TOML."""
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def _example(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return quoted(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _paths(paths: list[str]) -> str:
    """A path, or the first of several."""
    shown = [quoted(path) for path in paths[:4]]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _seen(found: Collected, places: dict[str, Where], paths: list[str]) -> str:
    """How often, and an example: the remark behind a line."""
    count = sum(places[path].times for path in paths[:4])
    return f"  # {min(count, found.count)} of {found.count}: {_example(places[paths[0]].example)}"


def _line(found: Collected, member: str, key: str) -> Iterator[str]:
    paths = found.paths(member)
    if paths:
        yield f"{key} = {_paths(paths)}{_seen(found, found.members[member], paths)}"


def _head(found: Collected, name: str, reads: str) -> Iterator[str]:
    yield f"# A draft of a mapping, guessed from {found.count} messages. Check every line, then try"
    yield f"# it: indelible parser test --parser {name}.toml FILE"
    yield "# What a mapping may say: docs/howto/add-a-source.md"
    yield f"name = {quoted(name)}"
    yield "version = 1"
    yield f"about = {quoted(f'{name}: say here what it is, in one line')}"
    if reads != "json":
        yield f"reads = {quoted(reads)}"
    if found.texts:
        yield f"texts = [{', '.join(quoted(one) for one in found.texts)}]"


def _times(found: Collected) -> Iterator[str]:
    paths = found.paths("time")
    if paths:
        unit = next(iter(found.units)) if len(found.units) == 1 else ""
        if unit:
            told = f"time = {{ from = {_paths(paths)}, unit = {quoted(unit)} }}"
        else:
            told = f"time = {_paths(paths)}"
        yield told + _seen(found, found.members["time"], paths)
        if found.assumed:
            yield "# Its times name no zone. Where the vendor documents one, say it instead:"
            yield f"# time = {{ from = {_paths(paths)}, zone = \"UTC\" }}"
    yield from _line(found, "id", "id")
    yield from _line(found, "severity", "severity")


def _recognise(found: Collected) -> Iterator[str]:
    """Members that every sample has: those the event is made of, else the first at the top."""
    told = [path for member in ("action", "actor.id", "time")
            for path in found.paths(member)]
    every = [path for path, count in found.present.items() if count == found.telling]
    own = [path for path in dict.fromkeys(told) if path in every]
    chosen = own + [path for path in every if path not in own][: max(3 - len(own), 0)]
    yield "# What tells such a message from those of other formats: members that all of them have."
    if chosen:
        yield "[recognise]"
        yield f"present = [{', '.join(quoted(path) for path in chosen)}]"
    else:
        yield "# The samples have none in common; without this the mapping has to be named."
    used = {path for places in found.members.values() for path in places}
    same = [path for path, leaf in found.leaves.items()
            if path not in used and leaf.times == found.count > 1 and not leaf.sure
            and isinstance(leaf.example, str) and len(leaf.example) <= _SHOWN]
    if same:
        pairs = ", ".join(f"{quoted(path)} = {_value(found.leaves[path].example)}"
                          for path in same[:4])
        yield f"# The same in all, if it is no chance: equal = {{ {pairs} }}"


def _action(found: Collected) -> Iterator[str]:
    paths = found.paths("action")
    if paths:
        yield "[action]"
        yield from _line(found, "action", "from")
        return
    yield "# Nothing says what was done; every message then is the same action:"
    yield "[action]"
    yield 'from = "=event.occur"'


def _actions(found: Collected, name: str) -> Iterator[str]:
    """The vendor's actions that were seen, with what their names seem to say."""
    rows = sorted(found.actions.items(), key=lambda one: (-one[1], one[0]))
    if not rows or not found.paths("action"):
        return
    yield "# Vendor's action = \"object.verb\"; those that are not listed are read in the same way."
    yield "[actions]"
    told = bool(found.outcomes)
    for vendor, count in rows:
        if "*" in vendor or len(vendor) > 2 * _SHOWN:
            continue
        verb = done(vendor)
        parts = [one for one in (verb.object, verb.verb or "occur") if one]
        named = action(name, *parts).removeprefix(f"{name}.")
        ended = outcome_in_name(vendor)
        row = quoted(named)
        if ended is not None and not (told and ended is Outcome.SUCCESS):
            row = f"{{ action = {row}, outcome = {quoted(ended.value)} }}"
        unclear = "" if verb.verb else "; its name does not say what it does"
        yield f"{quoted(vendor)} = {row}  # {count}{unclear}"


def _actor(found: Collected) -> Iterator[str]:
    yield "[actor]"
    if not found.paths("actor.id"):
        yield "# Nothing says who acted. Where it is always the same, write it so:"
        yield 'id = "=unknown"'
        return
    kinds = found.paths("actor.type")
    if kinds:
        yield from _line(found, "actor.type", "type")
    elif len(found.types) == 1 and ActorType.USER not in found.types:
        yield f"type = {quoted(f'={next(iter(found.types)).value}')}"
    for member in ("id", "name", "email", "own_id", "session"):
        yield from _line(found, f"actor.{member}", member)
    auth = [f"{part} = {_paths(paths)}" for part in ("method", "mfa")
            if (paths := found.paths(f"actor.auth.{part}"))]
    if auth:
        yield f"auth = {{ {', '.join(auth)} }}"
    behind = found.paths("behind.id")
    if behind:
        yield f"behind = [{{ id = {_paths(behind)} }}]"


def _outcome(found: Collected) -> Iterator[str]:
    paths = [path for path in found.paths("outcome") if path not in found.paths("action")]
    if not paths or not found.outcomes:
        return
    yield "[outcome]"
    yield f"from = {_paths(paths)}{_seen(found, found.members['outcome'], paths)}"
    for outcome in Outcome:
        values = [_value(value) for value, said in found.outcomes.values() if said is outcome]
        if values:
            yield f"{outcome.value} = [{', '.join(values)}]"
    yield '# otherwise = "success"  # where the vendor logs nothing else'


def _origin(found: Collected) -> Iterator[str]:
    lines = [line for member in _ORIGINS for line in _line(found, f"origin.{member}", member)]
    if lines:
        yield "[origin]"
        yield from lines


def _most_rows(rows: dict[Row, dict[str, int]]) -> list[tuple[Row, dict[str, int]]]:
    """The most frequent rows of targets, as many as an event usually has."""
    return sorted(rows.items(), key=lambda one: -sum(one[1].values()))[:6]


def _target(found: Collected, row: Row, kinds: dict[str, int]) -> Iterator[str]:
    yield f"[[targets]]  # {sum(kinds.values())} of {found.count}"
    if row.each:
        yield f"each = {quoted(row.each)}"
    names = sorted(kinds, key=lambda kind: (-kinds[kind], kind))
    others = f"  # or: {', '.join(names[1:8])}" if names[1:] else ""
    yield f"type = {quoted(row.type) if row.type else quoted('=' + names[0]) + others}"
    yield f"id = {quoted(row.id)}"
    if row.name:
        yield f"name = {quoted(row.name)}"


def _change(key: tuple[str, str, str, str]) -> Iterator[str]:
    holder, before, after, named = key
    yield "[[changes]]"
    if holder:
        yield f"all = {quoted(holder)}"
        return
    if named:
        yield f"path = {quoted(named)}"
    yield f"before = {quoted(before)}"
    yield f"after = {quoted(after)}"


def _rest(found: Collected) -> Iterator[str]:
    """Members that nothing uses, for `[data]`."""
    used = {path for places in found.members.values() for path in places}
    used |= {path for row in found.targets for path in (row.id, row.name, row.type)}
    used |= {path for key in found.changes for path in key}
    left = [path for path, leaf in found.leaves.items()
            if path not in used and not _within(path, used)]
    if not left:
        return
    yield "# Members that nothing above uses. Move those worth a search to [data], or to [labels]"
    yield "# when they have few values."
    yield "# [data]"
    left.sort(key=lambda path: -found.leaves[path].times)
    for path in left[: 4 * len(_ORIGINS)]:
        leaf = found.leaves[path]
        key = _key("_".join(split_path(path)[-2:]))
        yield f"# {key} = {quoted(path)}  # {leaf.times} of {found.count}: {_example(leaf.example)}"


def _within(path: str, used: Iterable[str]) -> bool:
    return any(path.startswith(f"{one}.") for one in used if one)
