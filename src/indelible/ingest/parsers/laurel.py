"""The Linux audit log as laurel writes it: one JSON object an event.

The form is laurel's (json-format.md of its sources; tried with 0.5.1): one member a record
type, arguments as lists, bytes that are no text percent-encoded, numbers of other bases as texts
(`0x241`, `0o100644`). What it means is told as for `auditd`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, unquote_to_bytes

from indelible.base.limits import TARGETS
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.auditd_event import understood
from indelible.ingest.parsers.auditd_record import Group, Record, told_in
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Understood,
)

_ID: Final = re.compile(r"\d{1,12}\.\d{1,9}:\d{1,20}")
_TYPE: Final = re.compile(r"[A-Z][A-Z0-9_]+|UNKNOWN\[\d+\]")
_NO_TYPES: Final = frozenset((
    "ID", "NODE", "PARENT_INFO", "CONTAINER_INFO", "LABELS", "BPRM_FCAPS", "CAPSET", "EOE",
))
"""Members that are no records, and records that say nothing an event has a place for."""


def _record(record: dict[str, Any], given: Given) -> Understood:
    """One event; raises `NotUnderstood`."""
    ident = pick.text(record, "ID")
    if not _ID.fullmatch(ident):
        raise NotUnderstood(WRONG, "the record has no ID of an audit event (seconds:serial)")
    node = _plain(pick.text(record, "NODE"))
    group = Group(ident, node, tuple(_records(record)))
    found = understood(group, f"{node}/{ident}" if node else "")
    call = pick.member(record, "SYSCALL")
    parent = pick.member(call, "PPID") or pick.member(record, "PARENT_INFO")
    more = {
        "parent": _plain(pick.text(parent, "exe", "comm")),
        "container": pick.text(pick.member(record, "CONTAINER_INFO"), "ID", "id"),
        "script": _plain(pick.text(pick.member(call, "SCRIPT"), "path", "name")),
    }
    return found._replace(data={**found.data, **pick.flat(more)})


def _records(record: dict[str, Any]) -> Iterator[Record]:
    """The records of an event, one member or several of a list for each type."""
    for kind, value in record.items():
        if kind in _NO_TYPES or not _TYPE.fullmatch(kind):
            continue
        for one in value[:TARGETS] if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield _one(kind, one)


def _one(kind: str, said: dict[str, Any]) -> Record:
    fields: dict[str, str] = {}
    told: dict[str, str] = {}
    args: tuple[str, ...] = ()
    for name in _PATH if kind == "PATH" else said:
        value = said.get(name)
        if type(value) is int:
            fields[name] = str(value)
        elif type(value) is str:
            if name == "saddr":
                plain = value.encode("utf-8", "replace")
                fields[name] = unquote_to_bytes(plain).hex().upper()
                continue
            if "%" in value:
                value = unquote(value)
            if name == "msg":
                told = told_in(value)
            elif name == "ARGV_STR":
                args = args or (value,)
            else:
                fields[name] = "" if value in _UNSAID else value
        elif name == "ARGV" and isinstance(value, list):
            args = tuple(map(_text, value[:TARGETS]))
        elif name == "SADDR" and isinstance(value, dict):
            fields["address"] = _address(value)
    if kind == "SYSCALL":
        fields.update((f"a{at}", one.removeprefix("0x")) for at, one in enumerate(args))
        fields["arch"] = fields.get("arch", "").removeprefix("0x")
        args = ()
    return Record(kind, fields, told, args)


_PATH: Final = ("name", "nametype", "objtype", "mode", "ouid", "ogid")
_UNSAID: Final = frozenset(("?", "(null)", "(none)"))


def _text(value: Any) -> str:
    """A text, decoded, or a number in decimal; '' for anything else."""
    if isinstance(value, str):
        return _plain(value)
    return str(value) if type(value) is int else ""


def _plain(value: str) -> str:
    return unquote(value) if "%" in value else value


def _address(said: dict[str, Any]) -> str:
    """A socket's address as laurel translates it."""
    host, port = pick.text(said, "addr", "path"), pick.word(said, "port")
    if not port:
        return _plain(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _recognise(record: dict[str, Any], given: Given) -> str:
    ident = record.get("ID")
    if not isinstance(ident, str) or not _ID.fullmatch(ident):
        return ""
    kind = next((name for name in record if name not in _NO_TYPES and _TYPE.fullmatch(name)), "")
    return f"it has the ID of an audit event and a record {kind}" if kind else ""


PARSER: Final = Parser(
    name="laurel",
    version="laurel/1",
    about="Linux audit log as JSON, written by laurel",
    record=_record,
    recognise=_recognise,
)
