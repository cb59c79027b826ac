"""One Linux audit event as its records: types and decoded fields, from whatever it was written in.

The text form is that of auditd's log (`type=PATH msg=audit(1700000000.123:42): item=0 name=...`),
raw or enriched (behind the byte 0x1D stand the names of users and calls). Fields that the kernel
calls untrusted are quoted, or hexadecimal where they hold quotes, blanks or controls; they are
decoded here. Programs put their own fields into `msg='...'`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from indelible.base.limits import NAME_CHARS, TARGETS
from indelible.ingest.parsers.contract import WRONG, NotUnderstood


class Record(NamedTuple):
    """One record: its own fields, those of the program that sent it, and a list of arguments."""

    type: str
    fields: dict[str, str]
    told: dict[str, str]
    args: tuple[str, ...] = ()


class Group(NamedTuple):
    """The records of one audit event. `id` is its `seconds.millis:serial`."""

    id: str
    node: str
    records: tuple[Record, ...]

    def first(self, *types: str) -> Record:
        """The first record of one of these types, or an empty one."""
        return next((one for one in self.records if one.type in types), _NONE)

    def all(self, kind: str) -> list[Record]:
        """Every record of a type, in order."""
        return [one for one in self.records if one.type == kind]


_NONE: Final = Record("", {}, {})
HEAD: Final = re.compile(
    r"(?:node=(?P<node>\S+) )?(?:audit: )?type=(?P<type>[A-Za-z0-9_]+|UNKNOWN\[\d+\]) (?:msg=)?"
    r"audit\((?P<id>\d{1,12}\.\d{1,9}:\d{1,20})\):?(?: |$)"
)
"""How a record begins, in auditd's log and in the kernel's own."""
_NUMBERS: Final = {
    "1006": "LOGIN", "1100": "USER_AUTH", "1101": "USER_ACCT", "1103": "CRED_ACQ",
    "1104": "CRED_DISP", "1105": "USER_START", "1106": "USER_END", "1107": "USER_AVC",
    "1108": "USER_CHAUTHTOK", "1109": "USER_ERR", "1110": "CRED_REFR", "1112": "USER_LOGIN",
    "1113": "USER_LOGOUT", "1114": "ADD_USER", "1115": "DEL_USER", "1116": "ADD_GROUP",
    "1117": "DEL_GROUP", "1123": "USER_CMD", "1130": "SERVICE_START", "1131": "SERVICE_STOP",
    "1127": "SYSTEM_BOOT", "1128": "SYSTEM_SHUTDOWN", "1300": "SYSCALL", "1302": "PATH",
    "1305": "CONFIG_CHANGE", "1306": "SOCKADDR", "1307": "CWD", "1309": "EXECVE",
    "1318": "OBJ_PID", "1320": "EOE", "1325": "NETFILTER_CFG", "1326": "SECCOMP",
    "1327": "PROCTITLE", "1334": "BPF", "1400": "AVC", "1403": "MAC_POLICY_LOAD",
    "1404": "MAC_STATUS", "1405": "MAC_CONFIG_CHANGE", "1700": "ANOM_PROMISCUOUS",
    "1701": "ANOM_ABEND",
}
"""The kernel's own log writes record types as numbers (linux/audit.h)."""
_PAIR: Final = re.compile(
    r"(?<![\w-])([A-Za-z_][\w-]*+(?:\[\d+\])?)="
    r"(\"[^\"]*\"|'[^']*'|\{[^}]{0,255}\}|\([^)]{0,255}\)|[^\s'\"{(]\S*|)"
)
_OP: Final = re.compile(r"(?<![\w-])op=(.*?)(?= [A-Za-z_][\w-]*=|$)", re.DOTALL)
_OLD: Final = re.compile(r"\(((?:hostname|sauid|terminal)=[^()'\"]*)\)\s*$")
"""How libaudit before 2.0 ended a message: `(hostname=?, addr=?, terminal=? res=failed)`."""
_TOLD: Final = re.compile(r"(?<![\w-])msg='")
_TOLD_END: Final = re.compile(r"'(?=\x1d|[A-Z][A-Z_-]*+=|\s|$)")
_HEX: Final = re.compile(r"(?:[0-9A-F]{2})+")
_ENCODED: Final = frozenset((
    "name", "cwd", "exe", "comm", "proctitle", "cmd", "acct", "path", "dir", "key", "unit", "vm",
    "ocomm", "file", "root_dir", "sw", "watch", "grp", "new_group", "dev", "device", "profile",
    "old-disk", "new-disk", "invalid_context", "tty", "terminal", "data",
))
"""Fields that are written in hexadecimal when they hold more than plain characters."""
_DECIDING: Final = ("acct", "res", "addr", "exe")
_AVC: Final = re.compile(r"avc: +(?P<how>granted|denied) +\{ (?P<what>[^}]{0,1023})\}")
_OLD_LOGIN: Final = re.compile(r"\b(old|new) (auid|ses)=")
_UNSAID: Final = frozenset(("?", "(null)", "(none)", "", "(unknown)"))


def group_of(text: str) -> Group:
    """The records of one event in auditd's text form; raises `NotUnderstood`."""
    found: list[Record] = []
    ident = node = ""
    for line in text.split("\n"):
        head = HEAD.match(line)
        if head is None:
            if not ident:
                raise NotUnderstood(WRONG, "it does not begin as a record of the Linux audit")
            continue
        if ident and head["id"] != ident:
            why = f"records of the events {ident} and {head['id']} in one message"
            raise NotUnderstood("mixed_events", why)
        ident, node = head["id"], node or head["node"] or ""
        kind = _NUMBERS.get(head["type"], head["type"])
        found.append(_record(kind, line[head.end() :].rstrip("\r")))
    return Group(ident, node, tuple(found))


def _record(kind: str, text: str) -> Record:
    before, inner, after = _told(text)
    told: dict[str, str] = {}
    if inner is not None:
        told = told_in(inner)
        text = f"{before} {after}"
    if kind == "LOGIN":
        text = _OLD_LOGIN.sub(lambda one: f"{'old-' if one[1] == 'old' else ''}{one[2]}=", text)
    pairs = _pairs(text.replace("\x1d", " "))
    if kind == "EXECVE":
        return Record(kind, {}, {}, _arguments(pairs))
    args = _proctitle(pairs) if kind == "PROCTITLE" else ()
    fields = {name: decoded(name, value) for name, value in pairs.items()}
    if kind in ("AVC", "USER_AVC", "SELINUX_ERR"):
        fields.update(_avc(text if kind != "USER_AVC" or inner is None else inner))
    return Record(kind, fields, told, args)


def _told(text: str) -> tuple[str, str | None, str]:
    """A program's own message within a record, with what stands before and after it.

    It begins at the first `msg='` and ends at the last quote that something new follows. Both are
    looked for once, so that no text makes this slow.
    """
    begin = _TOLD.search(text)
    if begin is None:
        return text, None, ""
    end = -1
    for found in _TOLD_END.finditer(text, begin.end()):
        end = found.start()
    if end < 0:
        return text, None, ""
    return text[: begin.start()], text[begin.end() : end], text[end + 1 :]


def told_in(text: str) -> dict[str, str]:
    """The fields of a program's own message; raises `NotUnderstood` when a deciding one differs.

    Programs write names that they were given beside the result; a second `res=` may be a name's.
    """
    old = _OLD.search(text)
    if old is not None:
        text = f"{text[: old.start()]} {old[1].replace(', ', ' ')}"
    op = _OP.search(text)
    if op is not None:
        text = f"{text[: op.start()]} {text[op.end() :]}"
    found: dict[str, str] = {} if op is None else {"op": op[1].strip().strip('"')}
    for name, value in _PAIR.findall(text):
        plain = decoded(name, value)
        if name in _DECIDING and found.get(name, plain) != plain:
            raise NotUnderstood("ambiguous", f"the message says {name} twice, and differently")
        found.setdefault(name, plain)
    if "avc: " in text:
        found.update(_avc(text))
    return found


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _PAIR.findall(text):
        if name == "key" and name in found:
            found[name] += f"\x01{value}"
        else:
            found.setdefault(name, value)
    return found


def decoded(name: str, value: str) -> str:
    """A field's value: unquoted, out of hexadecimal, '' when it says that it is unknown."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    if value in _UNSAID:
        return ""
    if name in _ENCODED and _HEX.fullmatch(value):
        return bytes.fromhex(value).decode("utf-8", "replace")
    return value


def _arguments(pairs: dict[str, str]) -> tuple[str, ...]:
    """EXECVE's `a0=... a1=...`, in order; long ones come in pieces (`a2[0]=... a2[1]=...`)."""
    found: list[str] = []
    while len(found) < TARGETS:
        name = f"a{len(found)}"
        if name in pairs:
            found.append(_argument(pairs[name]))
        elif f"{name}[0]" in pairs:
            found.append("".join(_pieces(name, pairs)))
        else:
            break
    return tuple(found)


def _pieces(name: str, pairs: dict[str, str]) -> Iterator[str]:
    at = 0
    while (piece := pairs.get(f"{name}[{at}]")) is not None:
        yield _argument(piece)
        at += 1


def _argument(value: str) -> str:
    if value[:1] == '"':
        return value[1:-1]
    return bytes.fromhex(value).decode("utf-8", "replace") if _HEX.fullmatch(value) else value


def _proctitle(pairs: dict[str, str]) -> tuple[str, ...]:
    """A process's title: its arguments between NUL bytes, cut off by the kernel at 128 bytes."""
    title = decoded("proctitle", pairs.pop("proctitle", ""))
    return tuple(title.split("\x00")[:TARGETS]) if title else ()


def _avc(text: str) -> dict[str, str]:
    found = _AVC.search(text)
    return {} if found is None else {"seresult": found["how"], "seperms": found["what"].strip()}


def socket_of(saddr: str) -> str:
    """An address as the kernel writes it in hexadecimal: `203.0.113.5:443`, a path; '' otherwise.

    IPv4, IPv6 and Unix sockets; the family is in the machine's byte order, the port is not.
    """
    if len(saddr) > NAME_CHARS or not _HEX.fullmatch(saddr.upper()):
        return ""
    raw = bytes.fromhex(saddr)
    family = raw[:2]
    port = int.from_bytes(raw[2:4], "big")
    if family in (b"\x02\x00", b"\x00\x02") and len(raw) >= 8:
        return f"{ipaddress.IPv4Address(raw[4:8])}:{port}"
    if family in (b"\x0a\x00", b"\x00\x0a") and len(raw) >= 24:
        return f"[{ipaddress.IPv6Address(raw[8:24])}]:{port}"
    if family in (b"\x01\x00", b"\x00\x01"):
        path = raw[2:].lstrip(b"\x00").split(b"\x00")[0].decode("utf-8", "replace")
        return f"@{path}" if path and raw[2:3] == b"\x00" else path
    return ""
