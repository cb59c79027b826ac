"""PostgreSQL's log as `log_destination = jsonlog` writes it (version 15 and later), with pgaudit.

Keys by the PostgreSQL manual, "Using JSON-Format Log Output". They say what the CSV columns say.
"""

from __future__ import annotations

from typing import Any, Final

from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Record,
    Understood,
)
from indelible.ingest.parsers.postgresql_csv import understood

_COLUMNS: Final = (
    ("log_time", "timestamp"), ("user", "user"), ("database", "dbname"), ("pid", "pid"),
    ("from", "remote_host"), ("session", "session_id"), ("line", "line_num"),
    ("severity", "error_severity"), ("code", "state_code"), ("message", "message"),
    ("detail", "detail"), ("hint", "hint"), ("context", "context"), ("statement", "statement"),
    ("app", "application_name"), ("backend", "backend_type"),
)


def _record(record: Record, given: Given) -> Understood:
    """One record; raises `NotUnderstood`."""
    said = {name: _said(record.get(key)) for name, key in _COLUMNS}
    if not said["message"] or not said["severity"]:
        absent = "error_severity" if said["message"] else "message"
        raise NotUnderstood(WRONG, f"the record has no {absent}")
    return understood(said, given)


def _said(value: Any) -> str:
    """A text or whole number as text; '' for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else ""


def _recognise(record: Record, given: Given) -> str:
    if "error_severity" in record and "message" in record and "timestamp" in record:
        return "it has timestamp, error_severity and message"
    return ""


PARSER: Final = Parser(
    name="postgresql_json",
    version="postgresql_json/1",
    about="PostgreSQL server log in JSON form, with pgaudit",
    record=_record,
    recognise=_recognise,
)
