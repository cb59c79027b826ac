"""What a parser makes of one message, member by member, and what it leaves aside: for those who
choose a parser or write a mapping.

A member of a message counts as used when the event would be another without it. That is found out
by leaving it out, so it holds for every parser, whatever way it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from indelible.base.errors import InvalidEvent
from indelible.base.limits import CHANGES, JSON_DEPTH
from indelible.event.paths import escape_segment
from indelible.ingest.elements import Message
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers import native
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record
from indelible.ingest.parsers.finish import opened, parse_message, understand
from indelible.ingest.parsers.table import AUTO, all_parsers, recognised, resolve
from indelible.ingest.splitting import NATIVE

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_TELLING: Final = len("abc")
"""A value that is as long and stands in the event is used, also where others say the same."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One message: who reads it and why, and the event, or why there is none.

    `event` is without `raw`; of a message that was not understood it holds what could be read.
    `unused` are paths of the message, None where it is no JSON object or was not looked at.
    """

    line: int
    parser: str = ""
    within: str = ""
    recognised: str = ""
    understood: bool = False
    code: str = ""
    reason: str = ""
    flags: tuple[str, ...] = ()
    event: dict[str, Any] = {}
    unused: list[str] | None = None


def tried(parser: Parser | None, message: Message, given: Given, closely: bool) -> Trial:
    """What `parser` (None: the native format) makes of a message; `closely` finds out `unused`."""
    if message.code:
        return Trial(line=message.line, code=message.code, reason=message.problem)
    if parser is None:
        return _native(message)
    first = _first(parser, message.raw, given)
    parsed = parse_message(
        parser, message.raw, given, message_id=message.id,
        flags=("truncated",) if message.cut else (),
    )
    event: dict[str, Any] = _decode(parsed.content)
    event.pop("raw", None)
    event.pop("raw_type", None)
    if event.get("id") == message.id:
        del event["id"]  # made for it, not said
    reader = _name_of(parsed)
    why = event.pop("reason", {}) if parsed.kind == "unparsed" else {}
    unused = None
    if closely and parsed.kind != "unparsed":
        inner = resolve(parser, opened(message.raw), given)
        if isinstance(inner.message, dict):
            unused = list(unused_of(inner.parser, inner.message, inner.given))
    return Trial(
        line=message.line, parser=reader,
        within=first.name if first.name not in ("", reader) else "", recognised=first.why,
        understood=parsed.kind != "unparsed", code=why.get("code", ""),
        reason=why.get("text", ""), flags=parsed.flags, event=event, unused=unused,
    )


class _First(NamedTuple):
    """Who was asked first, and by what the message was recognised."""

    name: str
    why: str


def _first(parser: Parser, raw: bytes, given: Given) -> _First:
    message = opened(raw)
    if parser is AUTO:
        found = recognised(message, given)
        return _First(found[0].name, found[1]) if found else _First("", "")
    fits = parser.reads_records == isinstance(message, dict)
    return _First(parser.name, parser.recognise(message, given) if fits else "")


def _name_of(parsed: Parsed) -> str:
    """The name of the parser that made an event, by the version it signs with; '' when none did."""
    if parsed.parser == AUTO.version:
        return ""
    return next((one.name for one in all_parsers() if one.version == parsed.parser),
                parsed.parser.partition("/")[0])


def _native(message: Message) -> Trial:
    try:
        parsed = native.parse_event(message.raw, message.line, message.id)
    except InvalidEvent as error:
        field = f"{error.field}: " if error.field else ""
        return Trial(
            line=message.line, parser=NATIVE, code=error.code, reason=field + error.message
        )
    event: dict[str, Any] = _decode(parsed.content)
    if event.get("id") == message.id:
        del event["id"]
    return Trial(line=message.line, parser=NATIVE, understood=True, event=event)


def unused_of(parser: Parser, record: Record, given: Given) -> Iterator[str]:
    """The members of a record without which the event would be the same, as paths."""
    whole = _made(parser, record, given)
    told = _texts(whole)
    for path, value in _leaves(record):
        if _made(parser, _without(record, path), given) != whole:
            continue
        said = value if isinstance(value, str) else _encode(value).decode()
        if len(said) < _TELLING or said not in told:
            yield ".".join(escape_segment(str(step)) for step in path)


def _made(parser: Parser, record: Record, given: Given) -> bytes:
    """The event of a record as bytes; of a record that is not understood, why."""
    try:
        found = understand(parser, record, given)
        return _encode([found.event, found.data, found.flags])
    except NotUnderstood as no:
        return _encode(no.code)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, TypeError):
        return b""


def _texts(encoded: bytes) -> frozenset[str]:
    """Every text and number in a JSON document."""
    found: set[str] = set()
    waiting: list[Any] = [_decode(encoded)] if encoded else []
    for part in waiting:  # grows while it is read
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
        elif part is not None:
            found.add(part if isinstance(part, str) else _encode(part).decode())
    return frozenset(found)


_Path = tuple[str | int, ...]


def _leaves(record: Record) -> list[tuple[_Path, Any]]:
    """The members that hold a value, outer ones first, at most as many as an event has changes."""
    found: list[tuple[_Path, Any]] = []
    waiting: list[tuple[_Path, Any]] = [((), record)]
    for path, part in waiting:  # grows while it is read
        if len(found) >= CHANGES or len(waiting) > CHANGES:
            break
        inner: Any = part.items() if isinstance(part, dict) else enumerate(part)
        for name, value in inner:
            if isinstance(value, (dict, list)):
                if value and len(path) < JSON_DEPTH:
                    waiting.append(((*path, name), value))
            elif value is not None and value != "":
                found.append(((*path, name), value))
    return found[:CHANGES]


def _without(record: Record, path: _Path) -> Record:
    """A copy of the record without one member; what is not on the way to it is shared."""
    whole: Any = dict(record)
    part: Any = whole
    for step in path[:-1]:
        part[step] = part[step].copy()
        part = part[step]
    del part[path[-1]]
    found: Record = whole
    return found


NONE: Final = "none"
"""Stands for the parser of messages that none recognises."""


class Summary(msgspec.Struct, kw_only=True):
    """What became of the messages of a file: counts."""

    read: int = 0
    understood: int = 0
    guessed: int = 0
    unparsed: dict[str, int] = {}
    parsers: dict[str, int] = {}
    members: dict[str, int] = {}
    unused: dict[str, int] = {}
    looked_at: int = 0

    def add(self, one: Trial) -> None:
        """Count one message."""
        self.read += 1
        self.understood += one.understood
        self.guessed += one.understood and "guessed" in one.flags
        if not one.understood:
            self.unparsed[one.code] = self.unparsed.get(one.code, 0) + 1
        name = one.parser or NONE
        self.parsers[name] = self.parsers.get(name, 0) + 1
        for member in _has(one.event) if one.understood else ():
            self.members[member] = self.members.get(member, 0) + 1
        if one.unused is not None:
            self.looked_at += 1
            for path in dict.fromkeys(_general(path) for path in one.unused):
                self.unused[path] = self.unused.get(path, 0) + 1


MEMBERS: Final = ("actor", "time", "ip", "outcome", "target", "changes")
"""What a summary counts; an actor who is anonymous is none."""


def _has(event: dict[str, Any]) -> Iterator[str]:
    if event.get("actor", {}).get("type") != "anonymous":
        yield "actor"
    for member in ("time", "outcome", "changes"):
        if event.get(member):
            yield member
    if event.get("targets") or event.get("target"):
        yield "target"
    if event.get("origin", {}).get("ip"):
        yield "ip"


def _general(path: str) -> str:
    """A path whose positions in lists are left open: `details.*.value`."""
    return ".".join("*" if step.isdigit() else step for step in path.split("."))
