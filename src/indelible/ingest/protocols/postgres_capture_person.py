"""Who stands behind the changes of a transaction, as the application itself said: pure.

The write-ahead log does not know. An application says it inside the transaction, before its
changes, with `pg_logical_emit_message(true, 'indelible', JSON)`: `actor`, `origin`, `why`,
`labels`, `subjects` as in a native event, and `request_id` for short. What is said holds for the
rows after it, until something else is said or the transaction ends. Nobody checks it: it is as
true as those who may write to the database.

Without it, or where it cannot be read, the actor is the database, and the event says that this was
inferred.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from indelible.base.errors import InvalidEvent
from indelible.base.limits import CAPTURE_SAID_BYTES, NAME_CHARS
from indelible.event.strict import check_document
from indelible.ingest.parsers.native import parse_event

PREFIX: Final = "indelible"
_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_MAY_SAY: Final = ("actor", "origin", "labels", "subjects", "why", "request_id")
_STANDS_FOR: Final = {"action": "row.update", "target": {"type": "row", "id": "row"}}
"""The rest of an event, so that what was said is held to the rules of native events."""


class Person(NamedTuple):
    """What is said of all rows from here on, as pieces of an event's JSON.

    `actor` is the actor's object, `origin` and `more` are further members with a comma before each
    (`more`: labels, subjects, why), `data` members of `data` likewise. `flags` are the event's.
    """

    actor: bytes
    origin: bytes
    more: bytes
    data: bytes
    flags: tuple[str, ...]


def nobody(database: str, problem: str = "") -> Person:
    """Nobody was named; `problem` is why what was said could not be read."""
    data = b',"guessed":["actor"]'
    if problem:
        data += b',"actor_problem":' + _encode(problem[:NAME_CHARS])
    return Person(_system(database), b"", _labels(database, {}), data, ("guessed",))


def person(content: bytes, database: str) -> Person:
    """Whom an application named; `nobody` with the reason where it cannot be read."""
    try:
        said = _read(content, database)
    except InvalidEvent as error:
        where = f"{error.field}: " if error.field else ""
        return nobody(database, f"{where}{error.message}")
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return nobody(database, f"not an object of JSON: {error}")
    named = "actor" in said
    labels = msgspec.json.decode(said["labels"]) if "labels" in said else {}
    more = b"".join(
        [b',"%b":%b' % (name.encode(), said[name]) for name in ("subjects", "why") if name in said]
    )
    return Person(
        actor=bytes(said["actor"]) if named else _system(database),
        origin=b',"origin":%b' % said["origin"] if "origin" in said else b"",
        more=_labels(database, labels) + more,
        data=b"" if named else b',"guessed":["actor"]',
        flags=() if named else ("guessed",),
    )


def _read(content: bytes, database: str) -> dict[str, Raw]:
    """The members as a native event would store them; raises `InvalidEvent` or msgspec's."""
    if len(content) > CAPTURE_SAID_BYTES:
        why = f"{len(content)} bytes, more than {CAPTURE_SAID_BYTES}"
        raise InvalidEvent(why, code="too_large")
    said = _members(content)
    check_document(content)
    for name in said:
        if name not in _MAY_SAY:
            raise InvalidEvent(f"there is {', '.join(_MAY_SAY)}", field=name, code="unknown_field")
    request = said.pop("request_id", None)
    if request is not None:
        origin = _members(said["origin"]) if "origin" in said else {}
        origin.setdefault("request_id", request)
        said["origin"] = Raw(_encode(origin))
    event = {**_STANDS_FOR, "actor": Raw(_system(database)), **said}
    whole = _members(parse_event(_encode(event), 1).content)
    return {name: whole[name] for name in said if name in whole}


def _system(database: str) -> bytes:
    return b'{"type":"system","id":%b}' % _encode(database)


def _labels(database: str, said: dict[str, str]) -> bytes:
    return b',"labels":%b' % _encode({**said, "database": database})
