"""Entries of the systemd journal, an envelope: the message, and what the journal knows of it.

Reads objects as `journalctl -o json` writes them and as systemd-journal-upload's fields decode.
Fields whose names begin with an underscore were added by the journal itself and cannot be set by
the program that logged; they are kept in `data.journald`. Sources: systemd.journal-fields(7) and
the journal's JSON format (systemd.io, "Journal Export Formats"), `docs/sources/linux_auth.md`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Severity
from indelible.ingest.parsers.contract import WRONG, Given, NotUnderstood, Parser, Record
from indelible.ingest.parsers.linux_auth import may_have_written
from indelible.ingest.parsers.pick import epoch
from indelible.ingest.parsers.syslog_line import SEVERITIES, body, facility

_KEPT: Final = {
    "_UID": "uid", "_GID": "gid", "_COMM": "comm", "_EXE": "exe", "_CMDLINE": "cmdline",
    "_AUDIT_SESSION": "audit_session", "_AUDIT_LOGINUID": "audit_loginuid",
    "_SYSTEMD_UNIT": "unit", "_SYSTEMD_USER_UNIT": "user_unit", "_SYSTEMD_SESSION": "session",
    "_SYSTEMD_OWNER_UID": "owner_uid", "_SELINUX_CONTEXT": "selinux_context",
    "_BOOT_ID": "boot_id", "_MACHINE_ID": "machine_id", "_TRANSPORT": "transport",
    "MESSAGE_ID": "message_id", "SESSION_ID": "session_id", "USER_ID": "user_id", "UNIT": "of_unit",
    "__CURSOR": "cursor",
}
"""Field to its name in `data.journald`. `unit` is where it ran, `of_unit` what it speaks of."""
_MARKS: Final = (
    "__CURSOR", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "_BOOT_ID", "_TRANSPORT"
)


def unwrap(message: str | Record, given: Given) -> tuple[str | Record, Given]:
    """The message of one entry, and `given` with what the journal says of it.

    The time is the one at which the message was sent where the journal knows it, and then
    `observed` is when the journal received it. Raises `NotUnderstood` for what is no entry, and
    for one without a message (`journalctl` leaves out values over 4,096 bytes unless asked for
    all), and for one that a user's program wrote in the name of sshd, sudo or the like.
    """
    if not isinstance(message, dict):
        raise NotUnderstood(WRONG, "an entry of the journal is a JSON object")
    text = _text(message.get("MESSAGE"))
    if not text:
        if not _recognise(message, given) and "MESSAGE" not in message:
            raise NotUnderstood(WRONG, "the object has no MESSAGE")
        kept = {"journald": _kept(message)}
        raise NotUnderstood("no_message", "the entry's MESSAGE is empty or left out", kept)
    sent, received = _moments(message)
    program = _name(message, "SYSLOG_IDENTIFIER", "_COMM")
    process = _name(message, "SYSLOG_PID", "_PID")
    facts = _kept(message)
    facts.update((name, value) for name, value in (("program", program), ("pid", process)) if value)
    absent = sent is UNSET
    uid, exe = _name(message, "_UID"), _name(message, "_EXE")
    if uid and not may_have_written(text, program, uid, exe):
        if program:
            facts["claimed_program"] = facts.pop("program")
        raise NotUnderstood(
            "not_the_program",
            f"{exe or 'a program that the journal did not see'} of the account {uid} wrote it, "
            f"and may only take the name {program or 'of a module of PAM'}",
            {"journald": facts},
        )
    return body(_record_of_audit(message, text)), Given(
        now_us=given.now_us, zone=given.zone, proxies=given.proxies,
        id=_name(message, "__CURSOR") or given.id,
        host=_name(message, "_HOSTNAME") or given.host,
        program=program or given.program, process=process or given.process, of_host=True,
        time=given.time if absent else sent,
        observed=given.observed if received is UNSET else received,
        flags=given.flags if absent else (),
        severity=_severity(message, given), labels={**given.labels, **_facility(message)},
        data={**given.data, "journald": facts},
    )


def _record_of_audit(record: Record, text: str) -> str:
    """The kernel's audit record that an entry of the transport `audit` holds, as auditd writes it.

    The journal takes such a record apart: type, serial and time stand in fields of their own, and
    the message is the type's name with the rest behind it (systemd, journald-audit.c).
    """
    kind, serial = _name(record, "_AUDIT_TYPE_NAME"), _name(record, "_AUDIT_ID")
    sent = _name(record, "_SOURCE_REALTIME_TIMESTAMP")
    if _name(record, "_TRANSPORT") != "audit" or not text.startswith(f"{kind} "):
        return text
    if not (kind and serial.isdecimal() and sent.isdecimal() and len(sent) > 6):
        return text
    return f"type={kind} msg=audit({sent[:-6]}.{sent[-6:]}:{serial}): {text[len(kind) + 1:]}"


def _kept(record: Record) -> dict[str, object]:
    found = {name: _name(record, field) for field, name in _KEPT.items()}
    return {name: value for name, value in found.items() if value}


def _moments(record: Record) -> tuple[datetime | UnsetType, datetime | UnsetType]:
    """When the message was sent, and when the journal received it where that is known besides."""
    received = epoch(_first(record.get("__REALTIME_TIMESTAMP")), "us")
    sent = epoch(_first(record.get("_SOURCE_REALTIME_TIMESTAMP")), "us")
    return (received, UNSET) if sent is UNSET else (sent, received)


def _severity(record: Record, given: Given) -> Severity | UnsetType:
    number = _number(record.get("PRIORITY"))
    return SEVERITIES[number] if 0 <= number < len(SEVERITIES) else given.severity


def _facility(record: Record) -> dict[str, str]:
    return dict(facility(_number(record.get("SYSLOG_FACILITY"))))


def _number(value: Any) -> int:
    """A small number in decimal, or -1."""
    value = _first(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        return int(value)
    return value if type(value) is int else -1


def _name(record: Record, *fields: str) -> str:
    """The first of `fields` that holds a text short enough for a name."""
    for field in fields:
        value = _first(record.get(field))
        if type(value) is int:
            return str(value) if abs(value) < 1 << 64 else ""
        found = _text(value).strip("\n")
        if 0 < len(found) <= NAME_CHARS:
            return found
    return ""


def _first(value: Any) -> Any:
    """The value of a field, the first where an entry has several of one name."""
    if isinstance(value, list) and value and not _is_bytes(value):
        return value[0]
    return value


def _text(value: Any) -> str:
    """A field's text; bytes that are not UTF-8 come as a list of numbers."""
    value = _first(value)
    if isinstance(value, list) and _is_bytes(value):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _is_bytes(value: list[Any]) -> bool:
    return bool(value) and all(type(one) is int and 0 <= one < 256 for one in value)


def _recognise(record: Record, given: Given) -> str:
    if "MESSAGE" in record and any(mark in record for mark in _MARKS):
        return "it has MESSAGE and the journal's own fields"
    return ""


PARSER: Final = Parser(
    name="journald",
    version="journald/1",
    about="entries of the systemd journal (journalctl -o json), whatever is in them",
    unwrap=unwrap,
    recognise=_recognise,
)
