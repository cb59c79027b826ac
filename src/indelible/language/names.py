"""Names that may stand before a colon, and the nearest one to a name that may not."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from indelible.base.errors import QueryError
from indelible.event.fields import FIELDS
from indelible.language.lexer import Token

FAMILIES: Final[dict[str, str]] = {
    "label": "a label of the event, by its key: label.KEY",
    "data": "anything in the event's own data, by its path: data.PATH (slower)",
    "change": "what one path changed from and to: change.PATH:before->after",
}
"""Names that take a key or path behind a dot."""

CONTROLS: Final[dict[str, str]] = {
    "since": "happened at or after a date, time or age",
    "until": "happened up to and including a date or time, or before an age",
    "on": "happened on a day, or in a month or year",
    "sort": "order of the answer: time (newest first) or index",
}
"""Names that bound or order the whole search."""

RAW_HELP: Final = "the original message of a foreign format: raw:~word (slower)"

_MEANT: Final = {
    "who": "actor", "user": "actor", "username": "actor", "principal": "actor", "by": "actor",
    "email": "actor", "actor.id": "actor", "usertype": "actor.type", "event": "action",
    "verb": "action", "what": "action", "name": "action", "type": "operation",
    "class": "operation", "object": "target", "resource": "target", "entity": "target",
    "target.id": "target", "result": "outcome", "status": "outcome", "address": "ip",
    "addr": "ip", "src": "ip", "src_ip": "ip", "source_ip": "ip", "client_ip": "ip",
    "origin.ip": "ip", "hostname": "host", "app": "service", "application": "service",
    "ua": "agent", "useragent": "agent", "user_agent": "agent", "sid": "session",
    "request_id": "request", "trace_id": "trace", "org": "tenant", "account": "tenant",
    "level": "severity", "priority": "severity", "sev": "severity", "tag": "label.KEY",
    "tags": "label.KEY", "label": "label.KEY", "labels": "label.KEY", "data": "data.PATH",
    "after": "since", "from": "since", "before": "until", "to": "until", "date": "on",
    "day": "on", "when": "on", "order": "sort", "orderby": "sort", "changed": "change",
    "diff": "change", "path": "change", "flags": "flag", "message": "raw", "person": "subject",
    "position": "index", "impersonated": "onbehalf", "on_behalf_of": "onbehalf",
}  # fmt: skip


def all_names() -> dict[str, str]:
    """Every name that may be typed, with its meaning; families as `label.`."""
    names = {field.name: field.help for field in FIELDS.values()}
    names["raw"] = RAW_HELP
    names.update({f"{family}.": help for family, help in FAMILIES.items()})
    names.update(CONTROLS)
    return names


def resolve(token: Token) -> str:
    """The field that a token names: a plain one, a control, or `label.KEY`, `data.P`, `change.P`.

    Plain names are read without regard to case; keys and paths as they stand. Raises `QueryError`
    with the nearest name.
    """
    plain = token.text.lower()
    if not token.rest_quoted and (plain in FIELDS or plain in CONTROLS or plain == "raw"):
        return plain
    family = plain.split(".", 1)[0]
    if family in FAMILIES and (token.rest or token.rest_quoted):
        return f"{family}.{token.rest}"
    raise _unknown(token, plain)


def _unknown(token: Token, plain: str) -> QueryError:
    near = _MEANT.get(plain)
    if near is None:
        candidates = [*FIELDS, *CONTROLS, "raw", *_MEANT]
        found = get_close_matches(plain, candidates, 1, 0.6)
        near = _MEANT.get(found[0], found[0]) if found else None
    hint = f"Did you mean {near}? " if near else "docs/reference/search.md lists the fields. "
    return QueryError(
        f"there is no field {token.text!r}",
        position=token.start,
        field=token.text,
        remedy=f"{hint}To look for this as text, put it in quotes.",
    )
