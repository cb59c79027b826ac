"""The Linux audit log as auditd writes it, raw or enriched; also by audisp-syslog and the kernel.

One message is all records of one audit event, joined by line ends; `join` says which lines these
are. A record that stands alone is read as far as it goes.
"""

from __future__ import annotations

import re
from typing import Final

from indelible.ingest.parsers.auditd_event import understood
from indelible.ingest.parsers.auditd_record import HEAD, group_of
from indelible.ingest.parsers.auditd_table import KERNEL
from indelible.ingest.parsers.contract import Given, Join, Parser, Understood

_HEAD: Final = re.compile(HEAD.pattern.encode())
_LAST: Final = frozenset(("EOE", "PROCTITLE"))


def _text(text: str, given: Given) -> Understood:
    """One audit event; raises `NotUnderstood`."""
    return understood(group_of(text))


def _recognise(text: str, given: Given) -> str:
    found = HEAD.match(text)
    if found is None:
        return ""
    return f"it begins with the audit record {found['type']} and audit({found['id']})"


def _key(line: bytes) -> bytes:
    """The event that a record belongs to, within the machine that wrote it."""
    found = _HEAD.match(line)
    return b"" if found is None else (found["node"] or b"") + b" " + found["id"]


def _ends(line: bytes) -> bool:
    """Whether no further record of the event follows.

    The kernel ends an event with PROCTITLE (and EOE, which auditd does not write to files);
    what a program sends is one record.
    """
    found = _HEAD.match(line)
    if found is None:
        return True
    kind = found["type"].decode()
    return kind in _LAST or (kind not in KERNEL and not kind.isdigit())


PARSER: Final = Parser(
    name="auditd",
    version="auditd/1",
    about="Linux audit log (auditd), raw or enriched",
    text=_text,
    reads_records=False,
    recognise=_recognise,
    join=Join(key=_key, ends=_ends),
)
