"""Documents of Elastic's shippers and of those that write like them, an envelope.

Filebeat, Elastic Agent and Logstash put the line they read into `message`, or into `event.original`
where they took it apart, and what they know of it beside (Elastic Common Schema). The line is what
is read on. Documents of Winlogbeat are the parser `winlogbeat`'s. A document whose own members are
the event (`event.action`) is an envelope only when it holds an original that a parser knows.
Sources: ECS 8 field reference, "Base", "Event", "Log", "Agent" and "Host" fields;
`docs/sources/beats.md`.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from indelible.base.limits import LABELS
from indelible.event.model import Severity
from indelible.ingest.parsers.contract import WRONG, Given, NotUnderstood, Parser, Record
from indelible.ingest.parsers.finish import opened
from indelible.ingest.parsers.pick import flat, items, member, moment, text, word
from indelible.ingest.parsers.table import recognised

_SHIPPERS: Final = ("agent", "ecs", "input", "beat", "@version", "@metadata")
"""Members of which an envelope has one; `log` and `host` count where they hold what is theirs."""

_READ_TIMES: Final = frozenset({"log", "filestream", "stdin"})
"""Inputs for which `@timestamp` is when the line was read, unless somebody took it apart."""

_LOCAL: Final = _READ_TIMES | {"", "container", "docker", "journald", "unix", "winlog", "audit"}
"""Inputs that read what was written on the shipper's own machine. `host` of all others is the
machine that fetched or received it, which says nothing of the event."""

_ANYTHING: Final = frozenset({"ecs", "json", "keyvalue", "beats"})
"""Parsers that take nearly every message: the document's own members say more."""

_SEVERITIES: Final = {
    **dict.fromkeys(("emerg", "emergency", "alert", "critical", "crit", "fatal", "panic"),
                    Severity.CRITICAL),
    **dict.fromkeys(("error", "err", "severe"), Severity.HIGH),
    **dict.fromkeys(("warning", "warn"), Severity.MEDIUM),
    "notice": Severity.LOW,
    **dict.fromkeys(("info", "information", "informational"), Severity.INFO),
    **dict.fromkeys(("debug", "trace"), Severity.DEBUG),
}
_PLACES: Final = {
    "container": ("container", "name"), "container_id": ("container", "id"),
    "namespace": ("kubernetes", "namespace"), "pod": ("kubernetes", "pod", "name"),
    "node": ("kubernetes", "node", "name"), "cloud_account": ("cloud", "account", "id"),
    "cloud_instance": ("cloud", "instance", "id"), "trace_id": ("trace", "id"),
}


def unwrap(message: str | Record, given: Given) -> tuple[str | Record, Given]:
    """The line in a document, decoded where it is JSON, and `given` with what is beside it.

    Raises `NotUnderstood` for a document without a line.
    """
    if isinstance(message, str):
        raise NotUnderstood(WRONG, "a shipper's document is a JSON object, not a text")
    line = _line(message)
    decoded = message.get("json")
    if not line and not (isinstance(decoded, dict) and decoded):
        raise NotUnderstood("missing_field", "the document has neither message nor event.original")
    text_of = line.removeprefix(" ")  # rsyslog's messages begin with the space behind the tag
    inner = opened(text_of.encode("utf-8", "replace")) if line else decoded
    assert inner is not None
    return inner, _known(message, given)


def _line(record: Record) -> str:
    original = member(record, "event").get("original")
    line = original if isinstance(original, str) and original else record.get("message")
    return line if isinstance(line, str) else ""


def _known(record: Record, given: Given) -> Given:
    log, process = member(record, "log"), member(record, "process")
    syslog = member(log, "syslog")
    stamp = moment(record.get("@timestamp"))
    event = member(record, "event")
    original = "original" in event  # then header and all: it says itself who wrote it, and when
    read_at = text(member(record, "input"), "type") in _READ_TIMES and not original
    if original:
        process, syslog = {}, {}
    created = moment(event.get("created"))
    observed = created if created is not UNSET else stamp if read_at else given.observed
    dataset = text(event, "dataset")
    data = _beside(record)
    severity = _severity(log)
    return replace(
        given,
        host=_said(_host(record)) or given.host,
        program=_said(text(process, "name") or text(syslog, "appname")) or given.program,
        process=_said(word(process, "pid") or word(syslog, "procid")) or given.process,
        time=given.time if read_at or stamp is UNSET else stamp,
        observed=observed,
        flags=given.flags if read_at or stamp is UNSET else (),
        severity=given.severity if severity is UNSET else severity,
        labels={**given.labels, "dataset": dataset} if dataset else given.labels,
        data={**given.data, "shipper": data} if data else given.data,
    )


def _said(value: str) -> str:
    """A value, but for the `-` that stands for none in syslog."""
    return "" if value == "-" else value


def _host(record: Record) -> str:
    """The machine that the line was written on, as far as the shipper says it."""
    syslog = text(member(record, "log", "syslog"), "hostname")
    local = text(member(record, "input"), "type") in _LOCAL or "forwarded" in items(record, "tags")
    if syslog or not local:
        return syslog
    host = member(record, "host")
    return (
        text(host, "name", "hostname") or text(record, "host", "hostname")
        or text(member(record, "agent"), "hostname", "name")
        or text(member(record, "beat"), "hostname")
    )


def _severity(log: Any) -> Severity | UnsetType:
    return _SEVERITIES.get(text(log, "level").lower(), UNSET)


def _beside(record: Record) -> dict[str, object]:
    """What the shipper says of where the line was, as scalars; `raw` keeps the document."""
    log, agent = member(record, "log"), member(record, "agent")
    said: dict[str, object] = {
        "name": text(agent, "type") or text(member(record, "beat"), "name"),
        "version": text(agent, "version"),
        "file": text(member(log, "file"), "path") or text(record, "source", "path"),
        "offset": word(log, "offset") or word(record, "offset"),
    }
    for name, path in _PLACES.items():
        said[name] = text(member(record, *path[:-1]), path[-1])
    tags = [tag for tag in items(record, "tags")[:LABELS] if isinstance(tag, str)]
    fields = {
        name: value for name, value in list(member(record, "fields").items())[:LABELS]
        if isinstance(value, (str, int, float, bool))
    }
    return flat({**said, "tags": tags, "fields": fields})


def _recognise(record: Record, given: Given) -> str:
    if not isinstance(record.get("@timestamp"), str) or "winlog" in record:
        return ""
    if not (
        any(name in record for name in _SHIPPERS)
        or isinstance(record.get("host"), dict) or isinstance(record.get("log"), dict)
    ):
        return ""
    event = member(record, "event")
    original = event.get("original")
    if "action" in event and not (isinstance(original, str) and _is_known(original, given)):
        return ""
    if isinstance(original, str):
        return "it has @timestamp and event.original"
    if isinstance(record.get("message"), str):
        return "it has @timestamp, message and a shipper's members"
    if isinstance(record.get("json"), dict) and "agent" in record:
        return "it has @timestamp, agent and json"
    return ""


def _is_known(original: str, given: Given) -> bool:
    """Whether a parser knows the original of a document as a format of its own."""
    found = recognised(opened(original.encode("utf-8", "replace")), given)
    return found is not None and found[0].name not in _ANYTHING


PARSER: Final = Parser(
    name="beats",
    version="beats/1",
    about="documents of Filebeat, Elastic Agent and Logstash, whatever line is in them",
    unwrap=unwrap,
    recognise=_recognise,
)
